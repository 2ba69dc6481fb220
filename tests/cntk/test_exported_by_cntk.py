"""What CNTK exported in a sense of its own: it is read as CNTK reads it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import onnx_workbench.cntk as C  # noqa: N812


@pytest.mark.parametrize(("producer", "rows"), [("CNTK", 2), ("other", 0)])
def test_a_slice_from_behind_ends_at_the_end_where_cntk_wrote_0(tmp_path, producer, rows):
    """As the real CNTK 2.7 exports ``slice(x, [0, 1], [-2, 1], [0, -1])``, and reads it back: two rows."""
    node = helper.make_node("Slice", ["x"], ["y"], axes=[1, 2], starts=[-2, 1], ends=[0, -1])
    x, y = (
        helper.make_tensor_value_info(n, 1, shape) for n, shape in (("x", [1, 3, 6]), ("y", [1, rows, 4]))
    )
    graph = helper.make_graph([node], "CNTKGraph", [x], [y])
    proto = helper.make_model(
        graph, producer_name=producer, ir_version=4, opset_imports=[helper.make_opsetid("", 9)]
    )
    onnx.save(proto, tmp_path / "slice.onnx")
    function = C.Function.load(str(tmp_path / "slice.onnx"), format=C.ModelFormat.ONNX)
    given = np.arange(36, dtype=np.float32).reshape(2, 3, 6)
    found = function.eval({function.arguments[0]: given})
    np.testing.assert_array_equal(found, given[:, -2:, 1:-1] if rows else given[:, :0, 1:-1])
