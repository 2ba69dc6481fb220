"""Estimated against measured memory: private growth of a process while it loads, runs, converts and exports.

The estimates decide what is refused, so that they should neither lie far below (a kernel dies) nor far above (work is
refused that would fit). Target: between 0.5 and 2 of what is measured.
"""

from __future__ import annotations

import statistics
import tempfile
import warnings
from pathlib import Path

import torch
from measure import private_growth
from torch_networks import NETWORKS

import onnx_workbench as ow
from onnx_workbench.core.value_sizes import sized_values
from onnx_workbench.runtime.memory import memory_estimates
from onnx_workbench.sources.pytorch import _export_memory

LEAST_MIB = 20  # below, what a process takes anyway is larger than what is estimated
SIGNS = Path(ow.__file__).parent / "training" / "assets" / "signs.onnx"


def actions(path: Path, shape: tuple[int, ...], batch: int) -> dict[str, tuple[str, str]]:
    """Return (setup, code) of each action that `memory_estimates` names."""
    first = "import numpy as np, onnx_workbench as ow, onnxruntime, onnx.reference\n"
    first += f"ow.run({str(SIGNS)!r}, np.zeros((1, 3, 32, 32), np.float32))\n"  # what a first session takes for itself
    first += f"model = ow.open_model({str(path)!r})\nmodel.values\n"
    first += f"x = np.ones({(batch, *shape[1:])}, np.float32)\n"
    ways = {
        "": "low_memory=False",
        " with low_memory": "low_memory=True",
        " by reference": "backend='reference'",
    }
    found = {f"load{way}": (first, f"kept = ow.Session(model, {options})") for way, options in ways.items()}
    for way, options in ways.items():
        found[f"run{way}"] = (first + f"session = ow.Session(model, {options})", "kept = session.run(x)")
    found["to_proto"] = (first, "kept = model.to_proto()")
    found["to_bytes"] = (first, "kept = model.to_bytes()")
    return found


def export_setup(name: str) -> str:
    here = str(Path(__file__).parent)
    return (
        f"import sys, warnings\nsys.path.insert(0, {here!r})\nwarnings.simplefilter('ignore')\n"
        "import torch, onnx_workbench as ow\nfrom torch_networks import NETWORKS\n"
        f"make, shape = NETWORKS[{name!r}]\nmodule = make().eval()\nimport onnx_workbench.sources.pytorch\n"
    )


def line(name: str, action: str, estimate: float, measured: float, ratios: dict[str, list[float]]) -> None:
    if min(estimate, measured) < LEAST_MIB:
        shown = ""
    else:
        ratios.setdefault(action, []).append(estimate / measured)
        shown = f"{estimate / measured:6.2f}"
    print(f"  {name:12s} {action:24s} {estimate:9.1f} {measured:9.1f}  {shown}", flush=True)


def main() -> None:
    warnings.simplefilter("ignore")
    ratios: dict[str, list[float]] = {}
    print("  network      action                   estimate  measured  ratio   (MiB)")
    # Before the first export: the exporter's operator library is loaded by then.
    exports = {name: _export_memory(make()) / 2**20 for name, (make, _) in NETWORKS.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, shape) in NETWORKS.items():
            torch.manual_seed(0)
            module = make().eval()
            line(name, "export", exports[name], private_growth(export_setup(name), _EXPORT), ratios)
            model = ow.open_model(module, example_inputs=torch.randn(shape), input_names=["x"])
            path = model.save(Path(folder) / f"{name}.onnx")
            for batch in (1, 8):
                sizes = {"x": (batch, *shape[1:])}
                estimates = memory_estimates(ow.open_model(path), sized_values(ow.open_model(path), sizes))
                for action, code in actions(path, shape, batch).items():
                    if (batch == 8) == action.startswith("run") and not (
                        batch == 8 and "reference" in action
                    ):
                        line(name, action, estimates[action] / 2**20, private_growth(*code), ratios)
    print("\nEstimate to measurement: least, median, most")
    for action, found in ratios.items():
        print(
            f"  {action:24s} {min(found):5.2f} {statistics.median(found):5.2f} {max(found):5.2f}  of {len(found)}"
        )


_EXPORT = "kept = ow.open_model(module, example_inputs=torch.randn(shape), dynamic_batch=True)"

if __name__ == "__main__":
    main()
