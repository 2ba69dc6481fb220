"""Provenance: the share of nodes that say where they come from, after a slimmer, an opset converter and an optimiser.

Target: at least 90 % of the nodes, through each of onnxslim, ``onnx.version_converter`` and onnxruntime's optimiser, of
ResNet-50, a MobileNet and a transformer. The peers are the tools alone: what is left on the nodes of their files. Wrong
answers are counted too: a node that reads a weight must come from the module of a node that read it in the export.
``renamed`` is a slimmed file of which all inner values and nodes were given other names, as some converters do.
Needs ``pip install onnxslim``.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime
import onnxslim
import torch
from torch_networks import NETWORKS

import onnx_workbench as ow
from onnx_workbench.core.provenance import has_provenance, module_path, qualified_name

TARGET = 0.90


def optimised(path: Path, target: Path, level: str) -> Path:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath, options.log_severity_level = str(target), 4
    onnxruntime.InferenceSession(path, options)
    return target


def renamed(path: Path, target: Path) -> Path:
    proto = onnx.load(path)
    names = {
        name: f"v{i}_{k}" for i, node in enumerate(proto.graph.node) for k, name in enumerate(node.output)
    }
    names |= {value.name: value.name for value in proto.graph.output}
    for i, node in enumerate(proto.graph.node):
        node.name = f"n{i}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    del proto.graph.value_info[:]
    onnx.save(proto, target)
    return target


def by_each_tool(path: Path) -> Iterator[tuple[str, Path]]:
    target = path.with_name("changed.onnx")
    onnx.save(onnxslim.slim(str(path)), target)
    yield "onnxslim", target
    yield "renamed", renamed(target, path.with_name("renamed.onnx"))
    proto = onnx.load(path)
    for opset in (proto.opset_import[0].version - 2, proto.opset_import[0].version + 2):
        try:
            converted = onnx.version_converter.convert_version(proto, opset)
        except RuntimeError:  # it has no way back for some operators, such as Gelu
            print(f"  {'':12s} to opset {opset}: the converter itself fails")
            continue
        onnx.save(converted, target)
        yield f"to opset {opset}", target
    for level in ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"):
        yield level, optimised(path, target, level)


def modules_of_weights(model: ow.Model) -> dict[str, set[str]]:
    """Return for each weight the modules of the nodes that read it."""
    found: dict[str, set[str]] = {}
    for node in model.nodes:
        for name in node.inputs:
            if name in model.initializers:
                found.setdefault(name, set()).add(qualified_name(module_path(node)))
    return found


def wrong_modules(model: ow.Model, exported: dict[str, set[str]]) -> tuple[int, int]:
    """Count the readers of weights that say another module than in the export, and the weights compared."""
    found = {name: own for name, own in modules_of_weights(model).items() if name in exported}
    return sum(not own - {""} <= exported[name] for name, own in found.items()), len(found)


def main() -> None:
    warnings.simplefilter("ignore")
    print("  network      tool                  nodes   alone    ours       wrong  opened in")
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ResNet-50", "MobileNetV2", "Encoder"):
            make, shape = NETWORKS[name]
            module, path = make().eval(), Path(folder) / "model.onnx"
            ow.open_model(module, example_inputs=torch.randn(shape), input_names=["x"]).save(path)
            exported = modules_of_weights(ow.open_model(path))
            for tool, changed in by_each_tool(path):
                nodes = onnx.load(changed).graph.node
                alone = sum(map(has_provenance, nodes)) / len(nodes)
                start = time.perf_counter()
                model = ow.open_model(changed)
                taken = time.perf_counter() - start
                share = sum(bool(module_path(node)) or has_provenance(node.proto) for node in model.nodes)
                share /= len(model.nodes)
                wrong, compared = wrong_modules(model, exported)
                print(
                    f"  {name:12s} {tool:20s} {len(nodes):6d} {alone:7.1%} {share:7.1%} "
                    f"{wrong:6d} of {compared:3d} {1000 * taken:7.1f} ms",
                    flush=True,
                )
                missed += [f"{name} ({tool})"] * (share < TARGET)
    print(f"\nLess than {TARGET:.0%} kept: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
