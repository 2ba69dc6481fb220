"""A model of many gigabytes opens at once, in little memory. The files are sparse: they take no disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from onnx import TensorProto
from tiny_models import model

from onnx_workbench.core.wire import field_header

GIGABYTES_3 = 3 << 30
COLUMNS = 1 << 14


def write_sparse(path, before: bytes, length: int, after: bytes = b"") -> None:
    """Write a file with a hole of `length` bytes; the last element in the hole is 1.0."""
    with path.open("wb") as file:
        file.write(before)
        file.seek(length - 4, os.SEEK_CUR)
        file.write(np.float32(1).tobytes())
        file.write(after)


def one_large_weight(content_field: int) -> bytes:
    """Return all of a model file of which the last field is 3 GiB of `content_field`, without these."""
    rows = GIGABYTES_3 // 4 // COLUMNS
    shell = model(f"big (float[N,{rows}] x) => (float[N,{COLUMNS}] y) {{ y = MatMul(x, w) }}")
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[rows, COLUMNS]).SerializeToString()
    tensor = weight + field_header(content_field, GIGABYTES_3)
    graph = shell.graph.SerializeToString() + field_header(5, len(tensor) + GIGABYTES_3) + tensor
    shell.ClearField("graph")
    return shell.SerializeToString() + field_header(7, len(graph) + GIGABYTES_3) + graph


def measured(tmp_path, code: str) -> tuple[dict[str, object], int]:
    """Run code in a process of its own; return what it printed, and the memory in MiB that it took beyond imports."""
    program = f"""
import json
import numpy, onnx_workbench as ow
from onnx_workbench.core.errors import WorkbenchError
peak = lambda: int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) >> 10
before = peak()
{textwrap.dedent(code)}
print(json.dumps({{"mebibytes": peak() - before, **answer}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer, answer["mebibytes"]


linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, needs sparse files"
)


@linux_only
@pytest.mark.parametrize("content_field", [9, 4], ids=["raw_data", "float_data"])
def test_three_gibibytes_in_one_file_open_are_summed_up_and_mapped(tmp_path, content_field):
    write_sparse(tmp_path / "big.onnx", one_large_weight(content_field), GIGABYTES_3)
    answer, mebibytes = measured(
        tmp_path,
        """
        model = ow.open_model("big.onnx")
        summary = ow.summarize(model)
        weight = model.weight("w")
        answer = {"parameters": summary.parameters, "macs": summary.macs, "last": float(weight[-1, -1]),
                  "shape": weight.shape, "writeable": weight.flags.writeable, "text": len(str(summary))}
        """,
    )
    assert answer["parameters"] == answer["macs"] == GIGABYTES_3 // 4
    assert answer["last"] == 1.0
    assert answer["shape"][1] == COLUMNS
    assert not answer["writeable"]
    assert mebibytes < 60


@linux_only
def test_a_single_file_above_two_gibibytes_is_refused_before_anything_is_written(tmp_path):
    write_sparse(tmp_path / "big.onnx", one_large_weight(9), GIGABYTES_3)
    answer, mebibytes = measured(
        tmp_path,
        """
        try:
            ow.open_model("big.onnx").save("copy.onnx")
        except WorkbenchError as error:
            answer = {"error": str(error)}
        """,
    )
    assert "external_data=True" in answer["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["big.onnx"]
    assert mebibytes < 60


@linux_only
def test_three_gibibytes_of_anything_but_weights_are_refused_unread(tmp_path):
    graph_name = field_header(2, GIGABYTES_3)
    write_sparse(
        tmp_path / "name.onnx",
        b"\x08\x0a" + field_header(7, len(graph_name) + GIGABYTES_3) + graph_name,
        GIGABYTES_3,
    )
    answer, mebibytes = measured(
        tmp_path,
        """
        try:
            ow.open_model("name.onnx")
        except WorkbenchError as error:
            answer = {"error": str(error)}
        """,
    )
    assert "more than 2 GiB" in answer["error"]
    assert mebibytes < 60


@linux_only
def test_a_session_maps_the_weights_of_a_single_file(tmp_path):
    """512 MiB of weights, run with the weights left where they are."""
    rows = (512 << 20) // 4 // COLUMNS
    shell = model(
        f"big (float[N,{rows}] x, int64[M] rows) => (float[M,{COLUMNS}] y) {{ y = Gather(w, rows) }}"
    )
    del shell.graph.input[0]
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[rows, COLUMNS]).SerializeToString()
    tensor = weight + field_header(9, 512 << 20)
    graph = shell.graph.SerializeToString() + field_header(5, len(tensor) + (512 << 20)) + tensor
    shell.ClearField("graph")
    before = shell.SerializeToString() + field_header(7, len(graph) + (512 << 20)) + graph
    write_sparse(tmp_path / "big.onnx", before, 512 << 20)
    answer, mebibytes = measured(
        tmp_path,
        f"""
        session = ow.Session("big.onnx", low_memory=True)
        answer = {{"last": float(session.run(numpy.array([{rows - 1}]))["y"][0, -1])}}
        """,
    )
    assert answer["last"] == 1.0
    assert mebibytes < 200  # onnxruntime itself is most of it
