"""Small models that several tests use, as protos, readable in ONNX's own text form."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper, numpy_helper, parser

HEADER = '<ir_version: 10, opset_import: ["" : 20]> '


def model(body: str, **weights: np.ndarray) -> ModelProto:
    """Return the model of a graph in text form; `weights` become its initializers."""
    proto = parser.parse_model(HEADER + body)
    for name, array in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return proto


def random_weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense() -> ModelProto:
    """x (N, 16) @ w (16, 64): w has 4 KiB, enough to stay in the file."""
    return model("dense (float[N,16] x) => (float[N,64] y) { y = MatMul(x, w) }", w=random_weights(16, 64))


def convnet(*, batch: str = "N", classes: int = 4) -> ModelProto:
    """A picture classifier: 8 x 8 RGB pictures to logits."""
    return model(
        f"""convnet (float[{batch},3,8,8] image) => (float[{batch},{classes}] logits) {{
            c = Conv<pads=[1,1,1,1]>(image, kernel, bias)
            r = Relu(c)
            p = GlobalAveragePool(r)
            f = Flatten(p)
            logits = Gemm(f, matrix)
        }}""",
        kernel=random_weights(16, 3, 3, 3),
        bias=random_weights(16, seed=1),
        matrix=random_weights(16, classes, seed=2),
    )


def with_input(proto: ModelProto, name: str, *shape: int | str) -> ModelProto:
    """Return a copy of which the first input has another name and shape."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    copy.graph.input[0].CopyFrom(helper.make_tensor_value_info(name, 1, shape))
    return copy
