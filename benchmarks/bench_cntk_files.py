"""Open a CNTK file of 100 MiB, native and as ONNX, and run it once, against its bytes and protobuf's own parser.

Targets: opened in at most two seconds and twice the file's size in memory, as a Model and as a graph of CNTK's front.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import in_turns, private_growth, report

from onnx_workbench.cntk import ops
from onnx_workbench.cntk.files import save
from onnx_workbench.cntk.ops.choices import ModelFormat

LAYERS, WIDTH = 25, 1024
TESTS = Path(__file__).parents[1] / "tests" / "cntk"


def write_model(path: Path) -> None:
    """Write a chain of dense layers, 25 matrices of 4 MiB, as a native file and as ONNX beside it."""
    generator = np.random.default_rng(0)
    value = ops.input_variable(WIDTH, name="x")
    for _ in range(LAYERS):
        weights = generator.normal(scale=WIDTH**-0.5, size=(WIDTH, WIDTH)).astype(np.float32)
        value = ops.relu(ops.times(value, ops.parameter((WIDTH, WIDTH), init=weights)))
    save(value, path)
    save(value, path.with_suffix(".onnx"), ModelFormat.ONNX)


def main() -> None:
    """Write the file, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.model"
        write_model(path)
        size_mib = path.stat().st_size / 2**20
        print(f"{path.name}: {size_mib:.1f} MiB")
        contestants = {
            "open_model": ("import onnx_workbench as ow", f"ow.open_model({str(path)!r})"),
            "Function.load": ("import onnx_workbench.cntk as C", f"C.Function.load({str(path)!r})"),
            "protobuf": (
                f"import sys; sys.path.insert(0, {str(TESTS)!r}); from cntk_proto import PROTO",
                f"PROTO['Dictionary'].FromString(open({str(path)!r}, 'rb').read())",
            ),
            "reading the bytes": ("", f"open({str(path)!r}, 'rb').read()"),
        }
        figures = in_turns(contestants)
        for ours in ("open_model", "Function.load"):
            report(f"opening, {ours}", figures, ours=ours, peer="protobuf")
        run = {
            "open_model and run": (
                "import numpy as np, onnx_workbench as ow",
                f"ow.run(ow.open_model({str(path)!r}), np.ones((1, {WIDTH}), np.float32))",
            ),
            "Function.load and eval": (
                "import numpy as np, onnx_workbench.cntk as C",
                f"f = C.Function.load({str(path)!r}); f.eval(np.ones((1, {WIDTH}), np.float32))",
            ),
            "Function.load and eval, ONNX": (
                "import numpy as np, onnx_workbench.cntk as C",
                f"f = C.Function.load({str(path.with_suffix('.onnx'))!r}, format=C.ModelFormat.ONNX); "
                f"f.eval(np.ones((1, {WIDTH}), np.float32))",
            ),
        }
        for name, (setup, code) in {**contestants, **run}.items():
            grown = private_growth(setup, code)
            print(
                f"  {name:28s} private memory grows by {grown:8.1f} MiB: {grown / size_mib:.2f} of the file"
            )
        for name, figure in in_turns(run, runs=3).items():
            print(f"  {name:28s} {figure.wall_s:.2f} s")


if __name__ == "__main__":
    sys.exit(main())
