"""Load and evaluate, by the real CNTK 2.7, native files that onnx_workbench.cntk saved; see save_for_cntk.py.

Run by CNTK's Python 3.6: `python3.6 read_back.py FOLDER`. Writes read_back.npz beside itself: what each case computes,
and the names and shapes that CNTK found in it.
"""

import json
import os
import sys

import cases
import cntk as C
import numpy as np
from make_answers import kept, variable

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": np.float32, "float64": np.float64, "float32 through ONNX": np.float32}


def main(folder):
    arrays, shown, failed = {}, {}, []
    for name, one in sorted(cases.CASES.items()):
        for dtype_name, dtype in DTYPES.items():
            path = os.path.join(folder, "%s.%s.model" % (name.replace("/", " "), dtype_name))
            if not os.path.exists(path):
                continue
            try:
                model = C.load_model(path)
                feed = cases.values_of(one, dtype)
                found = model.eval({v: feed[v.name] for v in model.arguments})
            except Exception as error:  # noqa: BLE001
                failed.append("%s (%s): %s" % (name, dtype_name, str(error).splitlines()[:1]))
                continue
            found = [found[v] for v in model.outputs] if isinstance(found, dict) else [found]
            for number, value in enumerate(found):
                for piece, array in enumerate(kept(value)):
                    arrays["%s|%s|output|%d|%d" % (name, dtype_name, number, piece)] = array
            shown["%s|%s" % (name, dtype_name)] = [
                [variable(v) for v in model.arguments],
                [variable(v) for v in model.parameters],
            ]
    arrays["shown"] = np.array(json.dumps(shown, sort_keys=True))
    np.savez_compressed(os.path.join(HERE, "read_back.npz"), **arrays)
    sys.stdout.write("\n".join(failed) + "\n%d files read back\n" % len(shown))


if __name__ == "__main__":
    main(sys.argv[1])
