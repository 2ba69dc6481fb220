"""Spoilt native files give the workbench's own errors, in bounded time; fuzz_cntk_files.py tries thousands."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hostile_cntk import looked_at, sound_models, spoilt
from processor_time import bounded_work

import onnx_workbench.cntk as C  # noqa: N812
from onnx_workbench.cntk.native.file import read_buffer
from onnx_workbench.cntk.native.values import NativeAxis, Shape, SizeT
from onnx_workbench.cntk.native.writing import serialize
from onnx_workbench.core.errors import ModelFileError, WorkbenchError

SOUND = sound_models()


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_file_loads_or_says_why_not(seed):
    chance = random.Random(seed)
    name = chance.choice(list(SOUND))
    _, content = spoilt(SOUND[name], chance)
    with bounded_work(20):
        found = looked_at(content)
        assert not {verb: message for verb, message in found.items() if message.startswith("UNCLEAR")}


def changed(name: str, change) -> bytes:
    whole = read_buffer(SOUND[f"{name}.model"])
    for entry in whole["inputs"]:
        if entry.get("value") is not None:
            entry["value"] = entry["value"].values()
    change(whole)
    return b"".join(bytes(piece) for piece in serialize(whole))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("Dense", lambda w: w["primitive_functions"][0].update(op="text"), "'op' should be a int, and is a str"),
        ("splice", lambda w: w["primitive_functions"][0].update(attributes={}), "do not go together.*'axis'"),
        ("less", lambda w: w["primitive_functions"][0].pop("inputs"), "do not go together"),
        (
            "top_k",
            lambda w: w["primitive_functions"].append(
                {"uid": "Abs99", "op": 8, "inputs": [w["root"] + "_Output_7"], "type": "PrimitiveFunction"}
            ) or w.update(root="Abs99"),
            "_Output_7' is asked for, and there are 0 outputs",
        ),
    ],
    ids=["op of text", "no axis", "no operands", "no such output"],
)  # fmt: skip
def test_nonsense_is_named(name, change, says):
    with pytest.raises(ModelFileError, match=says):
        C.Function.load(changed(name, change))


def test_onnx_given_as_cntk_and_noise_given_as_either(tmp_path):
    x = C.input_variable(3, name="x")
    (x * 2).save(tmp_path / "m.onnx", format=C.ModelFormat.ONNX)
    with pytest.warns(UserWarning, match="in the format ONNX, not CNTKv2"):
        loaded = C.load_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(loaded.eval(np.ones(3, np.float32)), [[2, 2, 2]])
    for wrong in (C.ModelFormat.CNTKv2, C.ModelFormat.ONNX):
        with pytest.raises(WorkbenchError):
            C.Function.load(bytes(range(256)) * 10, format=wrong)
    with pytest.raises(ValueError, match="neither ModelFormat"):
        loaded.save(tmp_path / "n", format="onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx"]


@pytest.mark.parametrize("file_format", ["CNTKv2", "ONNX"])
def test_a_death_while_saving_leaves_the_old_file_whole(file_format, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"the old model")
    script = (
        "import numpy as np, onnx_workbench.cntk as C\n"
        "x = C.input_variable(1000)\n"
        "z = x\n"
        "for i in range(8): z = C.times(z, C.parameter((1000, 1000), init=np.ones((1000, 1000), np.float32)))\n"
        f"print('ready', flush=True)\nwhile True: z.save({str(path)!r}, format=C.ModelFormat.{file_format})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    if path.read_bytes()[:13] != b"the old model":  # it was killed in a later round
        loaded = C.Function.load(path, format=C.ModelFormat[file_format])
        assert [one.shape for one in loaded.parameters] == [(1000, 1000)] * 8


def leaf(uid: str, kind: int) -> dict:
    return {
        "version": SizeT(1), "type": "Variable", "uid": uid, "kind": SizeT(kind), "data_type": SizeT(1),
        "dynamic_axis": [NativeAxis(2147483647, "defaultBatchAxis", ordered=False)], "is_sparse": False,
        "needs_gradient": False, "shape": Shape((3,)),
    }  # fmt: skip


def function(uid: str, op: int, inputs: list[str], attributes: dict | None = None, **more) -> dict:
    known = {"version": SizeT(20), "type": "PrimitiveFunction", "uid": uid, "op": SizeT(op), "inputs": inputs}
    return known | {"attributes": attributes or {}} | more


def file_of(root: str, leaves: list[dict], functions: list[dict]) -> bytes:
    whole = {"version": SizeT(3), "type": "CompositeFunction", "uid": "C1", "root": root, "inputs": leaves}
    return b"".join(bytes(piece) for piece in serialize(whole | {"primitive_functions": functions}))


def doubling_splices(count: int) -> bytes:
    names = ["Input0", *(f"S{k}_Output_0" for k in range(count))]
    functions = [function(f"S{k}", 43, [names[k]] * 2, {"axis": NativeAxis(0)}) for k in range(count)]
    return file_of(f"S{count - 1}", [leaf("Input0", 0)], functions)


def of_one_function(op: int, attributes: dict) -> bytes:
    return file_of("A", [leaf("Input0", 0)], [function("A", op, ["Input0"], attributes)])


def blocks_that_share_their_insides(count: int) -> bytes:
    leaves, functions, root, within = [leaf("P0", 4)], [function("Abs0", 8, ["P0"])], "Abs0", "P0"
    for k in range(1, count + 1):
        leaves.append(leaf(f"P{k}", 4))
        functions += [block(f"B{k}{side}", f"P{k}", root, within) for side in "ab"]
        functions.append(function(f"Plus{k}", 19, [f"B{k}a_Output_0", f"B{k}b_Output_0"]))
        root, within = f"Plus{k}", f"P{k}"
    return file_of("Top", [leaf("Input0", 0), *leaves], [*functions, block("Top", "Input0", root, within)])


def block(uid: str, reads: str, root: str, within: str) -> dict:
    inside = {"version": SizeT(3), "type": "CompositeFunction", "uid": f"C{uid}", "root": root}
    return function(
        uid, 57, [reads], block_function_op_name="Block", block_function_composite=inside,
        block_function_composite_arguments_map_keys=[within], block_function_composite_arguments_map_values=[reads],
    )  # fmt: skip


ONE_HOT = {"oneHotOutputSparse": False, "onehotAxis": NativeAxis(0)}
PAD = {"paddingMode": SizeT(0), "paddingConstantValue": 0.0, "paddingFoot": [SizeT(1 << 40)]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (doubling_splices(70), "numbers of one sample"),
        (of_one_function(68, {"numClass": SizeT(1 << 40), **ONE_HOT}), "1,099,511,627,776 classes"),
        (of_one_function(83, {"paddingHead": [SizeT(1 << 40)], **PAD}), "numbers of one sample"),
        (blocks_that_share_their_insides(25), "used over and over"),
    ],
)
def test_a_few_bytes_that_ask_for_everything_are_refused_in_no_time(content, says):
    with bounded_work(20), pytest.raises(WorkbenchError, match=says):
        C.load_model(content).eval(np.ones((1, 3), np.float32))


def test_blocks_that_share_their_insides_a_little_are_computed():
    found = C.load_model(blocks_that_share_their_insides(4)).eval(np.full((1, 3), -2, np.float32))
    np.testing.assert_array_equal(found, np.full((1, 3), 2 * 2**4))
