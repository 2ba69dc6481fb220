"""Save every case of cases.py as a native file with onnx_workbench.cntk, for the real CNTK 2.7 to read back.

From the repository's root, first by this project's Python, then by the real CNTK's Python 3.6:

    python tests/cntk/recorded/save_for_cntk.py FOLDER
    python3.6 tests/cntk/recorded/read_back.py FOLDER

The second one loads and evaluates the files in FOLDER and writes read_back.npz beside itself: what the real CNTK computes
with models that we saved, as they were built, and after they had been saved as ONNX and loaded. `tests/cntk/test_read_back.py` holds that to what it computed with its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import cases
import numpy as np

import onnx_workbench.cntk as C

THROUGH_ONNX = "float32 through ONNX"
DTYPES = {"float32": np.float32, "float64": np.float64, THROUGH_ONNX: np.float32}


def main(folder: Path) -> int:
    """Save; return how many could not be built here."""
    failed = 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in sorted(cases.CASES.items()):
        for dtype_name, dtype in DTYPES.items():
            try:
                model = cases.model_of(one, C, dtype)
                if dtype_name == THROUGH_ONNX:
                    model.save(folder / "through.onnx", format=C.ModelFormat.ONNX)
                    model = C.Function.load(folder / "through.onnx", format=C.ModelFormat.ONNX)
                model.save(folder / f"{name.replace('/', ' ')}.{dtype_name}.model")
            except (ValueError, RuntimeError, TypeError) as error:
                failed += 1
                sys.stdout.write(f"{name} ({dtype_name}): {str(error).splitlines()[0]}\n")
    return failed


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))} not saved\n")
