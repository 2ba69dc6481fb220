"""Training by minibatches: gradients from PyTorch, steps from `learners`."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkTypeError, CntkValueError
from onnx_workbench.cntk.evaluation import batches, requested
from onnx_workbench.cntk.feeding import arguments_of
from onnx_workbench.cntk.gradients import followed_back
from onnx_workbench.cntk.io.streams import MinibatchData
from onnx_workbench.cntk.learners import Learner
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter
from onnx_workbench.cntk.ops.composition import combine
from onnx_workbench.cntk.ops.functions import Function
from onnx_workbench.cntk.staging import assign, run_stages
from onnx_workbench.cntk.train.checkpoints import restored, save
from onnx_workbench.cntk.train.evaluator import counted, samples_in, tested, total
from onnx_workbench.cntk.variables import Variable


class Trainer:
    """Makes a loss small, minibatch by minibatch.

    Parameters
    ----------
    model
        What is trained; None where only the criterion matters.
    criterion
        Loss and metric: a pair, the metric None or left out, or a Function with one or two outputs.
    parameter_learners
        Learners; together they may leave out parameters, which then stay.
    progress_writers
        Objects with `update(samples, loss, metric)`, such as `logging.ProgressPrinter`.

    Raises
    ------
    ValueError
        If there is no learner, or one changes parameters that the criterion does not have.
    """

    def __init__(
        self, model: Any, criterion: Any, parameter_learners: Any, progress_writers: Any = None
    ) -> None:
        self.loss_function, self.evaluation_function = _criterion(criterion)
        self.model = combine([model]) if isinstance(model, Variable) else model
        self.parameter_learners: list[Learner] = (
            parameter_learners if isinstance(parameter_learners, list) else [parameter_learners]
        )
        self._writers = [] if progress_writers is None else progress_writers
        if not isinstance(self._writers, list):
            self._writers = [self._writers]
        loss, metric = self.loss_function, self.evaluation_function
        parts = [one for one in (loss, metric) if one is not None]
        self._whole = combine(list(dict.fromkeys(one.output for one in parts)))
        self._check()
        self.total_number_of_samples_seen = self.previous_minibatch_sample_count = 0
        self.previous_test_sample_count = 0
        self._loss = self._metric = 0.0

    def _check(self) -> None:
        if not self.parameter_learners:
            raise CntkValueError("There must be at least one learner.")
        for learner in self.parameter_learners:
            if not isinstance(learner, Learner):
                raise CntkTypeError(f"Trainer expects learners; got a {type(learner).__name__}.")
        known = set(self._whole.parameters) | set(self.model.parameters if self.model is not None else ())
        learnt = [one for learner in self.parameter_learners for one in learner.parameters]
        strange = [one for one in learnt if one not in known]
        if strange:
            raise CntkValueError(
                f"Trainer ctor: {len(strange)} of the learner parameters {', '.join(map(repr, map(str, strange)))} are "
                "not part of the model specified"
            )
        if len(set(learnt)) != len(learnt):
            raise CntkValueError("Trainer ctor: a parameter is changed by more than one learner.")

    def train_minibatch(
        self, arguments: Any, outputs: Any = None, device: Any = None, is_sweep_end: bool | None = None
    ) -> Any:
        """Change the parameters by one minibatch.

        Parameters
        ----------
        arguments
            Values by variable or name, as for `Function.eval`; an empty dictionary for no data.
        outputs
            Variables whose values are returned too.
        device
            Accepted and not used.
        is_sweep_end
            Whether the data begins again after it.

        Returns
        -------
        Whether parameters were changed; with `outputs` a pair of that and a dictionary of values.
        """
        if not arguments and isinstance(arguments, dict) and self._whole.arguments:
            self.previous_minibatch_sample_count, self._loss, self._metric = 0, 0.0, 0.0
            return (False, {}) if outputs is not None else False
        is_sweep_end = _sweep_end(arguments, is_sweep_end)
        asked = requested(self._whole, outputs) if outputs is not None else ()
        wanted = tuple(dict.fromkeys((*self._whole.outputs, counted(self.loss_function), *asked)))
        batch = batches(self._given(arguments))
        run = run_stages(self._whole, wanted, batch, training=True)
        learnt: list[Variable] = [one for by in self.parameter_learners for one in by.parameters]
        gradients, values = followed_back(self._whole, wanted, {self.loss_function.output: None}, learnt, run)
        assign(self._whole, run)
        count = self._note(values)
        self._tell_rates()
        updated = [
            learner.update({one: gradients[one] for one in learner.parameters}, count, bool(is_sweep_end))
            for learner in self.parameter_learners
        ]
        self.total_number_of_samples_seen += count
        for writer in self._writers:
            metric = self._metric if self.evaluation_function is not None else None
            writer.update_training(count, self._loss * count, None if metric is None else metric * count)
        done = any(updated)
        return (done, {one: values[one] for one in asked}) if outputs is not None else done

    def _tell_rates(self) -> None:
        for writer in self._writers:
            if isinstance(writer, ProgressWriter):
                for learner in self.parameter_learners:
                    for name, value in learner.rates().items():
                        writer.update_rate(name, value)

    def _given(self, arguments: Any) -> dict[Variable, Any]:
        return arguments_of(self._whole, arguments)

    def _note(self, values: dict[Variable, Any]) -> int:
        count = samples_in(values[counted(self.loss_function)], counted(self.loss_function))
        self.previous_minibatch_sample_count = count
        self._loss = total(values[self.loss_function.output]) / max(count, 1)
        if self.evaluation_function is not None:
            self._metric = total(values[self.evaluation_function.output]) / max(count, 1)
        return count

    @property
    def previous_minibatch_loss_average(self) -> float:
        """Loss of the last minibatch, for each sample."""
        return self._loss

    @property
    def previous_minibatch_evaluation_average(self) -> float:
        """Metric of the last minibatch, for each sample."""
        if self.evaluation_function is None:
            raise CntkValueError(
                "Trainer::PreviousMinibatchEvaluationAverage: Cannot get evaluation criterion value when no evaluation "
                "function was specified during construction."
            )
        return self._metric

    def test_minibatch(self, arguments: Any, device: Any = None) -> float:
        """Return the metric of a minibatch for each sample; nothing is changed."""
        if self.evaluation_function is None:
            raise CntkValueError(
                "Evaluator::TestMinibatch: Cannot test when no evaluation function was specified during construction."
            )
        metric, count = tested(self._whole, self.evaluation_function, arguments, self._writers)
        self.previous_test_sample_count = count
        return metric

    def summarize_training_progress(self) -> None:
        """Let the writers tell what training has summed up to, and begin anew."""
        for writer in self._writers:
            writer.write_training_summary()

    def summarize_test_progress(self) -> None:
        """Let the writers tell what the tests have summed up to, and begin anew."""
        for writer in self._writers:
            writer.write_test_summary()

    def save_checkpoint(self, filename: Any, external_state: dict[str, Any] | None = None) -> None:
        """Save all that training goes on from.

        Parameters
        ----------
        filename
            The network goes there in CNTK's native format, which CNTK 2.7 loads; the state of the learners, in a form
            of our own, into a file beside it whose name ends with ``.ckp``.
        external_state
            What `restore_from_checkpoint` is to return: dictionaries, lists, arrays, numbers and texts.
        """
        state = {
            "samples": self.total_number_of_samples_seen,
            "learners": [one.create_checkpoint() for one in self.parameter_learners],
            "external": external_state or {},
        }
        save(self._whole, state, filename)

    def restore_from_checkpoint(self, filename: Any) -> dict[str, Any]:
        """Go on from where a checkpoint of the same network and learners was saved; return the external state.

        Raises
        ------
        RuntimeError
            If it is missing, damaged, or of other learners.
        """
        state = restored(self._whole, filename)
        kept = state["learners"]
        if len(kept) != len(self.parameter_learners):
            raise CntkRuntimeError(
                f"This checkpoint is of {len(kept)} learners; the trainer has {len(self.parameter_learners)}."
            )
        for learner, one in zip(self.parameter_learners, kept, strict=True):
            learner.restore_from_checkpoint(one)
        self.total_number_of_samples_seen = int(state["samples"])
        return dict(state["external"])


def _criterion(criterion: Any) -> tuple[Function, Function | None]:
    parts = criterion.outputs if isinstance(criterion, Function) else criterion
    parts = (parts,) if isinstance(parts, Variable) else tuple(parts)
    found = [combine([one]) if isinstance(one, Variable) else one for one in parts]
    if not 1 <= len(found) <= 2 or found[0] is None:
        raise CntkValueError("criterion parameter must be a singleton or a tuple of 2 elements")
    return found[0], found[1] if len(found) > 1 else None


def _sweep_end(arguments: Any, told: bool | None) -> bool:
    """Return whether the data begins again after a minibatch: sources say so themselves.

    Raises
    ------
    ValueError
        If the caller says so too.
    """
    data = arguments.values() if isinstance(arguments, dict) else [arguments]
    read = [one for one in data if isinstance(one, MinibatchData)]
    if read and told is not None:
        raise CntkValueError(
            "is_sweep_end is ignored by Trainer::train_minibatch when it is fed with MinibatchData!"
        )
    return any(one.end_of_sweep for one in read) if read else bool(told)
