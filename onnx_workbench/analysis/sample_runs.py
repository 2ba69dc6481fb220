"""Runs of one sample for preflight: at several batch sizes, optimised and plain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.analysis.parity import has_free_batch, resized
from onnx_workbench.analysis.picky_nodes import node_that_minds_numbers
from onnx_workbench.core.errors import InputError, NotEnoughMemoryError, PreprocessingError, RunError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_parts import Node, Value
from onnx_workbench.core.model import Model
from onnx_workbench.runtime.array_files import without_sequences
from onnx_workbench.runtime.backends import OnnxRuntimeBackend
from onnx_workbench.runtime.plausible_inputs import plausible_feeds
from onnx_workbench.runtime.session import InputDoor, Session

Arrays = dict[str, NDArray[Any]]

_BATCH_SIZES = (2, 1, 3)
_FREE_SIZES = (16, 224, 4)
"""Sizes tried for dimensions that are free beside the batch: sequences, pictures, short sequences."""
_PICTURE_PIXELS, _MOST_PICTURES = 128, 64
_UNITS = 8192
"""Roundings, in units of the dtype, by which a whole network may differ in another order of sums."""
_QUANTISED = 0.05
_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


@dataclass(frozen=True)
class Finding:
    """Something wrong, and its mend. `check` is what was looked at, in a word."""

    check: str
    problem: str
    mend: str

    def __str__(self) -> str:
        """Return the check, the problem and the mend."""
        return f"  {self.check}: {self.problem}\n    {self.mend}".replace("\n\n", "\n")


class SampleRuns:
    """Runs a sample through a model in all the ways that should agree; fills `facts` and `findings`."""

    def __init__(self, model: Model, session: Session, inputs: object) -> None:
        self._model, self._session = model, session
        self._given = None if inputs is None else session.named_arrays(inputs)
        self._free = has_free_batch(session)
        self.facts: list[str] = []
        self.findings: list[Finding] = []

    def check(self) -> None:
        """Run, and note what is well and what is not."""
        sample, outputs = self._first_run()
        if sample is None:
            return
        size = _length(sample)
        by_size = {size: outputs}
        if self._free and size:
            self._batches(sample, by_size)
        elif isinstance(size, int) and self._first_dimension() is not None:
            self.facts.append(f"batch fixed at {size}")
        self.findings += self._followed(by_size)
        self._plain(sample, outputs)
        self._finite(by_size)

    def _first_dimension(self) -> object:
        shape = self._session.inputs[0].shape if self._session.inputs else None
        return shape[0] if shape else None

    def _first_run(self) -> tuple[dict[str, Any] | None, Arrays]:
        """Return the sample and its outputs; a sample of random numbers is tried in several sizes."""
        problem, tried = "", []
        for sample in self._samples():
            tried.append(sample)
            try:
                return sample, without_sequences(self._session.run(sample))
            except InputError as error:
                if self._given is not None:
                    raise
                problem = str(error)
            except (RunError, NotEnoughMemoryError) as error:
                problem = str(error)
                if self._given is None and self._free and (alone := self._alone(sample)) is not None:
                    self.findings.append(self._fixed_inside([_BATCH_SIZES[0]], problem))
                    return alone
        if any(finding.check == "sample" for finding in self.findings):
            return None, {}
        if self._given is None and tried and (where := node_that_minds_numbers(self._session, tried[-1])):
            self.facts.append(f"not run: random numbers are none that {_line(where)} takes")
            return None, {}
        what = "the given inputs do not run" if self._given else "no random inputs run"
        mend = "Give inputs=... that it was made for, and look at the node that is named."
        self.findings.append(Finding("sample", f"{what}: {_line(problem)}", mend))
        return None, {}

    def _alone(self, sample: Mapping[str, Any]) -> tuple[dict[str, Any], Arrays] | None:
        """Return a run of one item, where two do not run."""
        one = {name: resized(array, 1) for name, array in sample.items()}
        try:
            return one, without_sequences(self._session.run(one))
        except (RunError, InputError, NotEnoughMemoryError):
            return None

    def _samples(self) -> Iterator[dict[str, Any]]:
        if self._given is not None:
            yield self._given
            return
        inputs = self._session.inputs
        if (pictures := self._prepared_pictures()) is not None:
            yield pictures
        if self._free:
            inputs = tuple(
                Value(value.name, value.dtype, (_BATCH_SIZES[0], *(value.shape or (0,))[1:]))
                for value in inputs
            )
        free = {str(d) for value in inputs for d in value.shape or () if not isinstance(d, int)}
        for size in _FREE_SIZES if free else _FREE_SIZES[:1]:
            try:
                sizes = dict.fromkeys(free, size)
                yield plausible_feeds(self._model, seed=0, sizes=sizes, inputs=inputs)
            except (InputError, TypeError) as error:  # a dtype that numpy cannot draw
                self.findings.append(
                    Finding(
                        "sample", f"it was not run: {_line(str(error))}", "Give a sample with inputs=...."
                    )
                )
                return

    def _prepared_pictures(self) -> dict[str, Any] | None:
        """Return pictures prepared as the file says; None, and a finding, where that does not fit the model."""
        if self._model.preprocessing is None or len(self._session.inputs) != 1:
            return None
        taken = self._session.inputs[0]
        first = taken.shape[0] if taken.shape else None
        count = first if isinstance(first, int) and 0 < first <= _MOST_PICTURES else _BATCH_SIZES[0]
        coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        pictures = coarse.repeat(_PICTURE_PIXELS // 8, axis=1).repeat(_PICTURE_PIXELS // 8, axis=2)
        try:
            feeds = {taken.name: self._model.preprocessing(list(pictures))}
            InputDoor(self._model).feeds(feeds)
        except (InputError, PreprocessingError) as error:
            self.findings.append(
                Finding(
                    "preprocessing",
                    f"what the file says of preparing pictures does not fit its input: {_line(str(error))}",
                    "Give it anew: model.with_metadata(preprocessing=...), and save.",
                )
            )
            return None
        self.facts.append("takes pictures prepared as the file says")
        return feeds

    def _batches(self, sample: Mapping[str, Any], by_size: dict[int | None, Arrays]) -> None:
        failed: dict[int, str] = {}
        for size in _BATCH_SIZES:
            if size in by_size or any(finding.check == "batch" for finding in self.findings):
                continue
            batch = {name: resized(array, size) for name, array in sample.items()}
            try:
                by_size[size] = without_sequences(self._session.run(batch))
            except (RunError, InputError) as error:
                failed[size] = str(error)
        if failed:
            self.findings.append(self._fixed_inside(sorted(failed), next(iter(failed.values()))))
        elif len(by_size) > 1:
            listed = [str(size) for size in by_size]
            self.facts.append(f"batch {', '.join(listed[:-1])} and {listed[-1]}")

    def _fixed_inside(self, sizes: list[int], problem: str) -> Finding:
        listed = " and ".join(map(str, sizes))
        suspects = ", ".join(f"{node.label} {clean_text(node.key)!r}" for node in self._reshapes()[:3])
        where = f" A fixed first size stands in {suspects}." if suspects else ""
        return Finding(
            "batch",
            f"the batch is free by declaration, and it fails at batch size {listed}.{where} {_line(problem)}",
            "In forward, use x.flatten(1), or -1 or x.shape[0] for the first number of reshape and view; export again.",
        )

    def _reshapes(self) -> list[Node]:
        """Return the Reshapes to a constant first size."""
        found = []
        for node in self._model.nodes:
            name = node.inputs[1] if node.op_type == "Reshape" and len(node.inputs) > 1 else ""
            if name in self._model.initializers or name in self._model.constants:
                target = self._model.weight(name)
                if target.size > 0 and int(target.flat[0]) > 0:
                    found.append(node)
        return found

    def _followed(self, by_size: Mapping[int | None, Arrays]) -> Iterator[Finding]:
        """Yield outputs that do not follow the batch, or mix its items, though they run."""
        batch = self._first_dimension()
        if not self._free or not isinstance(batch, str):
            return
        declared = [value.name for value in self._model.outputs if value.shape and value.shape[0] == batch]
        for name in declared:
            wrong = [size for size, outputs in by_size.items() if outputs[name].shape[:1] != (size,)]
            if wrong:
                shape = by_size[wrong[0]][name].shape
                problem = f"output {clean_text(name)!r} has shape {shape} at batch size {wrong[0]}: items are mixed."
                suspects = ", ".join(
                    f"{node.label} {clean_text(node.key)!r}" for node in self._reshapes()[:3]
                )
                yield Finding(
                    "batch",
                    f"{problem}{f' A fixed first size stands in {suspects}.' if suspects else ''}",
                    "In forward, use x.flatten(1), or -1 for the first number of reshape and view; export again.",
                )
            elif _is_batch(batch) and len(by_size) > 1:
                many, few = by_size[max(s for s in by_size if s)], by_size[min(s for s in by_size if s)]
                count = len(few[name])
                if self._is_steady() and (why := self._differs(many[name][:count], few[name])):
                    yield Finding(
                        "batch",
                        f"output {clean_text(name)!r}: the answer for an item depends on the others of its batch "
                        f"({why}).",
                        "A normalisation over the batch (BatchNorm in training mode, for one) does that: export in "
                        "eval mode.",
                    )

    def _is_steady(self) -> bool:
        """Tell whether the same input gives the same output by what the graph says: nothing random is in it."""
        random = {node.op_type for node in self._model.nodes} & _RANDOM
        return not random and not any(
            node.op_type == "Dropout" and len(node.inputs) > 2 and node.inputs[2]
            for node in self._model.nodes
        )

    def _plain(self, sample: Mapping[str, Any], optimised: Arrays) -> None:
        """Compare with a run without onnxruntime's optimiser."""
        if not self._is_steady():
            self.facts.append("answers are drawn at random, optimised and plain not compared")
            return
        try:
            plain = plain_outputs(self._model, sample)
        except NotEnoughMemoryError:
            self.facts.append("optimised and plain not compared, for memory")
            return
        except RunError as error:
            mend = "Report it to onnxruntime; it runs only as long as the optimiser is on."
            self.findings.append(
                Finding("optimiser", f"it does not run unoptimised: {_line(str(error))}", mend)
            )
            return
        for name, array in optimised.items():
            if why := self._differs(array, plain[name]):
                self.findings.append(
                    Finding(
                        "optimiser",
                        f"output {clean_text(name)!r} is another when onnxruntime optimises the model ({why}).",
                        "Run  compare(model, Session(model, low_memory=True), inputs)  to find the node, or keep to "
                        "Session(model, low_memory=True), which does not optimise.",
                    )
                )
                return
        self.facts.append("optimised = plain")

    def _finite(self, by_size: Mapping[int | None, Arrays]) -> None:
        for outputs in by_size.values():
            for name, array in outputs.items():
                if (count := _not_finite(array)) > 0:
                    source = "the given inputs" if self._given else "random inputs"
                    self.findings.append(
                        Finding(
                            "finite",
                            f"output {clean_text(name)!r} holds NaN or infinity in {count:,} of {array.size:,} "
                            f"elements, for {source}.",
                            "trace(model, inputs) shows the first value that is not finite."
                            + (
                                ""
                                if self._given
                                else " If it takes other numbers, give a real sample with inputs=...."
                            ),
                        )
                    )
                    return
        self.facts.append("outputs finite")

    def _differs(self, actual: NDArray[Any], expected: NDArray[Any]) -> str:
        """Return how two outputs differ by more than roundings; empty if they do not, or cannot be judged."""
        if actual.shape != expected.shape:
            return f"shape {actual.shape} against {expected.shape}"
        kind = _kind(actual)
        if kind == "other":
            return "" if np.array_equal(actual, expected) else "contents differ"
        a, e = actual.astype(np.float64), expected.astype(np.float64)
        if not np.array_equal(np.isfinite(a), np.isfinite(e)):
            return "NaN or infinity on one side only"
        a, e = a[np.isfinite(a)], e[np.isfinite(e)]
        largest = float(np.abs(a - e).max(initial=0.0))
        scale = float(np.abs(e).max(initial=0.0))
        quantised = any("Quantize" in node.op_type or "Integer" in node.op_type for node in self._model.nodes)
        if quantised:
            allowed = max(1.0 if kind == "integer" else 0.0, _QUANTISED * scale)
        else:
            allowed = 0.0 if kind == "integer" else _tolerance(actual) * max(scale, 1e-6)
        return f"by {largest:.2g}, where values reach {scale:.2g}" if largest > allowed else ""


def plain_outputs(model: Model, feeds: Mapping[str, Any]) -> Arrays:
    """Return what onnxruntime computes with every optimisation off."""

    def configure(options: Any) -> None:
        import onnxruntime

        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    backend = OnnxRuntimeBackend(model, configure=configure)
    names = backend.output_names
    return without_sequences(dict(zip(names, backend.run(names, feeds), strict=True)))


def _tolerance(array: NDArray[Any]) -> float:
    """Return the allowed difference as a share of the scale: 1e-3 in single precision, 5 % in half."""
    if array.dtype.name == "float64":
        return _UNITS * float(np.finfo(np.float32).eps)  # kernels may compute in single precision inside
    return _UNITS * float(np.finfo(np.float32).eps) if array.dtype.name == "float32" else 0.05


def _kind(array: NDArray[Any]) -> str:
    if array.dtype.name.startswith(("float", "bfloat")):
        return "float"
    return "integer" if array.dtype.kind in "iub" else "other"


def _not_finite(array: NDArray[Any]) -> int:
    return int((~np.isfinite(array.astype(np.float64))).sum()) if _kind(array) == "float" else 0


def _length(feeds: Mapping[str, Any]) -> int | None:
    lengths = {len(a) if isinstance(a, np.ndarray) and a.ndim else None for a in feeds.values()}
    return lengths.pop() if len(lengths) == 1 else None


def _is_batch(name: str) -> bool:
    return name.lower() in {"n", "b", "bs"} or name.lower().startswith("batch")


def _line(message: str) -> str:
    return clean_text(" ".join(message.split()), limit=300)
