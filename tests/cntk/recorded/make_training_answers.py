"""Record training by the real CNTK 2.7: `python3.6 make_training_answers.py` writes training_answers.json beside this file."""

import json
import os
import sys
import tempfile

import cntk
import training_cases

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case."""
    answers = training_cases.all_of(cntk, os.path.join(tempfile.mkdtemp(), "data.txt"))
    with open(os.path.join(HERE, "training_answers.json"), "w") as file:
        json.dump(answers, file, sort_keys=True)
    sys.stdout.write("recorded\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
