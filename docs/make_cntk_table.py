"""Write docs/cntk.md: which of CNTK's operators and layers evaluate, export, load natively and have gradients.

Nothing is claimed: every recorded case of tests/cntk/recorded is built, evaluated, exported, loaded from the native
file of the real CNTK 2.7 and differentiated here, and each cell says how many of its cases gave the real one's answers.

    python docs/make_cntk_table.py
"""

from __future__ import annotations

import collections
import importlib.util
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import cntk_recorded_models as models  # noqa: E402

import onnx_workbench.cntk as C  # noqa: E402, N812

HEADER = """# CNTK's operators and layers

`python docs/make_cntk_table.py` wrote this page by comparing `onnx_workbench.cntk` with what the real CNTK 2.7 computed
(`tests/cntk/recorded`). Each cell counts the cases that agree among those recorded: float32 outputs within rtol 1e-4
and atol 1e-5, float64 outputs and gradients within 1e-9. A dash means that nothing was recorded.

- **evaluates**: built by our front and run by onnxruntime (float32), and (float64).
- **exports**: saved as ONNX that onnx's checker accepts and onnxruntime runs to the same answers.
- **loads natively**: the real CNTK's own file, opened and evaluated.
- **gradients**: of inputs and parameters, float64.

| operator or layer | evaluates | float64 | exports | loads natively | gradients |
| --- | --- | --- | --- | --- | --- |
"""


def agree(found, wanted, dtype) -> bool:
    """Tell whether outputs are the recorded ones."""
    rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-9, 1e-9)
    if len(found) != len(wanted):
        return False
    for value, pieces in zip(found, wanted, strict=True):
        own = list(value) if isinstance(value, list) else [value]
        if len(own) != len(pieces):
            return False
        for one, other in zip(own, pieces, strict=True):
            if np.shape(one) != other.shape or not np.allclose(
                one, other, rtol=rtol, atol=atol, equal_nan=True
            ):
                return False
    return True


def computed(model, one, dtype) -> list:
    """Evaluate a model on the case's values; outputs in order."""
    feed = models.cases.values_of(one, dtype)
    values = model.eval({variable: feed[variable.name] for variable in model.arguments})
    return [values[output] for output in model.outputs] if isinstance(values, dict) else [values]


def evaluates(one, dtype_name) -> bool:
    """Tell whether our front computes what was recorded."""
    dtype = np.dtype(dtype_name).type
    model = models.cases.model_of(one, C, dtype)
    return agree(computed(model, one, dtype), models.recorded(one.name, dtype_name, "output"), dtype_name)


def exports(one, folder) -> bool:
    """Tell whether the saved ONNX passes the checker and computes the same in onnxruntime."""
    import onnx
    import onnxruntime

    model = models.cases.model_of(one, C, np.float32)
    path = folder / "model.onnx"
    model.save(path, format=C.ModelFormat.ONNX)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = models.cases.values_of(one, np.float32)
    wanted = models.recorded(one.name, "float32", "output")
    names = [value.name for value in session.get_inputs()]
    sequences = any(isinstance(value, list) for value in feed.values())
    runs = (
        range(len(next(value for value in feed.values() if isinstance(value, list)))) if sequences else [None]
    )
    for run in runs:
        fed = {name: _fed(feed[name], run, session.get_inputs()[i].shape) for i, name in enumerate(names)}
        for output, pieces in zip(session.run(None, fed), wanted, strict=True):
            expected = pieces[run] if run is not None and len(pieces) > 1 else pieces[0]
            if run is not None and len(pieces) == 1:
                expected = expected[run]
            if output.size != expected.size or not np.allclose(
                output.ravel(), expected.ravel(), rtol=1e-4, atol=1e-5
            ):
                return False
    return True


def _fed(value, run, shape):
    if run is None:
        return value
    if isinstance(value, list):
        one = value[run]
        return one[None] if len(shape) == one.ndim + 1 else one
    return value[run : run + 1]


def loads(one, archive, folder) -> bool:
    """Tell whether the native file of the real CNTK is opened and computes what was recorded."""
    path = folder / "file.model"
    path.write_bytes(archive.read(f"{one.name}.model"))
    model = C.load_model(str(path))
    return agree(computed(model, one, np.float32), models.recorded(one.name, "float32", "output"), "float32")


def differentiates(one) -> bool:
    """Tell whether gradients are the recorded ones."""
    model = models.cases.model_of(one, C, np.float64)
    feed = models.cases.values_of(one, np.float64)
    wanted = [*model.arguments, *model.parameters]
    found = model.grad({variable: feed[variable.name] for variable in model.arguments}, wrt=wanted)
    found = found if isinstance(found, dict) else {wanted[0]: found}
    return agree(
        [found[variable] for variable in wanted], models.recorded(one.name, "float64", "gradient"), "float64"
    )


def tried(question, *arguments) -> bool:
    """Ask, and take an error of any kind for a no: this is a survey."""
    try:
        return bool(question(*arguments))
    except Exception:  # noqa: BLE001
        return False


def survey() -> dict[str, dict[str, list[bool]]]:
    """Ask everything of every case; return answers by operator and column."""
    rows: dict[str, dict[str, list[bool]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    with (
        zipfile.ZipFile(models.FOLDER / "models.zip") as archive,
        tempfile.TemporaryDirectory() as name,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        folder = Path(name)
        for one in models.cases.CASES.values():
            row = rows[one.covers]
            if not models.recorded(one.name, "float32", "output"):
                continue
            row["evaluates"].append(tried(evaluates, one, "float32"))
            if models.recorded(one.name, "float64", "output"):
                row["float64"].append(tried(evaluates, one, "float64"))
            row["exports"].append(tried(exports, one, folder))
            row["loads"].append(tried(loads, one, archive, folder))
            if models.recorded(one.name, "float64", "gradient"):
                row["gradients"].append(tried(differentiates, one))
    return rows


def cell(answers: list[bool]) -> str:
    """Say how many agree of how many."""
    return f"{sum(answers)} of {len(answers)}" if answers else "-"


def page(rows: dict[str, dict[str, list[bool]]]) -> str:
    """Lay out the table, operators first."""
    lines = []
    for name in sorted(rows, key=lambda name: (name.startswith("layers."), name)):
        cells = [
            cell(rows[name][column]) for column in ("evaluates", "float64", "exports", "loads", "gradients")
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    small = programs(PROGRAMS, ("python", "criteria")) + programs(STEPS, ("step",))
    return HEADER + "\n".join(lines) + "\n" + small + learners()


PROGRAMS = """
## Operators computed in Python

What ONNX has no words for is computed between pieces of the graph: random numbers (the very numbers of CNTK), dropout
and batch normalisation in training, operators that users write, assignments, edit distances, ranks, temporal
classification. Each line counts the answers of a small program, its gradients among them, that agree with those of the
real CNTK 2.7 within 2e-5.

| program | answers that agree |
| --- | --- |
"""


LEARNERS = """
## Learners

Each learner is given the same gradients as the real CNTK 2.7, 14 minibatches of different sizes, with schedules, units
of rates, clipping, regularisation and noise. Each line counts the calls after each of whose steps all parameters agree:
in float32 within 1e-4, in float64 within 1e-9.

| learner | float32 | float64 |
| --- | --- | --- |
"""


def recorded_script(name):
    """Return a module of the recorded answers' folder."""
    spec = importlib.util.spec_from_file_location(f"recorded_{name}", models.FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def learners() -> str:
    """Run the calls of learner_cases.py, and lay out how many take the recorded steps."""
    cases, answers = recorded_script("learner_cases"), np.load(models.FOLDER / "learner_answers.npz")
    cells = collections.defaultdict(lambda: {"float32": [], "float64": []})
    for key in answers.files:
        name, dtype, part = key.split("|")
        if part == "rates":
            rtol = 1e-4 if dtype == "float32" else 1e-9
            found = cases.course(C, name, np.dtype(dtype).type)["values"]
            good = np.allclose(found, answers[f"{name}|{dtype}|values"], rtol=rtol, atol=rtol / 100)
            cells[name.partition("/")[0].partition("_")[0]][dtype].append(good)
    C.cntk_py.reset_random_seed(0)
    called = {"momentum": "momentum_sgd", "adamax": "adam(adamax=True)"}
    lines = [
        f"| `{called.get(name, name)}` | {cell(one['float32'])} | {cell(one['float64'])} |"
        for name, one in sorted(cells.items())
    ]
    return LEARNERS + "\n".join(lines) + "\n"


STEPS = """
## Layers on the steps of sequences

Layers that change how many steps there are, begin with given states, or convolve along the steps. Each line counts the
answers of a small program, its gradients among them, that agree with those of the real CNTK 2.7 within 2e-5.

| program | answers that agree |
| --- | --- |
"""


def programs(header: str, files: tuple[str, ...]) -> str:
    """Run the programs of some files of cases, and lay out how many answers are the recorded ones."""
    lines = {}
    for file in files:
        module = recorded_script(f"{file}_cases")
        answers = np.load(models.FOLDER / f"{file}_answers.npz")
        for name, program in module.CASES.items():
            wanted = {
                key.partition("/")[2]: answers[key] for key in answers.files if key.startswith(f"{name}/")
            }
            found = program(C)
            good = [
                np.shape(found.get(part)) == value.shape
                and np.allclose(found[part], value, rtol=2e-5, atol=2e-6)
                for part, value in wanted.items()
            ]
            lines[name] = f"| {name.replace('_', ' ')} | {cell(good)} |"
    return header + "\n".join(lines[name] for name in sorted(lines)) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "cntk.md").write_text(page(survey()), encoding="utf-8")
