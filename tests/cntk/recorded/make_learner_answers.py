"""Record how the real CNTK 2.7 learns: `python3.6 make_learner_answers.py` writes learner_answers.npz beside this file."""

import os
import sys

import cntk
import learner_cases
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Run every case in float32, and those without options in float64."""
    answers = {}
    for name in learner_cases.names():
        dtypes = ("float32",) if "/" in name else ("float32", "float64")
        for dtype in dtypes:
            for part, value in learner_cases.course(cntk, name, np.dtype(dtype).type).items():
                answers["%s|%s|%s" % (name, dtype, part)] = value
    for name in learner_cases.TRAINED:
        for part, value in learner_cases.training(cntk, name).items():
            answers["training|%s|%s" % (name, part)] = value
    np.savez_compressed(os.path.join(HERE, "learner_answers.npz"), **answers)
    sys.stdout.write("%d answers\n" % len(answers))


if __name__ == "__main__":
    main()
