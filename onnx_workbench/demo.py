"""The full flow in one call: train, export, check, save, reload, classify, and a page that shows it."""

from __future__ import annotations

import html
import io
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from onnx_workbench.analysis.classification import classify
from onnx_workbench.analysis.mistakes import MISTAKES, prepare
from onnx_workbench.analysis.parity import check_parity
from onnx_workbench.analysis.predictions import Predictions
from onnx_workbench.analysis.summary import summarize
from onnx_workbench.core.errors import InputError
from onnx_workbench.core.files import made_folder, write_atomic
from onnx_workbench.core.formatting import format_bytes, format_duration, html_table, text_table
from onnx_workbench.core.model import Model
from onnx_workbench.sources.open import open_model
from onnx_workbench.training.dataset import Dataset
from onnx_workbench.training.fitting import evaluate, fit, history
from onnx_workbench.training.networks import small_convnet
from onnx_workbench.training.road_signs import signs
from onnx_workbench.views.view import view

PICTURES = 16
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } td, th { padding: 2px 12px 2px 0; text-align: left; }
.graph svg { max-width: 100%; height: auto; } img { max-width: 100%; }
.bar { display: inline-block; height: 12px; background: #4878a8; margin-right: 8px; vertical-align: middle; }
"""


@dataclass
class DemoReport:
    """What the demo found: accuracies from 0 to 1 on unseen signs, times in seconds, memory in bytes."""

    folder: str
    pytorch_accuracy: float = 0.0
    onnx_accuracy: float = 0.0
    parity: float = 0.0
    mistakes: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    files: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self)

    def closing(self) -> str:
        """Return the findings as text."""
        accuracies = [
            ("PyTorch", f"{self.pytorch_accuracy:.1%}"),
            ("the ONNX file, reloaded", f"{self.onnx_accuracy:.1%}"),
        ]
        mistakes = [(name, f"{value:.1%}") for name, value in self.mistakes.items()]
        memory = f"; at most {format_bytes(self.peak_bytes)} of memory" if self.peak_bytes else ""
        folder = Path(self.folder)
        call = (_command(), "classify", str(folder / "signs.onnx"), str(folder / "pictures"))
        return "\n".join(
            (
                "",
                text_table(accuracies, header=("accuracy on unseen signs", ""), right=" r"),
                "",
                text_table(mistakes, header=("the same file, fed wrong pictures", ""), right=" r"),
                "",
                f"{format_duration(sum(self.seconds.values()))} in all{memory}.",
                f"Wrote {', '.join(self.files)} to {folder}/. Look at {folder / 'report.html'} first.",
                f"Try:  {shlex.join(call)}",
            )
        )


def run_demo(folder: Path, *, threads: int | None = None, quiet: bool = False) -> DemoReport:
    """Run the full flow on the road signs, and write what it made into a folder.

    Parameters
    ----------
    folder
        Made if it is not there; files of an earlier run are replaced.
    threads
        Threads for the training; None leaves torch's choice.
    quiet
        Tell nothing on the way.

    Returns
    -------
    DemoReport
        Accuracies, times and files.

    Raises
    ------
    InputError
        If there is a file where the folder should be.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file: the demo writes into a folder. Name another.")
    made_folder(folder)
    report = DemoReport(str(folder))
    say: Callable[[str], None] = (lambda _text: None) if quiet else _say

    with _timed(report, "draw", say, "Drawing road signs"):
        data = signs()
    with _timed(report, "train", say, f"Training a small network on {len(data.train_images):,} of them"):
        network = fit(small_convnet(data), data, threads=threads)
    say(f"  {history(network)}")
    with _timed(report, "export", say, "Exporting to ONNX, and comparing with PyTorch at three batch sizes"):
        exported = open_model(network, example_inputs=data.example, input_names=["image"])
        parity = check_parity(exported, network, data.example)
        exported.save(folder / "signs.onnx")
    report.parity = parity.largest_difference
    say(f"  largest difference {report.parity:.1e}")
    with _timed(
        report, "classify", say, f"Reloading the file, and classifying {len(data.test_images):,} unseen signs"
    ):
        model = open_model(folder / "signs.onnx")
        report.pytorch_accuracy = evaluate(network, data)
        predictions = classify(model, data.test_images)
        report.onnx_accuracy = predictions.accuracy(data.test_labels)
        report.mistakes = accuracy_by_mistake(model, data)
    with _timed(report, "draw the graph", say, "Drawing the graph, and writing the report"):
        picture = view(model)
        picture.save(folder / "graph.svg")
        _write_pictures(data, folder / "pictures")
        report.peak_bytes = _peak_bytes()
        shown = classify(model, data.test_images[:PICTURES], top=3)
        write_atomic(folder / "report.html", _page(report, model, data, shown, picture.svg()))
    report.files = ["signs.onnx", "graph.svg", "report.html", "pictures/"]
    return report


def accuracy_by_mistake(model: Model, data: Dataset) -> dict[str, float]:
    """Return a classifier's accuracy on test pictures that are prepared right, and wrong in the usual ways."""

    def accuracy(*mistakes: str) -> float:
        batch = prepare(data.preprocessing, data.test_images, mistakes)
        return classify(model, batch).accuracy(data.test_labels)

    return {"right": accuracy(), **{mistake.title: accuracy(name) for name, mistake in MISTAKES.items()}}


def _command() -> str:
    """Return how to call the workbench in this terminal: by name, or by path while its environment is not active."""
    return (
        "onnx-workbench"
        if shutil.which("onnx-workbench")
        else os.path.relpath(Path(sys.executable).parent / "onnx-workbench")
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _timed(report: DemoReport, name: str, say: Callable[[str], None], text: str) -> Iterator[None]:
    say(f"{text} ...")
    start = time.perf_counter()
    yield
    report.seconds[name] = time.perf_counter() - start


def _peak_bytes() -> int:
    """Return the largest resident memory of this process so far; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss may be that of the process which started this one
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _write_pictures(data: Dataset, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(data.test_images[:PICTURES]):
        label = data.labels[data.test_labels[index]].replace(" ", "_")
        content = io.BytesIO()
        Image.fromarray(image).save(content, "PNG")
        write_atomic(folder / f"{index:02d}_{label}.png", content.getvalue())


def _page(report: DemoReport, model: Model, data: Dataset, shown: Predictions, graph: str) -> str:
    """Return the report as one HTML page that needs no other file."""
    bars = "".join(
        f"<tr><td>{html.escape(name)}</td><td><span class='bar' style='width:{300 * value:.0f}px'></span>"
        f"{value:.1%}</td></tr>"
        for name, value in report.mistakes.items()
    )
    times = [(name, format_duration(seconds)) for name, seconds in report.seconds.items()]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>ONNX Workbench: the full flow</title>
<style>{_STYLE}</style></head><body>
<h1>The full flow: PyTorch, ONNX, and back to pictures</h1>
<p>A small network was trained on road signs, exported to <code>signs.onnx</code>, reloaded, and run on
{len(data.test_images):,} signs that it had never seen. PyTorch has {report.pytorch_accuracy:.1%} of them right, the
ONNX file {report.onnx_accuracy:.1%}. Their outputs differ by {report.parity:.1e} at most.</p>
<h2>What it said of {len(shown)} of them</h2>{shown._repr_html_()}
<h2>The same file, fed wrong pictures</h2>
<p>No error, no warning: the numbers go in, and wrong answers come out. Chance is {1 / len(data.labels):.1%}.</p>
<table>{bars}</table>
<h2>The graph</h2><div class="graph">{graph}</div>
<h2>Summary</h2>{summarize(model)._repr_html_()}
<h2>Time</h2>{html_table(times)}
</body></html>
"""
