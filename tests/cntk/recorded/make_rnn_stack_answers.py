"""Record stacks of recurrent layers of the real CNTK 2.7: `python3.6 make_rnn_stack_answers.py` writes beside this file.

CNTK itself computes them on graphics cards only; what its own converter makes of them it computes anywhere.
"""

import os

import cntk as C
import numpy as np
from cntk.misc import convert_optimized_rnnstack

HERE = os.path.dirname(os.path.abspath(__file__))
STACKS = (
    ("lstm", False, 2),
    ("lstm", True, 1),
    ("rnnReLU", False, 2),
    ("rnnTanh", True, 2),
    ("gru", True, 1),
)
DATA = [np.arange(6, dtype=np.float32).reshape(2, 3) / 5, np.ones((3, 3), np.float32)]


def main():
    """Write files, and what comes out of them."""
    found = {}
    for kind, both, layers in STACKS:
        weights = C.parameter((C.InferredDimension, 3), C.initializer.uniform(0.7, seed=5), name="W")
        x = C.sequence.input_variable(3, name="x")
        model = C.optimized_rnnstack(x, weights, 2, layers, bidirectional=both, recurrent_op=kind, name="rnn")
        name = "%s_%d_%d" % (kind, both, layers)
        path = os.path.join(HERE, "rnn.tmp")
        model.save(path)
        with open(path, "rb") as file:
            found[name] = np.frombuffer(file.read(), np.uint8)
        os.remove(path)
        if kind != "gru":
            converted = convert_optimized_rnnstack(model)
            for number, one in enumerate(converted.eval({converted.arguments[0]: DATA})):
                found["%s_answer_%d" % (name, number)] = one
    np.savez_compressed(os.path.join(HERE, "rnn_stack_answers.npz"), **found)


if __name__ == "__main__":
    main()
