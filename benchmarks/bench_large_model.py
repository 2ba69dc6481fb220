"""A 1.5 GiB single-file model: summary, and a session with one run, against onnx and onnxruntime.

Targets: summary in at most 1/100 of onnx.load's time and 1/20 of its memory; one run in far less than the
model's size of private memory.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np
from measure import in_turns, report
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH = 24, 4096


def write_model(path: Path) -> None:
    """Write a chain of dense layers, its weights inside the file."""
    generator = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for layer in range(LAYERS):
        weight = generator.normal(scale=WIDTH**-0.5, size=(WIDTH, WIDTH)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"]))
        value = f"r{layer}"
    graph = helper.make_graph(
        nodes,
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", WIDTH])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["N", WIDTH])],
        weights,
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.onnx"
        # In a process of its own: a child's peak memory starts at that of the process it was forked from.
        writer = multiprocessing.get_context("spawn").Process(target=write_model, args=(path,))
        writer.start()
        writer.join()
        print(f"Model of {path.stat().st_size / 2**30:.2f} GiB")
        found = in_turns(
            {
                "onnx.load": ("import onnx", f"model = onnx.load({str(path)!r})"),
                "summarize": ("import onnx_workbench as ow", f"text = str(ow.summarize({str(path)!r}))"),
            },
            runs=3,
        )
        report("Summary", found, ours="summarize", peer="onnx.load")
        feed = f"import numpy as np\nx = np.ones((1, {WIDTH}), np.float32)\npath = {str(path)!r}\n"
        bare = "onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider']).run(None, {'x': x})"
        found = in_turns(
            {
                "InferenceSession + run": (feed + "import onnxruntime", bare),
                "Session + run": (feed + "import onnx_workbench as ow", "ow.Session(path).run(x)"),
                "Session + run, low memory": (
                    feed + "import onnx_workbench as ow",
                    "ow.Session(path, low_memory=True).run(x)",
                ),
            },
            runs=3,
        )
        report("Session and one run", found, ours="Session + run, low memory", peer="InferenceSession + run")
