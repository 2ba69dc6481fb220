"""Import of the package against import of onnx. Target: at most 1.5x its time and memory."""

from __future__ import annotations

import compileall
import importlib.util
from pathlib import Path

from measure import in_turns, report

if __name__ == "__main__":
    package = importlib.util.find_spec("onnx_workbench")
    assert package is not None
    assert package.origin is not None
    compileall.compile_dir(Path(package.origin).parent, quiet=2)  # as an installer leaves it
    found = in_turns(
        {"import onnx": ("", "import onnx"), "import onnx_workbench": ("", "import onnx_workbench")}, runs=11
    )
    report("Import", found, ours="import onnx_workbench", peer="import onnx")
