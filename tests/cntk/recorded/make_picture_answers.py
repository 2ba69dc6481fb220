"""Record how the real CNTK 2.7 reads pictures: `python3.6 make_picture_answers.py` writes beside this file.

Its reader of pictures wants libjpeg 8, libpng 1.2, libtiff 5 and libjasper 1; libraries of these names that do nothing are
enough, since the pictures here are bitmaps.
"""

import json
import os
import sys
import tempfile

import cntk
import cntk.io.transforms
import numpy as np
import picture_cases

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case."""
    os.chdir(tempfile.mkdtemp())
    picture_cases.write_files(".")
    cases = picture_cases.one_by_one()
    arrays = {str(number): picture_cases.pixels(cntk, case, number) for number, case in enumerate(cases)}
    np.savez_compressed(os.path.join(HERE, "picture_answers.npz"), **arrays)
    answers = {
        "lists": {name: picture_cases.of_list(cntk, name) for name in picture_cases.LISTS},
        "texts": {name: picture_cases.of_text(cntk, name) for name in picture_cases.TEXTS},
        "wrong": [picture_cases.wrong(cntk, number) for number in range(len(picture_cases.WRONG))],
        "taken": [picture_cases.taken(cntk, number) for number in range(len(picture_cases.TAKEN))],
        "joined": [picture_cases.joined(cntk, first) for first in (False, True)],
        "streams": picture_cases.streams(cntk),
    }
    with open(os.path.join(HERE, "picture_answers.json"), "w") as file:
        json.dump(answers, file, sort_keys=True)
    sys.stdout.write("recorded\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
