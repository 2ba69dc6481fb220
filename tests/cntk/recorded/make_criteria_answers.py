"""Record what the real CNTK 2.7 gives for criteria_cases.py. Run by its Python 3.6: `python3.6 make_criteria_answers.py`.

Writes criteria_answers.npz, native files among the answers, beside this file.
"""

import os
import sys
import tempfile

import cntk
import numpy as np
from criteria_cases import CASES, evaluated, saved

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case."""
    answers = {}
    for name in sorted(CASES):
        for part, value in CASES[name](cntk).items():
            answers["%s/%s" % (name, part)] = np.asarray(value)
    for name, (model, values) in saved(cntk).items():
        path = os.path.join(tempfile.mkdtemp(), name)
        model.save(path)
        answers["saved/%s" % name] = evaluated(model, values)
        answers["file/%s" % name] = np.fromfile(path, np.uint8)
    np.savez_compressed(os.path.join(HERE, "criteria_answers.npz"), **answers)
    sys.stdout.write("%d answers\n" % len(answers))


if __name__ == "__main__":
    main()
