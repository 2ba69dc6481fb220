"""flatten, as the real CNTK 2.7 shows it: a block around a Reshape."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_workbench.cntk as C  # noqa: N812


@pytest.mark.parametrize(
    ("axis", "shape"), [(None, (1, 24)), (1, (2, 12)), (3, (24, 1)), (C.Axis(2), (6, 4))], ids=str
)
def test_flatten_is_a_block_around_a_reshape(axis, shape):
    x = C.input_variable((2, 3, 4), name="x")
    found = C.flatten(x, axis, name="flat")
    size = ",".join(map(str, shape))
    root = found.root_function
    assert (root.is_block, root.op_name, root.name, found.shape) == (True, "Flatten", "flat", shape)
    assert str(found) == f"flat: Flatten(x: Tensor[2,3,4]) -> Tensor[{size}]"
    inside = C.logging.graph.depth_first_search(root.block_root, lambda _: True)
    assert [str(node) for node in inside] == [
        f"flat: Reshape(x: Tensor[2,3,4]) -> Tensor[{size}]",
        "Placeholder('x', [#], [2 x 3 x 4])",
    ]
    given = np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4)
    np.testing.assert_array_equal(found.eval({x: given}), given.reshape(2, *shape))


def test_flatten_of_what_is_not_known_yet_takes_its_shape_later():
    hole = C.placeholder()
    found = C.flatten(C.relu(hole), 1)
    x = C.input_variable((2, 3, 4))
    found = found.replace_placeholders({hole: x})
    assert found.shape == (2, 12)
