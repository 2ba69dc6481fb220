"""Every kind of fault in every small network, in files of both exporters, in both precisions."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from faults import FAULTS, Planted, plant
from planting import Arrays, values_of
from small_networks import SMALL, Network

import onnx_workbench as ow

DTYPES = {"float32": torch.float32, "float16": torch.float16}
EXPORTERS = ("dynamo", "torchscript", "workbench")  # torch's two, and open_model with a dynamic batch


@dataclass(frozen=True)
class Export:
    """A sound file, the module that it was exported from, and inputs for both."""

    network: str
    exporter: str
    dtype: str
    module: torch.nn.Module
    proto: onnx.ModelProto
    feeds: Arrays

    def __str__(self) -> str:
        return f"{self.network}, {self.exporter}, {self.dtype}"


@dataclass(frozen=True)
class Case:
    """A planted fault."""

    export: Export
    kind: str
    planted: Planted

    def __str__(self) -> str:
        planted = self.planted
        named = ", ".join(sorted(planted.culprits))
        return f"{self.kind} in {planted.operator} {named} ({planted.error:.2g}) of {self.export}"


def exported(
    name: str, exporter: str, dtype: str, *, seed: int = 0, networks: dict[str, Network] = SMALL
) -> Export:
    """Export a network; raise what the exporter raises."""
    module, inputs = networks[name].built(DTYPES[dtype], seed)
    if exporter == "workbench":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            proto = ow.open_model(module, example_inputs=inputs).to_proto()
    else:
        proto = _exported_by_torch(module, inputs, dynamo=exporter == "dynamo")
    feeds = {value.name: x.numpy() for value, x in zip(proto.graph.input, inputs, strict=True)}
    return Export(name, exporter, dtype, module, proto, feeds)


def _exported_by_torch(
    module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], *, dynamo: bool
) -> onnx.ModelProto:
    unseen, buffer = io.StringIO(), io.BytesIO()
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(unseen),
            contextlib.redirect_stderr(unseen),
        ):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, inputs, buffer, dynamo=dynamo)
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load_from_string(buffer.getvalue())


def cases(export: Export, kinds: list[str], *, sites: int = 1, seed: int = 0) -> Iterator[Case]:
    """Yield each kind of fault planted in as many nodes as asked for, where it can be planted."""
    values = values_of(export.proto, export.feeds)
    for kind in kinds:
        seen: set[frozenset[str]] = set()
        for site in range(sites):
            number = zlib.crc32(f"{export}/{kind}/{site}/{seed}".encode())
            found = plant(export.proto, values, FAULTS[kind], np.random.default_rng(number), export.dtype)
            if found is not None and found.culprits not in seen:
                seen.add(found.culprits)
                yield Case(export, kind, found)


def sound_variants(export: Export, folder: Path) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield sound rewrites of a file: its own, onnxruntime's optimizations of it, another opset."""
    import onnxruntime
    from onnx import version_converter

    yield "as exported", export.proto
    for level in ("BASIC", "EXTENDED"):
        options: Any = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = str(folder / "optimized.onnx")
        options.log_severity_level = 4
        onnxruntime.InferenceSession(
            export.proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        yield f"optimized ({level.lower()})", onnx.load(folder / "optimized.onnx")
    with contextlib.suppress(RuntimeError, onnx.checker.ValidationError):
        yield "opset 21", version_converter.convert_version(export.proto, 21)
