"""A 1.5 GiB model, in one file and with external data: summary, view, and a session with one run.

Targets: summary in at most 1/100 of the time of the best peer and 1/20 of its memory; with external data at most
50 ms and 1.5 times onnx's memory; all of it in a control group of 1 GiB, where the peers are killed.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from pathlib import Path

import numpy as np
from control_group import control_group
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

    import onnx_workbench as ow

    ow.open_model(path).save(path.with_name("external.onnx"), external_data=True)


def summaries(path: Path) -> None:
    """Compare with what others do to look at a model; each in a process of its own, its import left out."""
    ours = ("import onnx_workbench as ow", f"text = str(ow.summarize({str(path)!r}))")
    load, ir = f"model = onnx.load({str(path)!r}", f"model = onnx_ir.load({str(path)!r})"
    if path.stem == "external":
        peer = "onnx.load without external data"
        peers = {peer: ("import onnx", f"{load}, load_external_data=False)")}
    else:
        peer = "onnx.load"
        peers = {peer: ("import onnx", f"{load})")}
    found = in_turns(peers | {"onnx_ir.load": ("import onnx_ir", ir), "summarize": ours}, runs=3)
    best = min(peers | {"onnx_ir.load": 0}, key=lambda name: found[name].wall_s)
    report(f"Summary, {path.stem}", found, ours="summarize", peer=best)


def sessions(path: Path) -> None:
    feed = f"import numpy as np\nx = np.ones((1, {WIDTH}), np.float32)\npath = {str(path)!r}\n"
    bare = "onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider']).run(None, {'x': x})"
    setup = feed + "import onnx_workbench as ow"
    found = in_turns(
        {
            "InferenceSession + run": (feed + "import onnxruntime", bare),
            "Session + run": (setup, "ow.Session(path).run(x)"),
            "Session + run, low memory": (setup, "ow.Session(path, low_memory=True).run(x)"),
            "Session + run, isolated": (setup, "ow.Session(path, low_memory=True, isolated=True).run(x)"),
        },
        runs=3,
    )
    title = f"Session and one run, {path.stem} (peak counts mapped pages)"
    report(title, found, ours="Session + run, low memory", peer="InferenceSession + run")


_WORKBENCH = """
import time
import numpy as np, onnx_workbench as ow
taken = []
def timed(what, do):
    start = time.perf_counter()
    result = do()
    taken.append(f"{what} {time.perf_counter() - start:.3f} s")
    return result
model = timed("opened", lambda: ow.open_model(path))
timed("summarized", lambda: str(ow.summarize(model)))
timed("viewed", lambda: ow.view(model)._repr_mimebundle_())
timed("svg", lambda: ow.view(model).svg())
timed("run once", lambda: ow.run(model, x))
timed("run isolated", lambda: ow.run(path, x, isolated=True))
print(", ".join(taken))
"""


def in_a_container(path: Path, limit_bytes: int) -> None:
    """Say who lives in a control group of this size."""
    contestants = {
        "onnx.load": "import onnx; onnx.load(path)",
        "onnx_ir.load": "import onnx_ir; onnx_ir.load(path)",
        "onnx.checker": "import onnx; onnx.checker.check_model(path)",
        "InferenceSession + run": "import onnxruntime; onnxruntime.InferenceSession(path).run(None, {'x': x})",
        "onnx_workbench": _WORKBENCH,
    }
    print(f"\nIn a control group of {limit_bytes / 2**20:.0f} MiB, {path.stem}")
    for name, code in contestants.items():
        with control_group(limit_bytes) as group:
            if group is None:
                print("  (no control group can be made here)")
                return
            head = f"import numpy as np\npath, x = {str(path)!r}, np.ones((1, {WIDTH}), np.float32)\n"
            done = group.run([sys.executable, "-c", head + code], capture_output=True, text=True)
            verdict = {0: "works", 137: "killed", -9: "killed"}.get(
                done.returncode, f"status {done.returncode}"
            )
            said = done.stdout.strip() or (done.stderr.strip().splitlines() or [""])[-1][:150]
            print(f"  {name:26s} {verdict:8s} {said}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "single.onnx"
        # In a process of its own: a child's peak memory starts at that of the process it was forked from.
        writer = multiprocessing.get_context("spawn").Process(target=write_model, args=(path,))
        writer.start()
        writer.join()
        print(f"Model of {path.stat().st_size / 2**30:.2f} GiB")
        for form in (path, path.with_name("external.onnx")):
            summaries(form)
            sessions(form)
            in_a_container(form, 1 << 30)
