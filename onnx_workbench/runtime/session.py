"""Session and run: arrays in, arrays out, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError, NameNotFoundError, RunError, no_such
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_parts import Value
from onnx_workbench.core.model import Model, as_model
from onnx_workbench.runtime.backends import Backend, Doorkeeper, OnnxRuntimeBackend, model_backend
from onnx_workbench.runtime.isolated_backend import IsolatedBackend
from onnx_workbench.runtime.isolation import Limits, Result
from onnx_workbench.runtime.isolation import isolated as in_own_process
from onnx_workbench.runtime.live_module import TorchBackend, bfloat16_array, is_live_module

BACKENDS = ("onnxruntime", "reference", "torch")


class Session:
    """A model loaded by a backend, ready to run many times.

    Parameters
    ----------
    model
        A Model or anything that ``open_model`` takes. A live ``torch.nn.Module`` is not converted: it is run by
        PyTorch, in eval mode.
    backend
        ``"onnxruntime"``, ``"reference"`` (ONNX's reference evaluator: slow, independent), or ``"torch"`` for a
        live module. None chooses by the model.
    threads
        Threads within one operator; None uses all cores, or as many as the variable CPU_LIMIT allows.
    providers
        onnxruntime's execution providers in order of preference; None runs on the CPU.
    low_memory
        Leave the weights mapped in their file, unoptimised: slower runs, hardly any memory. None decides by
        the size of the weights and the memory that is left.
    optimisation
        How far onnxruntime may rewrite the graph: ``"none"``, ``"basic"``, ``"extended"`` or ``"all"``; None for all,
        unless memory is low. ``compare`` takes a Session for the graph that it really runs.
    isolated
        Load and run the model in a child process: what crashes, hangs or takes all memory there leaves this
        process alive. True takes the default `Limits`; see ``onnx_workbench.runtime.isolation``. A path or
        bytes are then opened in the child too.

    Raises
    ------
    RunError
        If the backend refuses the model.
    NotEnoughMemoryError
        If loading it would need more memory than is left; the message says what to do.
    IsolationError
        If the child process crashed or met a limit.

    Examples
    --------
    >>> session = ow.Session("signs.onnx")
    >>> session.run({"image": batch})["logits"].shape
    (16, 8)
    """

    def __init__(
        self,
        model: object,
        *,
        backend: str | None = None,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        low_memory: bool | None = None,
        optimisation: str | None = None,
        isolated: bool | Limits = False,
    ) -> None:
        live = is_live_module(model)
        chosen = backend or ("torch" if live else "onnxruntime")
        if chosen not in BACKENDS:
            raise RunError(f"There is no backend {backend!r}; possible are {', '.join(map(repr, BACKENDS))}.")
        if live != (chosen == "torch"):
            raise RunError(
                f"backend={backend!r} does not go with a {type(model).__name__}: a live module is run by 'torch', and "
                "everything else by 'onnxruntime' or 'reference'."
            )
        if not isinstance(isolated, (bool, Limits)):
            raise RunError(f"isolated is True, or Limits of memory and time; got {isolated!r:.80}.")
        if live:
            if isolated:
                raise RunError("A live module runs in its own process: export it, or leave isolated out.")
            self._join(None, chosen, TorchBackend(model))
            return
        options: dict[str, Any] = {
            "threads": threads,
            "providers": providers,
            "low_memory": low_memory,
            "optimisation": optimisation,
        }
        if isolated:
            limits = isolated if isinstance(isolated, Limits) else Limits()
            self._join(model, chosen, IsolatedBackend(model, chosen, limits, **options))
        else:
            opened = as_model(model)
            self._join(opened, chosen, model_backend(opened, chosen, **options))

    def _join(self, source: object, backend: str, engine: Backend) -> None:
        self._source, self.backend, self._engine = source, backend, engine
        self._all_outputs = engine.output_names

    @property
    def model(self) -> Model | None:
        """The model; None for a live module. What was opened in a child process alone is opened here when asked for."""
        if self._source is not None and not isinstance(self._source, Model):
            self._source = as_model(self._source)
        return self._source

    @property
    def optimisation(self) -> str:
        """How far onnxruntime rewrote the graph; ``"none"`` for other backends."""
        return str(getattr(self._engine, "optimisation", "none"))

    @property
    def limits(self) -> Limits | None:
        """What the child process may take; None if the model runs in this process."""
        return self._engine.limits if isinstance(self._engine, IsolatedBackend) else None

    def in_child(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Return ``function(model, *arguments)``, computed in a child process within this session's limits."""
        limits = self.limits or Limits()
        return in_own_process(
            function, self._source, *arguments, memory_bytes=limits.memory_bytes, time_s=limits.time_s
        )

    @property
    def inputs(self) -> tuple[Value, ...]:
        """What the model needs."""
        return self._engine.inputs

    def run(self, inputs: object, outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Run the model once.

        Parameters
        ----------
        inputs
            Arrays by input name; or one array for a model with one input; or a list or tuple in the order of the
            inputs. dtypes and shapes must be those of the model: nothing is cast or transposed silently.
            Initializers that are inputs too (from IR version 4 on) may be given by name, and are replaced.
        outputs
            Names of the outputs wanted; None for all.

        Returns
        -------
        dict
            Arrays by output name, in the model's order.

        Raises
        ------
        InputError
            If the inputs do not fit; the message names the slip and the line that mends it.
        RunError
            If the run fails inside the model.
        NotEnoughMemoryError
            If the run would need more memory than is left.
        """
        if isinstance(outputs, Mapping):
            raise InputError(
                "The inputs come first here, and the outputs may be left out:  run(inputs, outputs).  onnxruntime's "
                "own sessions take them the other way round."
            )
        feeds = inputs if type(inputs) is dict else self._by_name(inputs)
        size_bytes = 0
        for array in feeds.values():
            if type(array) is not np.ndarray or not array.dtype.isnative:
                feeds = self._as_arrays(feeds)
                size_bytes = sum(getattr(item, "nbytes", 0) for item in feeds.values())
                break
            size_bytes += array.nbytes
        if self.backend == "torch":
            return self._run_live(feeds, outputs)
        if size_bytes > self._engine.weighed_bytes and isinstance(self._source, Model):
            self._engine.weigh(self._source, feeds)
        names = self._all_outputs if outputs is None else _checked(outputs, self._all_outputs)
        return dict(zip(names, self._engine.run(names, feeds), strict=True))

    def _run_live(self, feeds: dict[str, Any], outputs: Sequence[str] | None) -> dict[str, NDArray[Any]]:
        """Run a live module, of which the outputs are known only then."""
        arrays = {f"output_{index}": array for index, array in enumerate(self._engine.run((), feeds))}
        return arrays if outputs is None else {name: arrays[name] for name in _checked(outputs, arrays)}

    def named_arrays(self, inputs: object) -> dict[str, Any]:
        """Return inputs, in any form that `run` takes, as arrays by name; they are not checked further."""
        return self._as_arrays(self._by_name(inputs))

    def _by_name(self, inputs: object) -> dict[str, Any]:
        if isinstance(inputs, Mapping):
            return dict(inputs)
        known = self._engine.inputs
        items = list(inputs) if isinstance(inputs, (list, tuple)) and not self._is_one(inputs) else [inputs]
        names = [value.name for value in known]
        if isinstance(self._engine, TorchBackend):
            if self._engine.takes_any:
                names += [f"input_{index}" for index in range(len(names), len(items))]
            names = names[: len(items)]
        if len(items) != len(names):
            listed = ", ".join(repr(clean_text(value.name)) for value in known) or "none"
            raise InputError(
                f"The model has {len(known)} input(s): {listed}; got {len(items)} array(s). "
                "Give a dict of arrays by name."
            )
        return dict(zip(names, items, strict=True))

    def _is_one(self, inputs: Sequence[object]) -> bool:
        """Tell whether a list is the one input itself (plain numbers, strings, a sequence) and not a list of inputs."""
        if len(self._engine.inputs) != 1:
            return False
        if (self._engine.inputs[0].dtype or "").startswith("sequence("):
            return not (len(inputs) == 1 and isinstance(inputs[0], (list, tuple)))
        return not any(hasattr(item, "__array__") for item in inputs)

    def _as_arrays(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Return array-likes as arrays; plain lists, which have no dtype of their own, get the input's."""
        dtypes = {value.name: value.dtype or "" for value in self._engine.inputs}
        return {name: _as_input(name, item, dtypes.get(name, "")) for name, item in feeds.items()}

    def __repr__(self) -> str:
        """Return what runs, and by whom."""
        what = "live module" if self.backend == "torch" else "not opened here"
        what = clean_text(self._source.name) if isinstance(self._source, Model) else what
        low = ", low memory" if getattr(self._engine, "low_memory", False) else ""
        alone = ", isolated" if isinstance(self._engine, IsolatedBackend) else ""
        return f"Session({what!r}, backend={self.backend!r}{low}{alone})"


class InputDoor(Session):
    """What a session says of inputs, without loading the model: for runs that take it in pieces."""

    def __init__(self, model: Model) -> None:
        self._doorkeeper = Doorkeeper(model)
        self._join(model, "onnxruntime", self._doorkeeper)

    def feeds(self, inputs: object) -> dict[str, Any]:
        """Return arrays by input name; what does not fit raises InputError with the line that mends it."""
        feeds = self.named_arrays(inputs)
        self._doorkeeper.check(feeds)
        return feeds


class _KeptSession(Session):
    """A session on the engine that a Model keeps.

    The Model keeps no Session: each would hold the other, and both their memory, until Python looks for cycles.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model.engine, OnnxRuntimeBackend):
            model.engine = OnnxRuntimeBackend(model)
        self._join(model, "onnxruntime", model.engine)


def _checked(outputs: Sequence[str], known: Collection[str]) -> list[str]:
    wanted = [outputs] if isinstance(outputs, str) else list(outputs)
    if not wanted:
        listed = ", ".join(repr(clean_text(name)) for name in known)
        raise InputError(f"outputs is empty: leave it out for all of them, or name at least one of {listed}.")
    for name in wanted:
        if name not in known:
            raise NameNotFoundError(no_such("output", name, known))
    return wanted


def _as_input(name: str, item: Any, dtype: str) -> Any:
    """Return what an input takes: an array, a list of arrays for a sequence, None for an optional left out."""
    if dtype.startswith("sequence(") and isinstance(item, (list, tuple)):
        inner = dtype.removeprefix("sequence(").removesuffix(")")
        return [_as_input(name, part, inner) for part in item]
    if dtype.startswith("optional(") and item is None:
        return None
    plain = isinstance(item, (list, tuple, int, float))
    if hasattr(item, "detach"):  # a torch tensor
        item = bfloat16_array(item) if str(item.dtype) == "torch.bfloat16" else item.detach().cpu()
    try:
        array = np.asarray(item, dtype=dtype if plain and dtype.isalnum() and dtype != "string" else None)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Input {clean_text(name)!r} takes an array, and this {type(item).__name__} cannot become one: {error}"
        ) from error
    if not array.dtype.isnative:  # onnxruntime would take the bytes in the wrong order, silently
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind in "OU" and dtype != "string":
        raise InputError(
            f"Input {clean_text(name)!r} takes an array of numbers ({dtype or 'any dtype'}); got {type(item).__name__}."
            "\nA picture or its path goes through Preprocessing, or to classify()."
        )
    return array


def model_of(session: Session) -> Model:
    """Return a session's model.

    Raises
    ------
    InputError
        If it runs a live module.
    """
    if session.model is None:
        raise InputError(
            "This Session runs a live module. Open it first: open_model(module, example_inputs=x)."
        )
    return session.model


def session_of(model: object) -> Session:
    """Return a session for a model; what a Model's session computes with is made once, and kept with the Model."""
    if isinstance(model, Session):
        return model
    if is_live_module(model):
        return Session(model)
    return _KeptSession(as_model(model))


def run(
    model: object,
    inputs: object,
    outputs: Sequence[str] | None = None,
    *,
    isolated: bool | Limits = False,
) -> dict[str, NDArray[Any]]:
    """Run a model once: ``Session(model).run(inputs)``.

    Parameters
    ----------
    model
        A Session, a Model (its session is kept for the next call), a live module, or anything that
        ``open_model`` takes.
    inputs, outputs
        As for ``Session.run``.
    isolated
        Run in a child process that ends afterwards, as for `Session`: True, or `Limits` of memory and time.

    Returns
    -------
    dict
        Arrays by output name.

    Examples
    --------
    >>> ow.run("signs.onnx", batch)["logits"].shape
    (16, 8)
    """
    if isolated and not isinstance(model, Session):
        return Session(model, isolated=isolated).run(inputs, outputs)
    return session_of(model).run(inputs, outputs)
