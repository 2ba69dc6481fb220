"""Running a program on a batch: sequences go in groups of one length, so that no operator ever sees padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.feeding import Array
from onnx_workbench.cntk.graph import functions_below
from onnx_workbench.cntk.inference.registry import reduced_dynamic_axes
from onnx_workbench.cntk.program import Program
from onnx_workbench.cntk.variables import Constant, Parameter, Variable


def run(program: Program, batch: dict[Variable, Any]) -> list[Any]:
    """Return the values of a program's outputs: an array, or a list of one for each sequence."""
    values: list[Any] = []
    if program.run is not None:
        sequences = any(isinstance(batch[variable], list) for variable, name in program.feeds if name)
        if sequences or program.alone:
            values = _by_length(program, batch)
        else:
            values = program.run(program.fetched, {name: batch[one] for one, name in program.feeds if name})
            if program.steps:
                values = [list(v) if _dynamic(program, i) > 1 else v for i, v in enumerate(values)]
    return [
        values[place] if isinstance(place, int) else _leaf_value(place, batch) for place in program.places
    ]


def _leaf_value(leaf: Variable, batch: dict[Variable, Any]) -> Any:
    return leaf.value if isinstance(leaf, Parameter | Constant) else batch[leaf]


def groups_of(
    program: Program, batch: dict[Variable, Any]
) -> Iterator[tuple[list[int] | None, dict[str, Array]]]:
    """Yield what onnxruntime is fed: once (None), or for each length of sequences, with the numbers of the samples."""
    feeds = [(variable, name, batch[variable]) for variable, name in program.feeds if name]
    if not program.alone and not any(isinstance(value, list) for _, _, value in feeds):
        yield None, {name: value for _, name, value in feeds}
        return
    count = len(next(value for variable, _, value in feeds if variable.dynamic_axes))
    groups: dict[Any, list[int]] = {}
    for index in range(count):
        lengths = tuple(len(value[index]) for _, _, value in feeds if isinstance(value, list))
        groups.setdefault((lengths, index if program.alone else None), []).append(index)
    for chosen in groups.values():
        yield chosen, {name: _group(variable, value, chosen) for variable, name, value in feeds}


def _by_length(program: Program, batch: dict[Variable, Any]) -> list[Any]:
    parts: list[dict[int, Any]] = [{} for _ in program.fetched]
    whole: list[Any] = [None] * len(program.fetched)
    groups = list(groups_of(program, batch))
    if len(groups) > 1 and (
        mixing := _mixes_samples([one.owner for one in program.outputs if one.is_output])
    ):
        raise CntkRuntimeError(
            f"{mixing} works across the batch, and the sequences given have different lengths: these are computed one "
            "length after the other, so the answer would be wrong. Give sequences of one length, or reduce afterwards."
        )
    for chosen, feeds in groups:
        for position, result in enumerate(program.run(program.fetched, feeds)):
            whole[position] = result
            if _dynamic(program, position):
                parts[position].update(zip(chosen or (), result, strict=True))
    return [
        _joined(program, position, [pieces[i] for i in sorted(pieces)], whole[position])
        for position, pieces in enumerate(parts)
    ]


def _mixes_samples(roots: list[Any]) -> str:
    """Return the name of an operator that works across the batch, or nothing; blocks are looked into."""
    for function in functions_below(roots):
        if function.is_block:
            inner = _mixes_samples([function.block_root])
            if inner:
                return inner
        across = function.op_name in {"UnpackBatchAxis", "ClassificationError"}
        reduction = function.op_name == "ReduceElements" and not function.is_block
        if across or (reduction and reduced_dynamic_axes(function)[0]):
            return str(function.op_name)
    return ""


def _group(variable: Variable, value: Any, chosen: list[int]) -> Array:
    if isinstance(value, list):
        return np.stack([value[index] for index in chosen])
    found: Array = value[chosen] if variable.dynamic_axes else value
    return found


def _dynamic(program: Program, position: int) -> int:
    """Return how many dynamic axes an output has."""
    for output, place in zip(program.outputs, program.places, strict=True):
        if place == position:
            return len(output.dynamic_axes)
    return 0


def _joined(program: Program, position: int, parts: list[Any], whole: Any) -> Any:
    axes = _dynamic(program, position)
    if axes == 0:
        return whole
    if axes > 1:
        return parts
    if len({np.shape(part) for part in parts}) > 1:
        raise CntkRuntimeError(
            f"The output '{program.outputs[program.places.index(position)]}' has an axis as long as the sequence, and "
            "the sequences given have different lengths. Give sequences of one length."
        )
    return np.stack(parts)
