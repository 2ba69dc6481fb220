"""Find the bug: five broken models, each with the complaint that came back."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from onnx_workbench.core.errors import InputError, NameNotFoundError, WorkbenchWarning, no_such, require
from onnx_workbench.core.formatting import clean_text, escape
from onnx_workbench.core.model import Model
from onnx_workbench.lessons.exercise import Exercise, Note, Outcome
from onnx_workbench.sources.open import open_model
from onnx_workbench.training.dataset import Dataset

if TYPE_CHECKING:
    from torch import nn

PICTURES = 64
"""How many signs come with each case."""


@dataclass(frozen=True)
class Case:
    """One broken thing: what was shipped, and the complaint that came back.

    Attributes
    ----------
    name
        What the case is called.
    complaint
        What its users say.
    model
        The ONNX model that they have.
    inputs
        The batch that they feed, (64, 3, 32, 32) float32.
    labels
        What the batch shows: indices of classes.
    """

    name: str
    complaint: str
    model: Model = field(repr=False)
    inputs: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    exercise: Exercise = field(repr=False)

    def check(self, answer: object) -> Outcome:
        """Check an answer: the value that the guilty node writes; or, if no node is guilty, the mended batch.

        Parameters
        ----------
        answer
            ``...`` is the blank. A name is looked for in the graph; an array is compared with the batch as it
            should be.

        Returns
        -------
        Outcome
            True when it is right; it never raises.
        """
        return self.exercise.check(answer)

    def hint(self) -> Note:
        """Return the next hint."""
        return self.exercise.hint()

    def solution(self) -> Note:
        """Return code that finds the bug."""
        return self.exercise.solution()

    def __str__(self) -> str:
        """Return the complaint."""
        return f"{self.name}: “{self.complaint}”"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return (
            f"<div><strong>{escape(self.name)}</strong><blockquote style='margin:4px 16px'>“"
            f"{escape(self.complaint, limit=600)}”</blockquote></div>"
        )


class Cases(Mapping[str, Case]):
    """The cases of the lesson, by name."""

    def __init__(self, cases: tuple[Case, ...]) -> None:
        self._cases = {case.name: case for case in cases}

    def __getitem__(self, name: str) -> Case:
        """Return a case."""
        if name not in self._cases:
            raise NameNotFoundError(f"There is no case {name!r}. The cases: {', '.join(self._cases)}.")
        return self._cases[name]

    def __iter__(self) -> Any:
        """Return the names in order."""
        return iter(self._cases)

    def __len__(self) -> int:
        """Return how many cases there are."""
        return len(self._cases)

    def __str__(self) -> str:
        """Return every complaint."""
        return "\n".join(map(str, self._cases.values()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(case._repr_html_() for case in self._cases.values())


def find_the_bug(network: nn.Module, data: Dataset) -> Cases:
    """Break copies of a trained network's export in five ways, one for each case of the lesson.

    Parameters
    ----------
    network
        A sign classifier from ``training.small_convnet``, trained by ``training.fit``; it is left as it is.
    data
        The signs that it was trained on; their test pictures come with the cases.

    Returns
    -------
    Cases
        The cases by name: ``"crooked"``, ``"silent"``, ``"elsewhere"``, ``"company"``, ``"last digit"``.

    Raises
    ------
    InputError
        If the network is not one of ``training.small_convnet`` with three convolutions.

    Examples
    --------
    >>> cases = lessons.find_the_bug(network, data)
    >>> print(cases["elsewhere"].check(...))
    … Not yet. Put your answer in the place of the three dots.
    """
    require("torch", purpose="to break networks", extra="torch")
    names = [name for name, _ in network.named_children()]
    if not {"conv0", "norm0", "conv1", "norm1", "conv2", "norm2", "classify"} <= set(names):
        raise InputError(
            f"The lesson breaks a network of training.small_convnet(training.signs()); this one has {names}."
        )
    right = data.test_inputs[:PICTURES]
    labels = data.test_labels[:PICTURES].astype(np.int64)
    sound = open_model(network, example_inputs=data.example).to_proto()

    def case(
        name: str, complaint: str, model: Model, exercise: Exercise, inputs: NDArray[Any] = right
    ) -> Case:
        return Case(name, complaint, model, inputs, labels, exercise)

    return Cases(
        (
            case("crooked", _CROOKED, *_broken(sound, _shift_padding, "conv1", _CROOKED_PRAISE)),
            case("silent", _SILENT, *_broken(sound, _spoil_weight, "conv2", _SILENT_PRAISE, _TRACING)),
            case("elsewhere", _ELSEWHERE, open_model(sound), _swapped_colours(right), right[:, ::-1].copy()),
            case("company", _COMPANY, *_unfrozen(network, data)),
            case("last digit", _LAST_DIGIT, *_broken(sound, _round_weight, "classify", _ROUNDED_PRAISE)),
        )
    )


_CROOKED = "We wrote an exporter of our own. It runs, nothing warns, and it names fewer signs than before."
_SILENT = (
    "Since Tuesday it names the first sign of the list, whatever we show it, and shows no bar beside it."
)
_ELSEWHERE = "In your laboratory it names nearly all signs. In our car hardly any: same file, new camera."
_COMPANY = "The same picture gets another answer, depending on which other pictures are in the batch with it."
_LAST_DIGIT = (
    "The same signs as last week, fine. But our test compares digits, and from the fourth on they differ."
)

_CROOKED_PRAISE = (
    "Its padding is shifted by a pixel: shapes stay the same, and every feature moves to the lower right."
)
_SILENT_PRAISE = "One of its weights is NaN: one number among thousands, and every answer is lost."
_ROUNDED_PRAISE = (
    "Its weights were rounded to half precision: each is right to three digits, and so is the answer."
)
_COMPANY_PRAISE = (
    "It takes mean and variance from the batch at hand, as in training, and not those that were learnt. "
    "So each picture changes the answers for its neighbours."
)


@dataclass(frozen=True)
class _Way:
    """A way to the culprit, in hints and in code."""

    hints: tuple[str, ...]
    solution: str


_COMPARING = _Way(
    (
        "Both sides can be run on the same batch: ow.compare(case.model, network, case.inputs).",
        "Two figures stand at each node: the error that it carries on from before, and the one it adds itself.",
        "blamed holds the nodes that add too much, in the order of the graph; key is the value that a node writes.",
    ),
    "found = ow.compare(case.model, network, case.inputs)\ncase.check(found.blamed[0].key)",
)
_TRACING = _Way(
    (
        "No second model is needed: ow.trace(case.model, case.inputs) counts the NaN of every value.",
        "NaN is catching: only the first value that holds any is of interest.",
        "first_not_finite is the name of that value.",
    ),
    "trace = ow.trace(case.model, case.inputs)\ncase.check(trace.first_not_finite)",
)


def _broken(
    sound: ModelProto,
    fault: Callable[[ModelProto, NodeProto], None],
    module: str,
    praise: str,
    way: _Way = _COMPARING,
) -> tuple[Model, Exercise]:
    """Return the model with a fault in the node of a module, and the exercise of finding it."""
    proto = ModelProto()
    proto.CopyFrom(sound)
    weight = f"{module}.weight"
    node = next(n for n in proto.graph.node if weight in n.input)
    fault(proto, node)
    model = open_model(proto)
    return model, _whodunit(model, {node.output[0]}, praise, way)


def _shift_padding(_: ModelProto, node: NodeProto) -> None:
    pads = next(attribute for attribute in node.attribute if attribute.name == "pads")
    pads.ints[:] = [2, 2, 0, 0]


def _spoil_weight(proto: ModelProto, node: NodeProto) -> None:
    weights = numpy_helper.to_array(_weight_of(proto, node)).copy()
    weights[5, 0, 1, 1] = np.nan
    _weight_of(proto, node).CopyFrom(numpy_helper.from_array(weights, node.input[1]))


def _round_weight(proto: ModelProto, node: NodeProto) -> None:
    weights = numpy_helper.to_array(_weight_of(proto, node)).astype(np.float16).astype(np.float32)
    _weight_of(proto, node).CopyFrom(numpy_helper.from_array(weights, node.input[1]))


def _weight_of(proto: ModelProto, node: NodeProto) -> TensorProto:
    tensors: dict[str, TensorProto] = {tensor.name: tensor for tensor in proto.graph.initializer}
    return tensors[node.input[1]]


def _unfrozen(network: nn.Module, data: Dataset) -> tuple[Model, Exercise]:
    """Return the export of a network of which the first normalization forgot what it had learnt."""
    forgetful: Any = copy.deepcopy(network)
    forgetful.norm0.track_running_stats = False
    forgetful.norm0.running_mean = forgetful.norm0.running_var = None
    forgetful.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorkbenchWarning)  # the preflight would give the answer away
        model = open_model(forgetful, example_inputs=data.example)
    guilty = next(node for node in model.nodes if node.op_type == "BatchNormalization")
    between = {node.key for node in model.nodes[: guilty.index + 1] if "norm0" in str(node.metadata)}
    return model, _whodunit(model, between | {guilty.key}, _COMPANY_PRAISE)


def _whodunit(model: Model, guilty: set[str], praise: str, way: _Way = _COMPARING) -> Exercise:
    """Return the exercise of naming a guilty node, with a sentence for each kind of wrong answer."""
    carried = _after(model, guilty)
    written = [name for node in model.nodes for name in node.outputs if name]

    def judge(given: object) -> str | None:
        answer = getattr(given, "key", given)  # found.blamed[0] is as good as the name in it
        if not isinstance(answer, str):
            return f"The answer is the name of a value, a string; got {type(answer).__name__}."
        if answer in guilty:
            return None
        if answer in {node.op_type for node in model.nodes}:
            return (
                f"{clean_text(answer)!r} is an operator, and others may be of that kind too. Give the name of the "
                "value that the guilty node writes."
            )
        if answer in model.initializers:
            return (
                f"{clean_text(answer)!r} is a weight: a node reads it. Give the name of the value that the guilty node "
                "writes."
            )
        if answer not in model.values:
            return no_such("value", answer, written)
        if answer in carried:
            return (
                f"{clean_text(answer)!r} is wrong, but its node is innocent: it was fed with wrong numbers, and passes "
                "them on. Look for the node that adds an error of its own."
            )
        return f"{clean_text(answer)!r} is as it should be. Look further down."

    return Exercise("whodunit", judge, praise, way.hints, way.solution)


def _after(model: Model, names: set[str]) -> set[str]:
    """Return every value that depends on one of these."""
    reached: set[str] = set(names)
    for node in model.nodes:
        if reached & set(node.inputs):
            reached |= {name for name in node.outputs if name}
    return reached - names


def _swapped_colours(right: NDArray[np.float32]) -> Exercise:
    def judge(answer: object) -> str | None:
        given = np.asarray(answer)
        if isinstance(answer, str):
            return "No node is guilty here. Give the batch as it should be: mend case.inputs."
        if given.shape != right.shape:
            return f"The mended batch has the shape {right.shape}; yours has {given.shape}."
        if np.allclose(given, right, atol=1e-6):
            return None
        if np.allclose(given, right[:, ::-1], atol=1e-6):
            return "That is the batch as it came."
        if np.allclose(np.sort(given, axis=None), np.sort(right, axis=None), atol=1e-6):
            return (
                "All the numbers are there, and not in their places. What does the doctor's line of code say?"
            )
        return "Those are other numbers than in the batch. Nothing has to be scaled: only places change."

    return Exercise(
        "elsewhere",
        judge,
        "The new camera gives BGR, and the model takes RGB. The model was innocent: comparing models never finds this.",
        (
            "Compare the model with the network first: they agree. What is left, if both are right?",
            "ow.doctor(case.model, case.inputs, case.labels) tries the usual slips, and says which one fits.",
            "Its code is a Python expression in x: put case.inputs in the place of x.",
        ),
        "ow.doctor(case.model, case.inputs, list(case.labels))\nx = case.inputs\ncase.check(x[:, ::-1])",
    )
