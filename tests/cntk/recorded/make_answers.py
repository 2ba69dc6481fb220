"""Record what the real CNTK 2.7 makes of cases.py. Run by its Python 3.6: `python3.6 make_answers.py`.

Writes beside this file answers.npz (what every case computes and what its gradients are, float32 and float64),
structure.json (names, shapes, order and texts of every graph) and models.zip (every case as a native file, and as
ONNX where CNTK could write it).
"""

import json
import os
import re
import sys
import tempfile
import zipfile

import cases
import cntk as C
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": np.float32, "float64": np.float64}
COUNTED = re.compile(r"(?<=[A-Za-z])\d+(?=\b|_)")


def without_counters(text):
    """Take the running numbers out of uids."""
    return COUNTED.sub("", text)


def kept(value):
    """Return an output as a list of arrays: one for each sequence, or one."""
    return [np.asarray(one) for one in value] if isinstance(value, list) else [np.asarray(value)]


def variable(one):
    """Describe a variable."""
    return [one.name, list(one.shape), np.dtype(one.dtype).name, len(one.dynamic_axes)]


def structure(model):
    """Describe a graph."""
    nodes = C.logging.depth_first_search(model, lambda node: True, depth=0)
    deep = C.logging.depth_first_search(model, lambda node: True, depth=-1)
    names = [node.name for node in nodes if node.name]
    return {
        "arguments": [variable(one) for one in model.arguments],
        "outputs": [variable(one) for one in model.outputs],
        "parameters": [variable(one) for one in model.parameters],
        "constants": [variable(one) for one in model.constants],
        "repr": without_counters(str(model)),
        "argument texts": [without_counters(str(one)) for one in model.arguments],
        "depth first": [without_counters(str(node)) for node in nodes],
        "depth first, blocks too": [without_counters(str(node)) for node in deep],
        "found by name": [
            name
            for name in sorted(set(names))
            if names.count(name) == 1 and model.find_by_name(name) is not None
        ],
    }


def gradients(model, feed):
    """Return the gradients of the sum of the only output, in order of arguments and parameters."""
    wanted = list(model.arguments) + list(model.parameters)
    found = model.grad({one: feed[one.name] for one in model.arguments}, wrt=wanted)
    found = found if isinstance(found, dict) else {wanted[0]: found}
    return [kept(found[one]) for one in wanted]


def exported(model, path):
    """Let CNTK write ONNX in a child process: it may crash."""
    child = os.fork()
    if not child:
        model.save(path, format=C.ModelFormat.ONNX)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main():
    arrays, structures, failed = {}, {}, []
    files = zipfile.ZipFile(os.path.join(HERE, "models.zip"), "w", zipfile.ZIP_DEFLATED)
    folder = tempfile.mkdtemp()

    def add(path, name):
        with open(path, "rb") as file:  # dated 1980: the same models make the same archive
            files.writestr(zipfile.ZipInfo(name), file.read(), zipfile.ZIP_DEFLATED)

    for name, one in sorted(cases.CASES.items()):
        for dtype_name, dtype in DTYPES.items():
            try:
                model = cases.model_of(one, C, dtype)
                feed = cases.values_of(one, dtype)
                found = model.eval({v: feed[v.name] for v in model.arguments})
            except Exception as error:  # noqa: BLE001
                failed.append("%s (%s): %s" % (name, dtype_name, str(error).splitlines()[:1]))
                continue
            found = [found[v] for v in model.outputs] if isinstance(found, dict) else [found]
            for number, value in enumerate(found):
                for piece, array in enumerate(kept(value)):
                    arrays["%s|%s|output|%d|%d" % (name, dtype_name, number, piece)] = array
            if one.gradients and dtype is np.float64:
                try:
                    for number, value in enumerate(gradients(model, feed)):
                        for piece, array in enumerate(value):
                            arrays["%s|%s|gradient|%d|%d" % (name, dtype_name, number, piece)] = array
                except Exception as error:  # noqa: BLE001
                    failed.append("%s gradient: %s" % (name, str(error).splitlines()[:1]))
            if dtype is np.float32:
                structures[name] = structure(model)
                path = os.path.join(folder, "file")
                model.save(path)
                add(path, name + ".model")
                if one.covers.startswith("layers."):
                    add(path, name + ".onnx") if exported(model, path) else failed.append(name + " as ONNX")
    files.close()
    np.savez_compressed(os.path.join(HERE, "answers.npz"), **arrays)
    with open(os.path.join(HERE, "structure.json"), "w") as file:
        json.dump(structures, file, indent=0, sort_keys=True)
    sys.stdout.write("\n".join(failed) + "\n%d cases\n" % len(structures))


if __name__ == "__main__":
    main()
