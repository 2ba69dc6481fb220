"""Profiling: how much of the time is placed on nodes of the file, by name and by us; and what the profiler costs.

Targets: at least 95 % of the time of ResNet-50 and MobileNet placed, files of both of torch's exporters. The peer is
what a reader of onnxruntime's profile has: kernels whose name and operator are those of a node. Overhead is the
processor time of profiled runs to that of plain ones, in one process, taking turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch_networks import NETWORKS

import onnx_workbench as ow
from onnx_workbench.runtime.optimised_graph import ProfilingBackend, profiling_folder, with_node_names

TARGET = 0.95
RUNS = 10


def share_by_name(found: ow.Profile, path: Path) -> float:
    """Return the part of the time in kernels that have the name and the operator of a node."""
    names = {(node.name, node.op_type) for node in onnx.load(path, load_external_data=False).graph.node}
    return sum(k.time_ms for k in found.kernels if (k.name, k.operator) in names) / found.time_ms


def overhead(path: Path, inputs: np.ndarray) -> float:
    """Return the time of profiled runs to that of plain ones: the median of pairs."""
    model = ow.open_model(path)
    plain = ow.Session(model, threads=1)
    name = model.inputs[0].name
    with profiling_folder() as folder:
        profiled = ProfilingBackend(with_node_names(model), folder, threads=1)
        outputs = list(profiled.output_names)
        ratios = []
        for _ in range(RUNS + 1):
            times = []
            for run in (lambda: profiled.run(outputs, {name: inputs}), lambda: plain.run({name: inputs})):
                start = time.process_time()
                run()
                times.append(time.process_time() - start)
            ratios.append(times[0] / times[1])
        profiled.end()
    return statistics.median(ratios[1:])


def saved(module: torch.nn.Module, example: torch.Tensor, path: Path, *, dynamo: bool) -> None:
    if dynamo:
        ow.open_model(module, example_inputs=example, input_names=["x"]).save(path)
    else:
        torch.onnx.export(module, (example,), path, dynamo=False, input_names=["x"])


def main() -> None:
    warnings.simplefilter("ignore")
    print("  network      exporter     nodes  kernels  placed  by name  profiled to plain run")
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ResNet-50", "MobileNetV2", "Encoder", "U-Net"):
            make, shape = NETWORKS[name]
            for dynamo in (True, False):
                torch.manual_seed(0)
                example, path = torch.randn(shape), Path(folder) / "model.onnx"
                saved(make().eval(), example, path, dynamo=dynamo)
                found = ow.profile(path, example.numpy(), repeat=RUNS, threads=1)
                cost = overhead(path, example.numpy())
                exporter = "dynamo" if dynamo else "TorchScript"
                print(
                    f"  {name:12s} {exporter:11s} {len(found.nodes):6d} {len(found.kernels):8d} "
                    f"{100 * found.placed_share:6.1f}% {100 * share_by_name(found, path):7.1f}%  {cost:8.3f}",
                    flush=True,
                )
                missed += [f"{name} ({exporter})"] * (found.placed_share < TARGET)
    print(f"\nLess than {100 * TARGET:.0f} % placed: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
