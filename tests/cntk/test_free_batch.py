"""Models of one sample, run with several: each is normalized by itself, as the exporter meant."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import parser

import onnx_workbench.cntk as C  # noqa: N812

NORMALIZED = "y = MeanVarianceNormalization <axes = [0, 1]> (x)"
SUMMED = "s = ReduceSum <keepdims = 1> (x) y = Sub(x, s)"
TURNED = """t = Transpose <perm = [1, 0]> (x) n = MeanVarianceNormalization <axes = [0, 1]> (t)
    y = Transpose <perm = [1, 0]> (n)"""


@pytest.mark.parametrize("body", [NORMALIZED, SUMMED, TURNED])
def test_samples_are_not_mixed_when_the_batch_becomes_free(tmp_path, body):
    proto = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 18]> one (float[1, 5] x) => (float[1, 5] y) {{ {body} }}'
    )
    onnx.save(proto, tmp_path / "one.onnx")
    function = C.Function.load(str(tmp_path / "one.onnx"), format=C.ModelFormat.ONNX)
    given = np.random.default_rng(2).normal(size=(3, 5)).astype(np.float32)
    alone = np.concatenate([function.eval({function.arguments[0]: sample[None]}) for sample in given])
    together = function.eval({function.arguments[0]: given})
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert np.ptp(alone, axis=1).min() > 0.5


def test_what_is_equal_everywhere_is_normalized_to_0(tmp_path):
    """As the real CNTK 2.7 does, within its rounding: onnxruntime's own kernel divides by 0."""
    proto = parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 18]> one (float[1, 5] x) => (float[1, 5] y) {{ {NORMALIZED} }}'
    )
    onnx.save(proto, tmp_path / "one.onnx")
    function = C.Function.load(str(tmp_path / "one.onnx"), format=C.ModelFormat.ONNX)
    given = np.full((2, 5), 0.25, np.float32)
    np.testing.assert_array_equal(function.eval({function.arguments[0]: given}), np.zeros((2, 5)))
