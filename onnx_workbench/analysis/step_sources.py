"""From whatever holds a model to a run that is taken step by step, and inputs where none were given."""

from __future__ import annotations

from typing import Any

from onnx_workbench.core.errors import InputError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.runtime.live_module import is_live_module
from onnx_workbench.runtime.onnx_steps import OnnxSteps
from onnx_workbench.runtime.optimised_steps import OptimisedSteps
from onnx_workbench.runtime.pieces import PieceRunner, PiecesHere, PiecesInChild
from onnx_workbench.runtime.plausible_inputs import plausible_feeds
from onnx_workbench.runtime.session import Session
from onnx_workbench.runtime.steps import StepwiseRun

_FREE_SIZE = 2


def steps_of(
    side: object, inputs: object, *, as_optimised: bool = False, products: bool = True
) -> StepwiseRun:
    """Return a side as steps: a live module by PyTorch, a model by onnxruntime, node by node.

    A Session is taken for its model, or, `as_optimised`, for the kernels that it really runs.
    """
    if is_live_module(side):
        from onnx_workbench.runtime.torch_steps import TorchSteps

        return TorchSteps(side, inputs, products=products)
    if isinstance(side, Session):
        if side.model is None:
            raise InputError("Give the live module itself, not a Session of it.")
        if as_optimised and side.optimisation != "none":
            return OptimisedSteps(side.model, level=side.optimisation, runner=_runner_of(side))
        return OnnxSteps(side.model, runner=_runner_of(side))
    return OnnxSteps(as_model(side))


def _runner_of(session: Session) -> PieceRunner:
    """Return who computes the pieces of a session's model: whoever computes the whole."""
    if session.limits is not None:
        return PiecesInChild(session.limits, session.backend)
    return PiecesHere(session.backend)


def opened(side: object) -> object:
    """Return a side that is opened once: a Model, unless it is a live module or a Session."""
    return side if is_live_module(side) or isinstance(side, Session) else as_model(side)


def refuse_bfloat16(*sides: object) -> None:
    """Raise InputError if a side computes in bfloat16, which neither onnxruntime's kernels here nor numpy know."""
    if all(map(is_live_module, sides)):
        return
    for side in sides:
        if _computes_in_bfloat16(side):
            raise InputError(
                f"{title_of(side)} computes in bfloat16, for which onnxruntime has no kernels on a CPU.\n"
                "Compare in float32, where the same faults show:  network.float(), inputs in float32, and a file "
                "exported from those."
            )


def _computes_in_bfloat16(side: Any) -> bool:
    """Tell whether weights or inputs are bfloat16; what is only cast to another dtype does not count."""
    if is_live_module(side):
        return any(str(parameter.dtype) == "torch.bfloat16" for parameter in side.parameters())
    model = as_model(side.model if isinstance(side, Session) else side)
    names = {name for name, tensor in model.initializers.items() if tensor.dtype == "bfloat16"}
    names |= {value.name for value in model.inputs if value.dtype == "bfloat16"}
    return any(node.op_type != "Cast" for name in names for node in model.consumers(name))


def example_inputs(*sides: object) -> tuple[dict[str, Any], str]:
    """Return random inputs, seeded, as the first model among the sides declares them, and a note that says so."""
    for side in sides:
        model = side.model if isinstance(side, Session) else None if is_live_module(side) else as_model(side)
        if isinstance(model, Model):
            made = plausible_feeds(model, seed=0, sizes=_sizes(model))
            shown = ", ".join(f"{clean_text(name)} {array.shape}" for name, array in made.items())
            return made, f"No inputs were given: random ones were made, with seed 0 ({shown})."
    raise InputError("A live module does not say what inputs it takes: give them, as inputs=array.")


def _sizes(model: Model) -> dict[str, int]:
    """Return a size for each symbolic dimension: more than one picture, so that mixing them would show."""
    return {str(d): _FREE_SIZE for value in model.inputs for d in value.shape or () if not isinstance(d, int)}


def title_of(side: object) -> str:
    """Return what to call a side."""
    if is_live_module(side):
        return type(side).__name__
    if isinstance(side, Session):
        side = side.model
    return clean_text(as_model(side).name) if side is not None else "session"
