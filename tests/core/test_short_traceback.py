"""Errors in IPython: the user's own lines and the message; everything else on demand, and nothing changed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from onnx_workbench.core.errors import InputError, WorkbenchError

SESSION = '''
import contextlib, io, json
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="nocolor")

def said(*steps):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        for step in steps:
            shell.run_cell(step)
    return out.getvalue()

shell.run_cell("""
import sys, traceback
import numpy as np
import onnx_workbench as ow
from onnx import parser

thirds = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> '
    'g (float[N] x) => (float[a,b] y) { s = Constant<value_ints=[3, -1]>() y = Reshape(x, s) }')

def mine(source):
    return ow.summarize(source)

def wrapped():
    try:
        ow.open_model(3)
    except TypeError as error:
        raise ow.WorkbenchError("my own words") from error
""")
found = {
    "short": said("mine('nowhere.onnx')"),
    "again": said("%tb"),
    "all": said("traceback.print_last()"),
    "verbose": said("%xmode Verbose", "%tb", "%xmode Context"),
    "minimal": said("%xmode Minimal", "%tb", "%xmode Context"),
    "behind": said("ow.run(thirds, np.ones(4, np.float32))"),
    "kept": said("print(type(sys.last_value.__cause__).__module__, sys.last_value.__traceback__ is not None)"),
    "repeated": said("ow.open_model(b'no model')"),
    "wrapped": said("wrapped()"),
    "callback": said("sorted([1, 2], key=lambda item: mine('nowhere.onnx'))"),
}
print(json.dumps(found))
'''


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", SESSION], capture_output=True, text=True, check=True, timeout=120
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_users_frames_and_the_message_are_shown_and_ours_are_counted(said):
    text = said["short"]
    assert "mine('nowhere.onnx')" in text
    assert "return ow.summarize(source)" in text
    assert "ModelNotFoundError: There is no file 'nowhere.onnx'" in text
    assert "summary.py" not in text
    assert (
        "frames inside onnx_workbench left out: import traceback; traceback.print_last() shows all)" in text
    )
    assert said["again"] == text


@pytest.mark.parametrize("way", ["all", "verbose"])
def test_all_frames_can_be_seen(said, way):
    assert "return ow.summarize(source)" in said[way]
    assert "summary.py" in said[way]
    assert "reading.py" in said[way]
    assert "left out" not in said[way]


def test_the_shortest_mode_of_ipython_is_not_made_longer(said):
    lines = said["minimal"].splitlines()
    assert [line[:19] for line in lines[1:-1] if line] == ["ModelNotFoundError:"]


def test_an_error_behind_is_told_in_a_line_unless_the_message_has_it(said):
    assert "Behind it: " in said["behind"]
    assert "ONNXRuntimeError" in said["behind"]
    assert "backends.py" not in said["behind"]
    assert "Behind it" not in said["repeated"]


def test_what_the_user_raised_is_shown_as_ipython_does(said):
    assert "ow.open_model(3)" in said["wrapped"]
    assert "raise ow.WorkbenchError" in said["wrapped"]


def test_frames_of_the_user_around_ours_stay(said):
    assert "key=lambda item: mine(" in said["callback"]


def test_the_error_is_left_as_it_was(said):
    assert said["kept"].split() == ["onnxruntime.capi.onnxruntime_pybind11_state", "True"]


def test_without_ipython_the_usual_traceback_is_returned():
    with pytest.raises(WorkbenchError, match="odd") as caught:
        raise InputError("odd")
    lines = caught.value._render_traceback_()
    assert lines[0].startswith("Traceback")
    assert lines[-1].endswith("InputError: odd\n")
