"""The verbs in a terminal: what they print, what they write, how they fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from tiny_models import convnet, dense, model

from onnx_workbench import training
from onnx_workbench.cli.main import main
from onnx_workbench.cli.options import GRAPH_SUFFIXES
from onnx_workbench.core.provenance import module_path
from onnx_workbench.runtime.session import Session
from onnx_workbench.sources.open import open_model
from onnx_workbench.training.shipped_model import SIGNS_MODEL

SIGNS = str(SIGNS_MODEL)
VERBS = (
    *("demo", "summary", "classify", "run", "preflight", "trace", "compare", "profile", "doctor"),
    *("view", "convert", "export-graph"),
)
STEPS = '{"size": [8, 8]}'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Give each test a folder of its own to work in, with a few models and arrays."""
    monkeypatch.chdir(tmp_path)
    onnx.save(dense(), "dense.onnx")
    onnx.save(convnet(), "convnet.onnx")
    two = model(
        "two (float[N,4] x, int64[N] k) => (float[N,4] file, int64[N] y) { file = Relu(x) y = Neg(k) }"
    )
    onnx.save(two, "two.onnx")
    np.save("x.npy", np.arange(32, dtype=np.float32).reshape(2, 16))
    return tmp_path


@pytest.fixture
def sign(folder) -> str:
    data = training.signs(8, 8)
    Image.fromarray(data.test_images[0]).save("sign.png")
    return data.labels[data.test_labels[0]]


class Ran:
    """What a call of the CLI gave."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def facts(self) -> dict:
        """The one JSON object that was printed; NaN, which JSON has not, is refused."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def cli(capsys):
    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return call


# Every verb


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_names_all_its_arguments(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: onnx-workbench {verb}" in text
    assert "--json" in text


def test_help_lists_every_verb_and_the_version_is_told(capsys):
    for option in ("--help", "--version"):
        with pytest.raises(SystemExit) as ended:
            main([option])
        assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)
    assert text.splitlines()[-1].startswith("onnx-workbench 0.")


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["summary"], ["run", "m", "--random", "x"], ["view", "m", "--no"]]
)
def test_wrong_arguments_end_with_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: onnx-workbench" in capsys.readouterr().err


def test_a_misspelt_verb_is_answered_with_the_likeliest_and_an_unlike_one_with_all(capsys):
    for word, answer in (("sumary", "Did you mean summary?"), ("xyzzy", "There are demo, summary, ")):
        with pytest.raises(SystemExit) as ended:
            main([word, "dense.onnx"])
        assert ended.value.code == 2
        assert f"error: there is no verb {word!r}. {answer}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary", "nowhere.onnx"],
        ["classify", "nowhere.onnx", "sign.png"],
        ["run", "nowhere.onnx", "--random", "0"],
        ["view", "nowhere.onnx"],
        ["convert", "nowhere.onnx", "new.onnx"],
        ["export-graph", "nowhere.onnx", "graph.svg"],
    ],
)
def test_a_model_that_is_not_there_fails_with_a_sentence_or_with_json(cli, arguments, folder):
    before = sorted(folder.iterdir())
    plain = cli(*arguments)
    assert (plain.code, plain.out) == (2, "")
    assert plain.err.startswith("onnx-workbench: There is no file 'nowhere.onnx'")
    assert "convnet.onnx" in plain.err  # what is there instead
    told = cli(*arguments, "--json")
    assert (told.code, told.err) == (2, "")
    assert told.facts["error"]["type"] == "ModelNotFoundError"
    assert f"onnx-workbench: {told.facts['error']['message']}\n" == plain.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_ctrl_c_ends_with_130(cli, monkeypatch, form):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("onnx_workbench.analysis.summary.summarize", interrupted)
    ran = cli("summary", "dense.onnx", *form)
    assert ran.code == 130
    assert "stopped" in (ran.facts["error"]["message"] if form else ran.err)


def test_a_lack_of_memory_is_a_sentence(cli, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("onnx_workbench.analysis.summary.summarize", full)
    assert cli("summary", "dense.onnx").err == "onnx-workbench: There is not enough memory for this.\n"


# summary


def test_summary_prints_what_the_model_holds(cli):
    ran = cli("summary", SIGNS)
    assert ran.code == 0
    assert "image: float32 (N, 3, 32, 32)" in ran.out
    assert "stop, no entry, yield" in ran.out


def test_summary_counts_at_the_size_asked_for(cli):
    facts = [cli("summary", "dense.onnx", "--json", "--dimension", f"N={size}").facts for size in (1, 5)]
    assert [found["macs"] for found in facts] == [16 * 64, 5 * 16 * 64]
    assert facts[0]["parameters"] == 16 * 64


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ("N=0", "--dimension takes whole numbers above 0, of 18 digits at most; got 0"),
        ("N=-2", "; got -2"),
        ("N=²", "; got ²"),
        ("N=99999999999999999999", "; got 99999999999999999999"),
        ("N", "--dimension is given as NAME=VALUE, each name once; got N"),
        ("Q=2", "No input has a dimension Q; symbolic are: N."),
    ],
)
@pytest.mark.parametrize("verb", [["summary"], ["run", "--random", "0"]], ids=["summary", "run"])
def test_dimensions_that_make_no_sense_are_told(cli, verb, dimension, message):
    ran = cli(*verb, "dense.onnx", "--dimension", dimension)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


# classify


def test_classify_needs_nothing_but_model_and_picture(cli, sign):
    ran = cli("classify", SIGNS, "sign.png", "--top", "2")
    assert ran.code == 0
    assert ran.out.startswith(f"sign.png  {sign} ")
    top = cli("classify", SIGNS, "sign.png", "--top", "2", "--json").facts["predictions"][0]["top"]
    assert top[0]["label"] == sign
    assert len(top) == 2
    assert 1 >= top[0]["probability"] >= top[1]["probability"] >= 0


def test_one_bad_picture_does_not_lose_the_others(cli, sign, folder):
    Path("broken.png").write_bytes(b"junk")
    ran = cli("classify", SIGNS, "broken.png", "sign.png", "missing.png")
    assert ran.code == 1
    assert ran.out.startswith(f"sign.png  {sign} ")
    assert ran.err.count("onnx-workbench: broken.png: The picture") == 1
    assert "missing.png" in ran.err
    facts = cli("classify", SIGNS, "broken.png", "sign.png", "missing.png", "--json").facts
    assert [entry["picture"] for entry in facts["predictions"]] == ["sign.png"]
    assert sorted(facts["errors"]) == ["broken.png", "missing.png"]


def test_a_folder_tells_each_bad_picture_once(cli, sign, folder):
    (folder / "my pictures é").mkdir()
    shutil.move("sign.png", folder / "my pictures é" / "a b.png")
    (folder / "my pictures é" / "broken.png").write_bytes(b"junk")
    ran = cli("classify", SIGNS, "my pictures é")
    assert ran.out.startswith(f"a b.png  {sign} ")
    assert (ran.out + ran.err).count("cannot be read as a picture") == 1


def test_without_one_good_picture_the_reason_is_the_error(cli):
    Path("broken.png").write_bytes(b"junk")
    assert cli("classify", SIGNS, "broken.png", "--json").facts["error"]["type"] == "ImageError"


def test_a_model_that_says_nothing_of_pictures_gets_it_from_options(cli, sign):
    silent = cli("classify", "convnet.onnx", "sign.png")
    assert silent.code == 2
    assert "(image: float32 (N, 3, 8, 8))" in silent.err
    assert "--preprocessing '{" in silent.err
    assert "onnx-workbench convert" in silent.err
    assert """'{"size": [8, 8], "mean": [0.485, """ in silent.err  # of the model's own size
    Path("steps.json").write_text(STEPS)
    Path("names.txt").write_text("ant\n\nbee\n cow \ndog\n", encoding="utf-8")
    for steps in (STEPS, "steps.json"):
        ran = cli(
            "classify",
            "convnet.onnx",
            "sign.png",
            "--preprocessing",
            steps,
            "--labels",
            "names.txt",
            "--json",
        )
        labels = {entry["label"] for entry in ran.facts["predictions"][0]["top"]}
        assert labels == {"ant", "bee", "cow", "dog"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preprocessing", '{"size": [8,'], "is a JSON object such as"),
        (["--preprocessing", "[8, 8]"], "is a JSON object, with the fields of Preprocessing"),
        (["--preprocessing", "{" * 3 + "}" * 3], "is a JSON object such as"),
        (["--preprocessing", '{"colour": "RGB"}'], "Preprocessing has no 'colour'. It has color"),
        (["--preprocessing", "nowhere.json"], "--preprocessing: 'nowhere.json' cannot be read: No such file"),
        (["--preprocessing", "x.npy"], "--preprocessing: 'x.npy' is no text in UTF-8"),
        (["--preprocessing", STEPS, "--labels", "latin.txt"], "--labels: 'latin.txt' is no text in UTF-8"),
        (["--preprocessing", STEPS, "--labels", "."], "--labels: '.' cannot be read: Is a directory"),
        (
            ["--preprocessing", STEPS, "--labels", "one.txt"],
            "labels has 1 names, and the model gives 4 classes",
        ),
        (["--preprocessing", STEPS, "--top", "0"], "top is the number of classes to show, from 1; got 0"),
    ],
)
def test_options_that_make_no_sense_are_told(cli, sign, options, message):
    Path("latin.txt").write_bytes("café".encode("latin-1"))
    Path("one.txt").write_text("one")
    ran = cli("classify", "convnet.onnx", "sign.png", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_nan_is_null_in_json_and_warned_of_in_a_sentence(cli, sign):
    broken = convnet()
    broken.graph.initializer[2].raw_data = np.full((16, 4), np.nan, np.float32).tobytes()
    onnx.save(broken, "nan.onnx")
    ran = cli("classify", "nan.onnx", "sign.png", "--preprocessing", STEPS, "--json")
    assert {entry["probability"] for entry in ran.facts["predictions"][0]["top"]} == {None}
    assert ran.err == "onnx-workbench: The model's output holds NaN or infinities for 1 of 1 pictures.\n"


# run


def expected() -> np.ndarray:
    weights = onnx.numpy_helper.to_array(dense().graph.initializer[0])
    return np.load("x.npy") @ weights


@pytest.mark.parametrize("given", ["x.npy", "x=x.npy", "x=a=b.npy", "a=b.npy", "all.npz"])
def test_run_takes_arrays_from_files_and_writes_its_outputs(cli, given):
    shutil.copy("x.npy", "a=b.npy")
    np.savez("all.npz", x=np.load("x.npy"))
    ran = cli("run", "dense.onnx", "--input", given, "--output", "out.npz", "--json")
    (row,) = ran.facts["outputs"]
    assert (row["output"], row["dtype"], row["shape"], row["nan"]) == ("y", "float32", [2, 64], 0)
    assert row["max"] == pytest.approx(expected().max(), rel=1e-4)
    with np.load("out.npz") as written:
        np.testing.assert_allclose(written["y"], expected(), rtol=1e-4, atol=1e-4)


def test_run_prints_a_table_of_outputs(cli):
    ran = cli("run", "two.onnx", "--random", "0", "--dimension", "N=3")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["output", "------", "file", "y"]
    assert "(3, 4)" in ran.out


def test_a_run_in_a_process_of_its_own_gives_the_same(cli):
    arguments = ("run", "dense.onnx", "--input", "x.npy")
    assert cli(*arguments, "--isolated").out == cli(*arguments).out


@pytest.mark.parametrize("verb", ["trace", "preflight", "profile"])
def test_other_verbs_work_in_a_process_of_its_own_too(cli, verb, monkeypatch):
    asked = []

    def noted(*arguments: object, **options: object) -> Session:
        asked.append(options["isolated"])
        return Session(*arguments, **options)

    monkeypatch.setattr("onnx_workbench.cli.options.Session", noted)
    here = cli(verb, "dense.onnx", "--input", "x.npy")
    assert not asked
    there = cli(verb, "dense.onnx", "--input", "x.npy", "--isolated")
    assert asked == [True]
    assert (there.code, there.err) == (0, "")
    if verb == "profile":  # no two runs take the same time
        assert there.out.splitlines()[0] == here.out.splitlines()[0]
    else:
        assert there.out == here.out


def test_random_inputs_go_by_their_seed(cli):
    first, second, other = (cli("run", "dense.onnx", "--random", seed).out for seed in (1, 1, 2))
    assert first == second != other


def test_an_output_may_be_a_sequence(cli):
    onnx.save(
        model("s (float[N] x) => (seq(float[N]) parts) { parts = SequenceConstruct(x, x) }"), "parts.onnx"
    )
    assert cli("run", "parts.onnx", "--random", "0", "--output", "parts.npz").code == 0
    assert np.load("parts.npz").files == ["parts[0]", "parts[1]"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Give the inputs with --input NAME=FILE.npy, or --random SEED. The model takes x: float32"),
        (["--input", "y=x.npy"], "The model has no input 'y'; its inputs are: 'x'"),
        (["--input", "x=nowhere.npy"], "The input 'nowhere.npy' cannot be read: No such file"),
        (["--input", "wide.npy"], "got (16, 2)"),
        (["--random", "-3"], "a whole number from 0; got -3"),
        (["--random", "0", "--output", "."], "'.' is a folder: give the name of a file in it"),
        (["--random", "0", "--output", "no/out.npz"], "There is no folder 'no' to write 'out.npz' into"),
    ],
)
def test_inputs_that_do_not_fit_are_told(cli, options, message):
    np.save("wide.npy", np.zeros((16, 2), np.float32))
    ran = cli("run", "dense.onnx", *options)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


# view and export-graph


def test_view_prints_the_nodes_and_as_json_onnxs_own_text_form(cli):
    assert "MatMul" in cli("view", "dense.onnx").out
    text = cli("view", "dense.onnx", "--json").facts["text"]
    assert [node.op_type for node in onnx.parser.parse_model(text).graph.node] == ["MatMul"]


@pytest.mark.parametrize("suffix", GRAPH_SUFFIXES)
@pytest.mark.parametrize("verb", ["view", "export-graph"])
def test_the_graph_is_written_as_its_name_says(cli, verb, suffix):
    target = f"my graph é{suffix}"
    ran = cli(verb, "dense.onnx", *(["--output", target] if verb == "view" else [target]), "--json")
    assert ran.facts == {"written": target}
    head = {".svg": b"<svg", ".png": b"\x89PNG", ".html": b"<!DOCTYPE html>", ".txt": b"<"}[suffix]
    assert Path(target).read_bytes().startswith(head)


@pytest.mark.parametrize("verb", ["view", "convert"])
def test_a_name_too_long_for_the_disk_is_a_sentence(cli, verb):
    name = "a" * 300 + {"view": ".svg", "convert": ".onnx"}[verb]
    ran = cli(verb, "dense.onnx", *(["--output"] if verb == "view" else []), name)
    assert (ran.code, ran.out) == (2, "")
    assert "' cannot be written: File name too long." in ran.err


@pytest.mark.parametrize("target", ["graph.gif", "graph", "no/graph.svg"])
@pytest.mark.parametrize("verb", ["view", "export-graph"])
def test_another_ending_or_folder_writes_nothing(cli, folder, verb, target):
    before = sorted(folder.iterdir())
    ran = cli(verb, "dense.onnx", *(["--output", target] if verb == "view" else [target]))
    assert ran.code == 2
    assert ("written as .svg, .png, .html, .txt; got" in ran.err) != ("no folder 'no'" in ran.err)
    assert sorted(folder.iterdir()) == before


def test_view_opens_a_page_in_the_browser(cli, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    ran = cli("view", "dense.onnx", "--browser")
    (address,) = opened
    assert address.startswith("file:///")
    assert address.endswith("/graph.html")
    assert (
        Path(ran.out.removeprefix("Wrote ").strip()).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    )


def test_values_kept_and_a_file_to_write_them_to_belong_together(cli, folder):
    before = sorted(folder.iterdir())
    for given, missing in ((["--keep", "y"], "--output FILE.npz"), (["--output", "y.npz"], "--keep VALUE")):
        ran = cli("trace", "dense.onnx", *given)
        assert (ran.code, ran.out) == (2, "")
        assert missing in ran.err
    assert sorted(folder.iterdir()) == before


# convert


def test_convert_joins_external_data_and_adds_what_the_file_lacks(cli, sign):
    onnx.save(convnet(), "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=0)
    Path("names.txt").write_text("ant\nbee\ncow\ndog\n")
    ran = cli(
        "convert", "apart.onnx", "one file.onnx", "--labels", "names.txt", "--preprocessing", STEPS, "--json"
    )
    assert ran.facts == {"written": "one file.onnx"}
    Path("apart.data").unlink()
    whole = onnx.load("one file.onnx", load_external_data=False)
    for before, after in zip(convnet().graph.initializer, whole.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(before), onnx.numpy_helper.to_array(after))
    top = cli("classify", "one file.onnx", "sign.png", "--json").facts["predictions"][0]["top"]
    assert {entry["label"] for entry in top} == {"ant", "bee", "cow", "dog"}


def test_convert_takes_provenance_from_the_original_of_a_changed_file(cli):
    original = convnet()
    for node in original.graph.node:
        node.name = f"/features/{node.op_type}"
    onnx.save(original, "original.onnx")
    assert cli("convert", "convnet.onnx", "noted.onnx", "--provenance-of", "original.onnx").code == 0
    assert {module_path(node) for node in open_model("noted.onnx").nodes} == {("features",)}
    assert cli("convert", "dense.onnx", "no.onnx", "--provenance-of", "convnet.onnx").code == 2


def test_convert_can_put_the_weights_apart(cli):
    assert cli("convert", "dense.onnx", "apart.onnx", "--external-data").code == 0
    assert Path("apart.onnx.data").stat().st_size == 16 * 64 * 4
    onnx.checker.check_model("apart.onnx")


def test_a_missing_second_file_is_warned_of_without_a_line_of_our_code(cli):
    onnx.save(dense(), "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=0)
    Path("apart.data").unlink()
    ran = cli("summary", "apart.onnx")
    assert ran.code == 0
    assert ran.err.startswith("onnx-workbench: The weights of")
    assert ".py" not in ran.err


def test_a_failed_convert_leaves_the_old_file(cli):
    shutil.copy("dense.onnx", "old.onnx")
    Path("cut.onnx").write_bytes(Path("dense.onnx").read_bytes()[:-50])
    assert cli("convert", "cut.onnx", "old.onnx").code == 2
    assert Path("old.onnx").read_bytes() == Path("dense.onnx").read_bytes()


# As a program


def program(*arguments: str, **options) -> subprocess.CompletedProcess:
    script = Path(sys.executable).with_name("onnx-workbench")
    return subprocess.run([str(script), *arguments], capture_output=True, text=True, check=False, **options)


def test_the_installed_program_runs_in_a_plain_terminal():
    ran = program("summary", SIGNS, env={"PYTHONIOENCODING": "ascii", "PATH": ""})
    assert ran.returncode == 0
    assert ran.stderr == ""
    assert "parameters" in ran.stdout


@pytest.mark.parametrize("seen", [0, 1], ids=["gone before the first word", "gone in the middle"])
def test_a_reader_that_has_seen_enough_is_no_error(seen):
    nodes = " ".join(f"x{i + 1} = Relu(x{i})" for i in range(4000))
    onnx.save(model(f"long (float[N] x0) => (float[N] x4000) {{ {nodes} }}"), "long.onnx")
    script = Path(sys.executable).with_name("onnx-workbench")
    call = [str(script), "view", "long.onnx", "--json"] if seen else [str(script), "view", "dense.onnx"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as ran:
        ran.stdout.read(seen)
        ran.stdout.close()
        assert ran.stderr.read() == b""
    assert ran.returncode == 0


def test_every_path_written_is_a_whole_file(cli, folder):
    """No half-written file stays beside what the verbs write."""
    cli("run", "dense.onnx", "--random", "0", "--output", "out.npz")
    cli("export-graph", "dense.onnx", "graph.svg")
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".") or path.suffix == ".part"]
    with zipfile.ZipFile("out.npz") as archive:
        assert archive.testzip() is None
