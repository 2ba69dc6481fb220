"""What `Session.run` costs over a bare `InferenceSession.run`. Target: at most 30 microseconds a call."""

from __future__ import annotations

import statistics
import time

import numpy as np
import onnx.parser

import onnx_workbench as ow

MODEL = """
<ir_version: 8, opset_import: ["": 17]>
tiny (float[N, 8] x) => (float[N, 8] y) { y = Relu(x) }
"""


def seconds_per_call(call, calls=5000):
    """Return the time of one call, averaged."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    import onnxruntime

    proto = onnx.parser.parse_model(MODEL)
    x = np.zeros((1, 8), np.float32)
    bare = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    model = ow.open_model(proto)
    session = ow.Session(model)
    contestants = {
        "InferenceSession.run": lambda: bare.run(None, {"x": x}),
        "Session.run, dict": lambda: session.run({"x": x}),
        "Session.run, array": lambda: session.run(x),
        "ow.run(model, array)": lambda: ow.run(model, x),
    }
    times = {name: [] for name in contestants}
    for _ in range(9):
        for name, call in contestants.items():
            times[name].append(seconds_per_call(call))
    peer = statistics.median(times["InferenceSession.run"])
    print("One call of a one-node model, batch 1")
    for name, taken in times.items():
        each = statistics.median(taken)
        print(f"  {name:24s} {each * 1e6:7.2f} us  {(each - peer) * 1e6:+6.2f} us  ({each / peer:.2f}x)")
