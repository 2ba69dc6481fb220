"""Record how the real CNTK 2.7 shows its own ONNX exports when it loads them. Run by its Python 3.6, after make_answers.py.

Writes loads.json beside this file: arguments, outputs, parameters and nodes of every ONNX file in models.zip that CNTK
2.7 can load itself.
"""

import json
import os
import tempfile
import zipfile

import cntk as C
from make_answers import HERE, variable


def shown(path):
    """Return what CNTK shows of a file, or the beginning of what it says."""
    try:
        model = C.Function.load(path, format=C.ModelFormat.ONNX)
    except (ValueError, RuntimeError, TypeError) as error:
        return {"refused": str(error).splitlines()[0][:80]}
    nodes = C.logging.depth_first_search(model, lambda node: True, depth=0)
    return {
        "arguments": [variable(one) for one in model.arguments],
        "outputs": [variable(one) for one in model.outputs],
        "parameters": [variable(one) for one in model.parameters],
        "constants": [one.name for one in model.constants],
        "nodes": [[getattr(node, "op_name", ""), node.name] for node in nodes],
    }


def main():
    """Load what is in models.zip, each in a process of its own: some files end it."""
    found = {}
    with zipfile.ZipFile(os.path.join(HERE, "models.zip")) as models, tempfile.TemporaryDirectory() as folder:
        for name in sorted(models.namelist()):
            if not name.endswith(".onnx"):
                continue
            path, answer = models.extract(name, folder), os.path.join(folder, "answer")
            child = os.fork()
            if not child:
                with open(answer, "w") as file:
                    json.dump(shown(path), file)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status:
                found[name] = {"refused": "the process ended"}
                continue
            with open(answer) as file:
                found[name] = json.load(file)
    with open(os.path.join(HERE, "loads.json"), "w") as file:
        json.dump(found, file, indent=0, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
