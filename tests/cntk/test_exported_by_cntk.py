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


def loaded(tmp_path, node, shape):
    x = helper.make_tensor_value_info("x", 1, shape)
    y = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([node], "CNTKGraph", [x], [y])
    proto = helper.make_model(
        graph, producer_name="CNTK", ir_version=4, opset_imports=[helper.make_opsetid("", 9)]
    )
    onnx.save(proto, tmp_path / "old.onnx")
    return C.Function.load(str(tmp_path / "old.onnx"), format=C.ModelFormat.ONNX)


def test_crops_of_pictures_lose_their_borders(tmp_path):
    """As the real CNTK 2.7 exports ``crop_manual(x, like, 1, 2)``, and computes from it: left, top, right, bottom."""
    function = loaded(tmp_path, helper.make_node("Crop", ["x"], ["y"], border=[1, 2, 2, 1]), [1, 1, 6, 6])
    given = np.arange(72, dtype=np.float32).reshape(2, 1, 6, 6)
    found = function.eval({function.arguments[0]: given})
    np.testing.assert_array_equal(found, given[:, :, 2:5, 1:4])
    assert found[0].ravel()[:4].tolist() == [
        13,
        14,
        15,
        19,
    ]  # sevenths of the real one's 1.857, 2, 2.143, 2.714


def test_scaled_pictures_have_their_channels_moved(tmp_path):
    """As the real CNTK 2.7 exports ``image_scaler(x, .5, [1, 2, 3])``, and computes from it."""
    node = helper.make_node("ImageScaler", ["x"], ["y"], scale=0.5, bias=[1.0, 2.0, 3.0])
    function = loaded(tmp_path, node, [1, 3, 4, 4])
    given = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4) / 7
    found = function.eval({function.arguments[0]: given})
    np.testing.assert_allclose(found, given / 2 + np.array([1, 2, 3], np.float32).reshape(3, 1, 1), rtol=1e-6)
    assert found.sum() == pytest.approx(176.57143, rel=1e-6)  # what the real one gives
