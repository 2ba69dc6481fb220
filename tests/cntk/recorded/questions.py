"""Short questions to CNTK, asked of the real CNTK 2.7 (Python 3.6) and of ours in the same words.

`make_question_answers.py`, run by the real one, records what it says; `test_questions_against_cntk.py` asks ours.
"""

import re

import numpy as np

ROWS = np.array([[0, 0], [-2, 2], [1, 3]], np.float32)
RAGGED = [np.arange(12).reshape(4, 3).astype(np.float32), np.arange(6).reshape(2, 3).astype(np.float32) - 2]

QUESTIONS = {
    # what is no operand, index or axis
    "plus None": "x + None",
    "text plus": "'a' + x",
    "index None": "x[None]",
    "index float": "x[1.5]",
    "index text": "x['a']",
    "one of a list": "x[[1]].root_function.op_name",
    "splice beyond the axes": "C.splice(x, x, axis=5)",
    "reshape to another size": "C.reshape(x, (5,))",
    "pad too few axes": "C.pad(w, [(1, 1)])",
    "pad an unknown way": "C.pad(x, [(1, 1)], mode='constant')",
    "mapping of no block": "(x + 1).root_function.block_arguments_mapping",
    "expand_dims 0": "C.expand_dims(w, 0).shape",
    "expand_dims 1": "C.expand_dims(w, 1).shape",
    "expand_dims -1": "C.expand_dims(w, -1).shape",
    "expand_dims -4": "C.expand_dims(w, -4).shape",
    # numbers
    "power 2": "C.pow(x, 2).eval(ROWS)",
    "power 0": "C.pow(x, 0).eval(ROWS)",
    "power -1": "C.pow(x, -1).eval(ROWS)",
    "0 to a power": "C.pow(0, x).eval(ROWS)",
    "gradient of a power": "C.pow(x, 2).grad(ROWS)",
    "gradient of clip at its bounds": "C.clip(x, 0, 2).grad(ROWS)",
    "0-d array": "(scalar + 1).eval({scalar: np.array(3, np.float32)})",
    "calling a constant graph": "(C.constant(1) + 1)()",
    # normalisation of every element: statistics are one flat vector
    "statistics of a plane": "[p.shape for p in C.layers.BatchNormalization()(w).parameters]",
    "statistics of a plane, kept": "[c.shape for c in C.layers.BatchNormalization()(w).constants]",
    "statistics of a plane's channels": "[p.shape for p in C.layers.BatchNormalization(map_rank=1)(w).parameters]",
    "statistics of two axes": "C.layers.BatchNormalization(map_rank=2)(w)",
    "a plane normalised": "C.layers.BatchNormalization(init_scale=2)(C.reshape(x, (1, 2)))(ROWS)",
    # sequences
    "reduce a static axis of ragged sequences": "C.reduce_sum(s, 0).eval({s: RAGGED})",
    "largest of ragged sequences": "C.argmax(s).eval({s: RAGGED})",
    "layer normalisation of ragged sequences": "C.layers.LayerNormalization()(s).eval({s: RAGGED})",
    "axis after the first step": "str(C.sequence.slice(s, 1, 0))",
    "axis before the last steps": "str(C.sequence.slice(s, 0, -2))",
    "axis of a slice": "str(C.sequence.slice(s, 1, 3))",
    "sequence plus sample": "tree(s + b)",
    "sample minus sequence": "tree(b - s)",
    "sequence times open placeholder": "tree(s * p)",
    "sample plus open placeholder": "tree(b + p)",
    "sequence and sample in a cosine": "tree(C.cosine_distance(s, b))",
    "sequence plus sample, computed": "(s + b).eval({s: RAGGED, b: np.array([[1, 2, 3], [4, 5, 6]], np.float32)})",
    "gradient through sequence times sample": "(s * b).grad({s: RAGGED, b: np.array([[1, 2, 3], [4, 5, 6]], np.float32)}, [b])",
    "recurrence by hand": "tree(by_hand(C, s))",
    "recurrence by hand, computed": "by_hand(C, s).eval({s: RAGGED})",
    # Value
    "no NumPy": "(x + 1).eval(ROWS, as_numpy=False)",
    "no NumPy, the numbers": "(x + 1).eval(ROWS, as_numpy=False).asarray()",
    "no NumPy, sequences": "(s + 1).eval({s: RAGGED}, as_numpy=False).as_sequences(s)",
    "no NumPy, mask": "(s + 1).eval({s: RAGGED}, as_numpy=False).mask.tolist()",
    "no NumPy, fed again": "(x * 2).eval({x: (x + 1).eval(ROWS, as_numpy=False)})",
    "no NumPy, gradient": "(x * x).grad(ROWS, as_numpy=False).asarray()",
    "Value": "C.Value(ROWS)",
    "NDArrayView": "C.NDArrayView.from_dense(ROWS).shape",
    # parameters and what is left open
    "value of another shape": "setattr(C.parameter((2, 3)), 'value', np.zeros((3, 2), np.float32))",
    "value of open shape": "C.parameter((C.InferredDimension, 2)).value",
    "times of the unknown": "str(C.times(p, C.parameter((4, 3))))",
    "a layer on a placeholder": "str(C.layers.Dense(3)(x).clone('share', {x: p}))",
}


COUNTED = re.compile(r"(?<=[A-Za-z])\d+(?=\b|_)")


def by_hand(C, s):
    """Return a recurrence as old tutorials write it."""
    state = C.placeholder(name="state")
    step = s + 0.5 * state
    return step.replace_placeholders({state: C.sequence.past_value(step)})


def namespace(C):
    """Return what the questions speak of."""
    return {
        "C": C,
        "np": np,
        "ROWS": ROWS,
        "RAGGED": RAGGED,
        "x": C.input_variable(2, needs_gradient=True, name="x"),
        "w": C.input_variable((3, 4, 5), name="w"),
        "s": C.sequence.input_variable(3, name="s"),
        "b": C.input_variable(3, needs_gradient=True, name="b"),
        "p": C.placeholder(name="p"),
        "tree": lambda model: COUNTED.sub(
            "", " | ".join(map(str, C.logging.depth_first_search(model, lambda node: True)))
        ),
        "by_hand": by_hand,
        "scalar": C.input_variable((), name="scalar"),
    }


def answer(words, names):
    """Return the answer to a question as what JSON can hold: numbers, a text, or the class of an error."""
    try:
        found = eval(words, dict(names))
    except Exception as error:  # noqa: BLE001
        return {
            "error": next(
                one.__name__
                for one in type(error).__mro__
                if one.__module__ == "builtins" and one is not Exception
            )
        }
    if isinstance(found, (list, np.ndarray)) and not isinstance(found, str):
        parts = found if isinstance(found, list) else [found]
        return {"numbers": [np.asarray(part).tolist() for part in parts]}
    if isinstance(found, (np.generic, float)):
        return {"numbers": [float(found)]}
    return {"text": str(found)}
