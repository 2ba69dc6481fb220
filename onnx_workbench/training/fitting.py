"""fit: train any classifier on a data set, with progress, a seed, and Ctrl-C that keeps the best so far."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from onnx_workbench.core.errors import InputError, TrainingError, WorkbenchWarning, require
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.runtime.backends import default_threads
from onnx_workbench.sources.pytorch_metadata import METADATA_ATTRIBUTE
from onnx_workbench.training.curve import curve_svg
from onnx_workbench.training.dataset import Dataset

if TYPE_CHECKING:
    import torch

Network = TypeVar("Network", bound="torch.nn.Module")
_HISTORY_ATTRIBUTE = "onnx_workbench_history"
_EVALUATION_BATCH = 256
_SHARED_FROM_WEIGHTS = 1_000_000


@dataclass
class History:
    """How a training went: mean loss and validation accuracy (0 to 1) after each epoch."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    stopped: bool = False

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, whose weights were kept: of equals the last; 0 if none was finished."""
        return len(self.accuracies) - int(np.argmax(self.accuracies[::-1])) if self.accuracies else 0

    @property
    def kept(self) -> str:
        """Which weights were kept, in words."""
        return f"the weights of epoch {self.best_epoch}" if self.best_epoch else "its first weights"

    def __str__(self) -> str:
        """Return one line: epochs, best accuracy, last loss."""
        if not self.accuracies:
            return "no epoch finished"
        count = len(self.losses)
        return (
            f"{count} epoch{'s' * (count != 1)}{' (stopped)' if self.stopped else ''}, validation accuracy "
            f"{max(self.accuracies):.1%} in epoch {self.best_epoch}, loss {self.losses[-1]:.3f}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return curve_svg(self.losses, self.accuracies)


def fit(
    network: Network,
    data: Dataset,
    *,
    epochs: int = 8,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
    threads: int | None = None,
) -> Network:
    """Train a classifier and return it, in eval mode, with the weights of its best epoch.

    A tenth of the training pictures is kept back to tell the best epoch (of fewer than ten, none: all of them tell
    it); the test pictures are not touched. Ctrl-C stops the training and keeps the best so far. Labels, preprocessing
    and an example of the data are noted on the network, so that ``open_model(network)`` knows how to export it, and
    writes labels and preprocessing into the model.

    Parameters
    ----------
    network
        Any ``torch.nn.Module`` that gives logits of shape (N, classes); trained in place, on its own device.
    data
        Pictures and labels.
    epochs, batch_size, learning_rate
        Passes over the pictures, pictures in one step, and the largest step size (Adam, one cycle).
    seed
        Seed of the shuffling, and of random layers. Same seed, weights and threads: same result on a CPU.
        torch's own random state is left as it was.
    threads
        Threads of torch during the training. None takes one for networks of less than a million weights, so that
        their result is the same on any number of cores; for larger ones CPU_LIMIT where a hub sets it, else all.

    Returns
    -------
    torch.nn.Module
        The same network. ``training.history(network)`` tells how it went.

    Raises
    ------
    InputError
        If the network does not take the pictures, gives another number of classes, or an argument is impossible.
    TrainingError
        If the loss becomes NaN or infinite; the network keeps the best weights so far.

    Examples
    --------
    >>> network = training.fit(training.small_convnet(data), data)
    """
    require("torch", purpose="to train networks", extra="torch")
    import torch

    _check_kinds("fit", network, data)
    _check_counts(epochs=epochs, batch_size=batch_size, threads=1 if threads is None else threads)
    if not 0 < learning_rate < math.inf:
        raise InputError(f"learning_rate is a finite number above 0; got {learning_rate!r}.")
    _check_fits(network, data)
    record = History()
    device = _device(network)
    with (
        _threads(_thread_count(network) if threads is None else threads),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
    ):
        torch.manual_seed(seed)
        best = _train(
            network, data, record, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate
        )
    network.load_state_dict(best)
    network.eval()
    noted = {"labels": data.labels, "preprocessing": data.preprocessing, "example_inputs": data.example}
    setattr(network, METADATA_ATTRIBUTE, noted)
    setattr(network, _HISTORY_ATTRIBUTE, record)
    if record.losses and not math.isfinite(record.losses[-1]):
        raise TrainingError(
            f"The loss became {record.losses[-1]} in epoch {len(record.losses)}; the network has {record.kept} again.\n"
            f"A smaller learning_rate than {learning_rate:g} usually helps."
        )
    if record.stopped:
        warnings.warn(f"Training stopped: the network has {record.kept}.", WorkbenchWarning, stacklevel=2)
    return network


def history(network: torch.nn.Module) -> History:
    """Return how `fit` went on a network.

    Raises
    ------
    InputError
        If the network was not trained by `fit`.
    """
    found = getattr(network, _HISTORY_ATTRIBUTE, None)
    if not isinstance(found, History):
        raise InputError(f"This {type(network).__name__} was not trained by training.fit: it has no history.")
    return found


def evaluate(network: torch.nn.Module, data: Dataset) -> float:
    """Return a network's accuracy on the test pictures, 0 to 1, run by PyTorch in eval mode.

    Raises
    ------
    InputError
        If the network does not take the pictures, or gives another number of classes.
    """
    require("torch", purpose="to run networks", extra="torch")
    _check_kinds("evaluate", network, data)
    _logits_of_example(network, data)
    with _eval_mode(network):
        return _accuracy(network, data.test_inputs, data.test_labels)


def _accuracy(network: torch.nn.Module, inputs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    import torch

    device = _device(network)
    right = 0
    with torch.no_grad():
        for start in range(0, len(inputs), _EVALUATION_BATCH):
            batch = torch.from_numpy(inputs[start : start + _EVALUATION_BATCH]).to(device)
            found = network(batch).argmax(dim=1).cpu().numpy()
            right += int((found == labels[start : start + _EVALUATION_BATCH]).sum())
    return right / len(inputs)


@contextmanager
def _eval_mode(network: torch.nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and each of its parts back into its own."""
    modes = {part: part.training for part in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _device(network: torch.nn.Module) -> torch.device:
    import torch

    parameter = next(network.parameters(), None)
    return parameter.device if parameter is not None else torch.device("cpu")


def _check_kinds(verb: str, network: object, data: object) -> None:
    import torch

    if not isinstance(network, torch.nn.Module) or not isinstance(data, Dataset):
        raise InputError(
            f"{verb} takes a torch.nn.Module and a Dataset, in this order; got "
            f"{type(network).__name__} and {type(data).__name__}."
        )


def _check_counts(**counts: object) -> None:
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise InputError(f"{name} is a whole number from 1; got {count!r}.")


def _check_fits(network: torch.nn.Module, data: Dataset) -> None:
    """Raise if the network has nothing to learn, or does not fit the pictures and classes."""
    import torch

    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{type(network).__name__} has no weights that can be trained.")
    logits = _logits_of_example(network, data)
    sums = logits.sum(dim=1)
    if bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums)):
        warnings.warn(
            "The network ends with a softmax, and the loss applies its own: leave it out, or the training is slow.",
            WorkbenchWarning,
            stacklevel=3,
        )


def _logits_of_example(network: torch.nn.Module, data: Dataset) -> torch.Tensor:
    """Return what a network gives for the example, or raise if it does not take it, or gives no logits."""
    import torch

    example = torch.from_numpy(data.example)
    try:
        with _eval_mode(network), torch.no_grad():
            logits = network(example.to(_device(network)))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{type(network).__name__} does not run on the pictures, {data.example.dtype} {data.example.shape}: "
            f"{clean_text(str(error), limit=300)}"
        ) from error
    classes = len(data.labels)
    if not isinstance(logits, torch.Tensor) or logits.shape != (len(example), classes):
        given = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(
            f"The network should give logits of shape ({len(example)}, {classes}), one for each of {classes} classes; "
            f"it gives {given}."
        )
    return logits


def _thread_count(network: torch.nn.Module) -> int:
    """Return the threads that train a network fastest, 0 for all.

    A step of a small network is too short to be shared: threads would mostly wait for each other, and by spinning.
    On a machine that is busy with something else as well, two threads have taken six times as long as one.
    """
    weights = sum(parameter.numel() for parameter in network.parameters())
    return 1 if weights < _SHARED_FROM_WEIGHTS else default_threads()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    network: torch.nn.Module,
    data: Dataset,
    record: History,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
) -> dict[str, Any]:
    """Train, and return the best weights; whatever ends the loop, they are there."""
    import torch

    device = _device(network)
    order = torch.randperm(len(data.train_inputs))
    used = order[len(order) // 10 :]
    kept_back = (order[: len(order) // 10] if len(order) >= 10 else order).numpy()
    inputs, labels = torch.from_numpy(data.train_inputs), torch.from_numpy(data.train_labels.astype(np.int64))
    check = data.train_inputs[kept_back], data.train_labels[kept_back]
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=learning_rate)
    steps = epochs * math.ceil(len(used) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    best = copy.deepcopy(network.state_dict())
    show = _live_curve()
    with _progress(steps) as progress:
        try:
            for _ in range(epochs):
                network.train()
                losses: list[float] = []
                for part in used[torch.randperm(len(used))].split(batch_size):
                    if len(part) < batch_size and len(part) == 1 and losses:
                        continue  # BatchNorm cannot learn from a single picture left over
                    loss = torch.nn.functional.cross_entropy(
                        network(inputs[part].to(device)), labels[part].to(device)
                    )
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    losses.append(loss.item())
                    progress.update()
                record.losses.append(float(np.mean(losses)))
                if not math.isfinite(record.losses[-1]):
                    break
                network.eval()
                record.accuracies.append(_accuracy(network, *check))
                progress.set_postfix(loss=f"{record.losses[-1]:.3f}", accuracy=f"{record.accuracies[-1]:.1%}")
                show(record)
                if record.best_epoch == len(record.accuracies):
                    best = copy.deepcopy(network.state_dict())
        except KeyboardInterrupt:
            record.stopped = True
    return best


def _progress(steps: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=steps, desc="training", unit="step", leave=False)


def _live_curve() -> Callable[[History], None]:
    """Return a function that redraws the curve: in a notebook in one place, elsewhere not at all."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return lambda _record: None
    from IPython.display import display

    handles: list[Any] = []

    def show(record: History) -> None:
        if handles:
            handles[0].update(record)
        else:
            handles.append(display(record, display_id=True))

    return show
