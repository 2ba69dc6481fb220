"""fit: it learns, repeats itself, can be stopped, and says what does not fit."""

from __future__ import annotations

import copy
import io
import re
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from onnx_workbench import training
from onnx_workbench.core.errors import InputError, TrainingError, WorkbenchWarning
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.sources.open import open_model


def linear(classes: int = 8) -> nn.Sequential:
    """Return the smallest network that takes road signs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))


def short(network: nn.Module, data: training.Dataset, **options) -> nn.Module:
    return training.fit(network, data, **({"epochs": 2, "batch_size": 16, "threads": 1} | options))


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


# It learns


def test_a_few_seconds_teach_it_unseen_signs(trained, pictures):
    with torch.no_grad():
        found = trained(torch.from_numpy(pictures.test_inputs)).argmax(dim=1).numpy()
    accuracy = float((found == pictures.test_labels).mean())
    assert accuracy >= 0.95
    assert training.evaluate(trained, pictures) == pytest.approx(accuracy)


def test_the_history_tells_of_each_epoch_and_which_was_kept(trained):
    record = training.history(trained)
    assert len(record.losses) == len(record.accuracies) == 8
    assert record.losses[-1] < record.losses[0] / 4
    assert record.accuracies[record.best_epoch - 1] == max(record.accuracies)
    assert re.fullmatch(r"8 epochs, validation accuracy \d+\.\d% in epoch \d, loss 0\.\d{3}", str(record))
    assert record._repr_html_().count("<circle") == 16


def test_the_trained_network_is_in_eval_mode_and_is_the_one_that_was_given(few):
    network = training.small_convnet(few, width=2)
    assert short(network, few) is network
    assert not any(part.training for part in network.modules())


def test_grey_digits_are_learned_as_well():
    data = training.digits()
    network = training.fit(training.small_convnet(data, width=8), data, epochs=3, batch_size=32, threads=1)
    assert network[0].in_channels == 1
    assert training.evaluate(network, data) > 0.85


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 33), (2, 40)])
def test_small_convnet_fits_any_size_of_picture(few, size):
    data = replace(few, preprocessing=Preprocessing(size=size, color="GRAY"))
    network = training.small_convnet(data, width=2)
    assert network(torch.zeros(5, 1, *size)).shape == (5, 8)


def test_small_convnet_refuses_channels_last(few):
    with pytest.raises(
        InputError, match="road signs gives NHWC: give the Dataset a Preprocessing with layout='NCHW'"
    ):
        training.small_convnet(replace(few, preprocessing=Preprocessing(size=(32, 32), layout="NHWC")))


# The same again


def test_same_seed_same_weights_and_torchs_own_random_state_is_left_alone(few):
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first = short(training.small_convnet(few, width=2), few)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(12)
    second = short(training.small_convnet(few, width=2), few)
    assert same(weights(first), weights(second))
    other = short(training.small_convnet(few, width=2), few, seed=1)
    assert not same(weights(first), weights(other))
    assert not same(weights(training.small_convnet(few)), weights(training.small_convnet(few, seed=1)))


def test_dropout_and_shuffling_go_by_the_seed(few):
    def run() -> dict[str, torch.Tensor]:
        return weights(short(nn.Sequential(nn.Dropout(0.3), *linear()), few))

    assert same(run(), run())


@pytest.mark.parametrize("wanted", [1, 2])
def test_torchs_threads_are_as_before(few, wanted):
    before, during = torch.get_num_threads(), []
    network = linear()
    network.register_forward_hook(lambda *_: during.append(torch.get_num_threads()))
    short(network, few, threads=wanted, epochs=1)
    assert set(during[1:]) == {wanted}  # the first call asks whether the network fits
    assert torch.get_num_threads() == before


def threads_during(network: nn.Module, data: training.Dataset) -> set[int]:
    during: list[int] = []
    network.register_forward_hook(lambda *_: during.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        short(network, data, threads=None, epochs=1)
    finally:
        torch.set_num_threads(before)
    return set(during[1:])  # the first call asks whether the network fits


def test_a_small_network_trains_on_one_thread(few, monkeypatch):
    monkeypatch.delenv("CPU_LIMIT", raising=False)
    assert threads_during(linear(), few) == {1}


@pytest.mark.parametrize(("limit", "threads"), [("", 3), ("2.0", 2)])
def test_a_large_network_trains_on_all_threads_or_on_a_hubs_cpu_limit(few, monkeypatch, limit, threads):
    monkeypatch.setenv("CPU_LIMIT", limit)
    large = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 330), nn.ReLU(), nn.Linear(330, 8))
    assert threads_during(large, few) == {threads}


# The best is kept


def test_the_weights_of_the_best_epoch_are_kept_not_those_of_the_last(few, monkeypatch):
    network, seen = linear(), []
    planned = iter([0.5, 0.75, 0.25])

    def accuracy(network: nn.Module, *_: object) -> float:
        seen.append(weights(network))
        return next(planned)

    monkeypatch.setattr("onnx_workbench.training.fitting._accuracy", accuracy)
    short(network, few, epochs=3)
    assert training.history(network).best_epoch == 2
    assert same(weights(network), seen[1])
    assert not same(weights(network), seen[2])


def test_the_pictures_to_test_with_are_not_looked_at(few, monkeypatch):
    hidden = copy.copy(few)
    monkeypatch.setattr(training.Dataset, "test_inputs", property(lambda _: pytest.fail("looked at")))
    short(linear(), hidden)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 33])
def test_any_number_of_pictures_will_do(count):
    data = training.signs(count, 8)
    network = short(training.small_convnet(data, width=2), data, batch_size=16)
    assert len(training.history(network).accuracies) == 2
    assert not same(weights(network), weights(training.small_convnet(data, width=2)))


def test_with_one_picture_a_step_every_picture_counts(few):
    network, steps = linear(), []
    network.register_forward_hook(
        lambda module, inputs, _: steps.append(len(inputs[0])) if module.training else None
    )
    short(network, few, epochs=1, batch_size=1)
    assert len(steps) == 58  # of 64, a tenth is kept back


@pytest.mark.parametrize(
    ("stop_at", "kept"),
    [(1, "its first weights"), (10, "the weights of epoch 2")],
    ids=["at once", "in epoch 3"],
)
def test_ctrl_c_keeps_the_best_so_far(few, stop_at, kept):
    network, steps, ends = linear(), [], [weights(linear())]

    def hook(module: nn.Module, *_: object) -> None:
        if module.training:
            steps.append(1)
            if len(steps) == stop_at:
                raise KeyboardInterrupt
        elif not ends or not same(ends[-1], weights(module)):
            ends.append(weights(module))

    network.register_forward_hook(hook)
    with pytest.warns(WorkbenchWarning, match=f"Training stopped: the network has {kept}") as told:
        result = short(network, few, epochs=5, learning_rate=1e-4)
    assert result is network
    assert told[0].filename == __file__
    record = training.history(network)
    assert record.stopped
    assert same(weights(network), ends[record.best_epoch])
    assert not network.training


def test_ctrl_c_keeps_the_best_even_where_warnings_are_errors(few):
    network = linear()
    network.register_forward_hook(
        lambda module, *_: (_ for _ in ()).throw(KeyboardInterrupt) if module.training else None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WorkbenchWarning, match="its first weights"):
            short(network, few)
    assert same(weights(network), weights(linear()))
    assert not network.training


def test_a_loss_that_is_no_number_ends_it_with_the_best_weights(few):
    network, steps = linear(), []

    def hook(module: nn.Module, _inputs: object, logits: torch.Tensor) -> torch.Tensor:
        steps.append(module.training)
        return logits * float("nan") if sum(steps) > 5 else logits

    network.register_forward_hook(hook)
    with pytest.raises(
        TrainingError,
        match=r"became nan in epoch 2; the network has the weights of epoch 1 again.\nA smaller",
    ):
        short(network, few, epochs=4)
    assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())
    assert not network.training
    assert re.search(r'points="[^"]*nan', training.history(network)._repr_html_()) is None


def test_a_loss_that_is_no_number_at_once_leaves_the_first_weights(few):
    network = linear()
    network.register_forward_hook(lambda _m, _i, logits: logits / 0)
    with pytest.raises(TrainingError, match="the network has its first weights again"):
        short(network, few)
    assert same(weights(network), weights(linear()))


# What does not fit


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (linear(5), {}, r"logits of shape \(4, 8\), one for each of 8 classes; it gives \(4, 5\)"),
        (nn.Conv2d(1, 8, 3), {}, r"Conv2d does not run on the pictures, float32 \(4, 3, 32, 32\)"),
        (linear().double(), {}, "does not run on the pictures, float32"),
        (nn.Flatten(), {}, "Flatten has no weights that can be trained"),
        (nn.LSTM(32, 8), {}, "LSTM does not run on the pictures"),
        (linear(), {"epochs": 0}, "epochs is a whole number from 1; got 0"),
        (linear(), {"batch_size": 0.5}, r"batch_size is a whole number from 1; got 0\.5"),
        (linear(), {"threads": 0}, "threads is a whole number from 1; got 0"),
        (linear(), {"learning_rate": float("nan")}, "learning_rate is a finite number above 0; got nan"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(few, network, options, message):
    before = weights(network)
    with pytest.raises(InputError, match=message):
        short(network, few, **options)
    assert same(weights(network), before)


def test_arguments_in_the_wrong_order_are_told(few):
    with pytest.raises(InputError, match="in this order; got Dataset and Sequential"):
        training.fit(few, linear())
    with pytest.raises(InputError, match=r"evaluate takes a .* got Sequential and tuple"):
        training.evaluate(linear(), (few.test_images, few.test_labels))


def test_a_softmax_at_the_end_is_warned_of(few):
    with pytest.warns(WorkbenchWarning, match="ends with a softmax.*leave it out") as told:
        short(nn.Sequential(*linear(), nn.Softmax(dim=1)), few, epochs=1)
    assert told[0].filename == __file__


def test_a_network_that_fit_did_not_train_has_no_history():
    with pytest.raises(InputError, match=r"Sequential was not trained by training\.fit"):
        training.history(linear())


@pytest.mark.parametrize("classes", [8, 5])
def test_evaluate_gives_every_part_its_own_mode_back(few, classes):
    network = nn.Sequential(nn.BatchNorm2d(3), *linear(classes))
    network[0].eval()  # frozen
    if classes == 8:
        training.evaluate(network, few)
    else:
        with pytest.raises(InputError, match="one for each of 8 classes"):
            training.evaluate(network, few)
    assert [part.training for part in network.modules()] == [True, False, True, True]


# What is seen


def test_a_terminal_gets_a_progress_bar_that_goes_away(few, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    short(linear(), few)
    assert "training: 100%" in screen.getvalue()
    assert "accuracy=" in screen.getvalue()
    assert screen.getvalue().endswith("\r")  # and the line is blank


def test_a_notebook_gets_one_curve_that_is_redrawn_after_each_epoch(few, monkeypatch):
    shown: list[str] = []

    class Handle:
        def update(self, record: training.History) -> None:
            shown.append(f"redrawn {len(record.losses)}")

    def display(record: training.History, *, display_id: bool) -> Handle:
        assert display_id
        assert "<svg" in record._repr_html_()
        shown.append(f"drawn {len(record.losses)}")
        return Handle()

    import IPython.display

    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", display)
    short(linear(), few, epochs=3)
    assert shown == ["drawn 1", "redrawn 2", "redrawn 3"]


def test_the_curve_is_sound_svg_that_names_its_figures():
    from xml.etree import ElementTree as ET

    record = training.History([2.0, 0.5], [0.25, 0.75])
    drawing = ET.fromstring(record._repr_html_())
    assert drawing.get("aria-label") == "Training curve after 2 epochs: loss 0.500, validation accuracy 75.0%"
    lines = [line.get("points").split() for line in drawing.iter("{http://www.w3.org/2000/svg}polyline")]
    (loss_then, loss_now), (accuracy_then, accuracy_now) = (
        [float(point.split(",")[1]) for point in line] for line in lines
    )
    assert loss_then < loss_now  # y grows downwards
    assert accuracy_then > accuracy_now
    ET.fromstring(training.History()._repr_html_())
    assert str(training.History()) == "no epoch finished"


# What it leaves for the export


def test_open_model_needs_nothing_else_after_fit(trained, pictures, tmp_path):
    model = open_model(trained)
    assert [str(value) for value in (*model.inputs, *model.outputs)] == [
        "image: float32 (N, 3, 32, 32)",
        "logits: float32 (N, 8)",
    ]
    model.save(tmp_path / "signs.onnx")
    reloaded = open_model(tmp_path / "signs.onnx")
    assert reloaded.labels == pictures.labels
    assert reloaded.preprocessing == pictures.preprocessing


def test_a_trained_network_can_be_copied_and_pickled(trained, tmp_path):
    torch.save(copy.deepcopy(trained), tmp_path / "network.pt")
    again = torch.load(tmp_path / "network.pt", weights_only=False)
    assert same(weights(again), weights(trained))
    assert str(training.history(again)) == str(training.history(trained))
    np.testing.assert_array_equal(list(trained.state_dict()), list(again.state_dict()))
