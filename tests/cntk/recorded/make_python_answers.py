"""Record what the real CNTK 2.7 gives for python_cases.py. Run by its Python 3.6: `python3.6 make_python_answers.py`.

Writes python_answers.npz beside this file.
"""

import os
import sys

import cntk
import numpy as np
from python_cases import CASES

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case."""
    answers = {}
    for name in sorted(CASES):
        for part, value in CASES[name](cntk).items():
            answers["%s/%s" % (name, part)] = np.asarray(value)
    np.savez_compressed(os.path.join(HERE, "python_answers.npz"), **answers)
    sys.stdout.write("%d answers\n" % len(answers))


if __name__ == "__main__":
    main()
