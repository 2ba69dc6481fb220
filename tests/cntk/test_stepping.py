"""Stepping through graphs at a prompt."""

import io

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.debugging.debug import _DebugNode, debug_model

X = np.float32([[1, 2]])


def network():
    x = C.input_variable(2, name="features", needs_gradient=True)
    weights = C.parameter((2, 3), init=2, name="weights")
    return C.relu(C.times(x, weights, name="product"), name="out")


def stepped(commands, run=None):
    """Return what is written: the prompts left out, line by line."""
    out = io.StringIO()
    quits = []
    model = debug_model(network(), io.StringIO(commands), out, quits.append)
    run = run or (lambda one: one.eval({one.arguments[0]: X}))
    found = run(model)
    text = out.getvalue()
    prompts = text.count(_DebugNode.PROMPT_FORWARD), text.count(_DebugNode.PROMPT_BACKWARD)
    for prompt in (_DebugNode.PROMPT_FORWARD, _DebugNode.PROMPT_BACKWARD):
        text = text.replace(prompt, "")
    return found, [line for line in text.split("\n") if line], prompts, quits


def test_values_are_those_of_the_model_and_each_node_is_told():
    found, lines, prompts, _ = stepped("c\n")
    np.testing.assert_array_equal(found, [[6, 6, 6]])
    assert lines[0].strip("= ") == "forward"
    assert [line.split("(")[0] for line in lines[1:]] in (
        ["Parameter", "Input", "product: Times", "out: ReLU"],
        ["Input", "Parameter", "product: Times", "out: ReLU"],
    )
    assert prompts == (1, 0)


@pytest.mark.parametrize(
    ("commands", "prompts"),
    [
        ("n\nn\nn\nn\n", 4),
        ("n 2\nc\n", 2),
        ("n 3\nn\n", 2),
        ("u product\nc\n", 2),
        ("u lambda arg, node: node.op_name == 'ReLU' if hasattr(node, 'op_name') else False\nc\n", 2),
        ("u forward\nc\n", 2),
        ("u lambda arg, node: len(np.shape(arg)) > 9\n", 1),
        ("", 1),
    ],
)
def test_it_goes_on_as_far_as_it_is_told(commands, prompts):
    assert stepped(commands)[2] == (prompts, 0)


def test_values_are_shown_and_slips_answered():
    lines = stepped("u product\np\nhelp\nu nowhere\nu lambda:(\nn x\nc\n")[1]
    assert "Input with shape (1, 3): " in lines
    assert "[[6. 6. 6.]]" in lines
    assert lines.count("Commands:") == 3
    assert "Your model does not contain a node with name 'nowhere'." in lines


def test_gradients_are_shown_backwards():
    def run(model):
        return C.reduce_sum(model).grad({model.arguments[0]: X}, wrt=[model.arguments[0]])

    found, lines, prompts, _ = stepped("u b\np\nc\n", run)
    np.testing.assert_array_equal(found, [[6, 6]])
    backward = next(place for place, line in enumerate(lines) if line.strip("= ") == "backward")
    assert lines[backward + 1].startswith("out: ReLU")
    assert any(line.startswith("Root gradients with shape (1, 3)") for line in lines[backward:])
    assert prompts == (1, 2)


def test_quitting_is_left_to_who_asked():
    assert stepped("q\n")[3] == [0]


def test_training_goes_through_a_model_that_is_stepped_through():
    out = io.StringIO()
    model = debug_model(network(), io.StringIO("c\n" * 9), out)
    y = C.input_variable(3)
    before = model.parameters[0].value
    trainer = C.Trainer(model, (C.squared_error(model, y), None), C.sgd(model.parameters, 0.1))
    trainer.train_minibatch({model.arguments[0]: X, y: np.zeros((1, 3), np.float32)})
    assert not np.array_equal(model.parameters[0].value, before)
    assert "backward" in out.getvalue()


def test_a_graph_with_a_recurrence_is_not_stepped_through():
    x = C.sequence.input_variable(2)
    model = C.layers.Recurrence(C.layers.RNNStep(3))(x)
    with pytest.raises(
        ValueError, match=r"cannot debug this graph: it has recurrences.*onnx_workbench\.trace"
    ):
        debug_model(model, io.StringIO(), io.StringIO())
