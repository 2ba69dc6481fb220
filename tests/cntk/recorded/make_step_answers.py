"""Record what the real CNTK 2.7 gives for step_cases.py: `python3.6 make_step_answers.py` writes beside this file."""

import os
import sys
import tempfile

import cntk
import numpy as np
from step_cases import CASES, evaluated, parts, saved

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case; keep native files among the answers."""
    answers = {}
    for name in sorted(CASES):
        for part, value in CASES[name](cntk).items():
            answers["%s/%s" % (name, part)] = np.asarray(value)
    for name, (model, values) in saved(cntk).items():
        path = os.path.join(tempfile.mkdtemp(), name)
        model.save(path)
        answers.update(parts("saved/%s" % name, evaluated(model, values)))
        answers["file/%s" % name] = np.fromfile(path, np.uint8)
    np.savez_compressed(os.path.join(HERE, "step_answers.npz"), **answers)
    sys.stdout.write("%d answers\n" % len(answers))


if __name__ == "__main__":
    main()
