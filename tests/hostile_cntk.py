"""Spoilt native CNTK files, and what is done with them; called in child processes too."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "cntk" / "recorded" / "models.zip"
_NUMBERS = [0, 1, 2, 3, 17, 57, 98, -1, 2**31 - 1, 2**31, 2**63, 2**64 - 1, 10**6]


def sound_models() -> dict[str, bytes]:
    """The real CNTK's own files of every recorded case."""
    with zipfile.ZipFile(RECORDED) as archive:
        return {name: archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".model")}


def spoilt(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return what was done, and the spoilt file: bytes that were changed, or a well-formed file of nonsense."""
    kind = chance.choice(
        ["cut", "flip", "flip", "insert", "entry", "entry", "entry", "entry", "nest", "shuffle"]
    )
    if kind == "cut":
        return kind, content[: chance.randrange(len(content))]
    if kind == "insert":
        at = chance.randrange(len(content))
        return kind, content[:at] + chance.randbytes(chance.randrange(1, 40)) + content[at:]
    if kind == "flip":
        changed = bytearray(content)
        for _ in range(chance.choice([1, 1, 3, 20])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return kind, bytes(changed)
    return _misled(content, kind, chance)


def _misled(content: bytes, kind: str, chance: random.Random) -> tuple[str, bytes]:
    from onnx_workbench.cntk.native.file import read_buffer
    from onnx_workbench.cntk.native.writing import serialize

    whole = read_buffer(content)
    for entry in whole["inputs"]:
        if hasattr(entry.get("value"), "values"):
            entry["value"] = entry["value"].values()
    if kind == "nest":
        depth = chance.choice([30, 60, 120, 3000])
        value: Any = 1
        for _ in range(depth):
            value = {"more": value}
        whole["deeper"] = value
        kind = f"nest {depth}"
    elif kind == "shuffle":
        chance.shuffle(whole["primitive_functions"])
    elif kind == "entry":
        for _ in range(chance.choice([1, 1, 2, 5])):
            kind = _change_entry(whole, chance)
    try:
        return kind, b"".join(bytes(piece) for piece in serialize(whole))
    except (RecursionError, ValueError, OverflowError, AttributeError, TypeError):
        return "cut", content[: len(content) // 2]


def _change_entry(whole: dict, chance: random.Random) -> str:
    lists = [whole.get("primitive_functions"), whole.get("inputs")]
    functions, leaves = (
        [e for e in one if isinstance(e, dict)] if isinstance(one, list) else [] for one in lists
    )
    entries = [whole, *functions, *leaves, *(one.get("attributes") for one in functions)]
    entry = chance.choice([one for one in entries if isinstance(one, dict) and one] or [whole])
    key = chance.choice(list(entry))
    old = entry[key]
    uids = [one["uid"] for one in functions if isinstance(one.get("uid"), str)] or ["nothing"]
    uids += [f"{uid}_Output_{chance.choice([0, 0, 1, 10**8])}" for uid in uids]
    uids += [one["uid"] for one in leaves if isinstance(one.get("uid"), str)]
    what = chance.choice(["drop", "type", "value", "value", "value"])
    if what == "drop":
        del entry[key]
    elif what == "type":
        entry[key] = chance.choice([True, 3, 2.5, "", "text", [], {}, np.zeros(3, np.float32)])
    elif isinstance(old, bool):
        entry[key] = not old
    elif isinstance(old, str):
        entry[key] = chance.choice(uids)
    elif isinstance(old, list) and old and isinstance(old[0], str):
        old[chance.randrange(len(old))] = chance.choice(uids)
    elif isinstance(old, list) and len(old) > 1:
        chance.choice([old.pop, lambda: old.append(old[0]), old.reverse])()
    elif isinstance(old, tuple):
        sizes = list(old) or [1]
        sizes[chance.randrange(len(sizes))] = chance.choice(_NUMBERS)
        entry[key] = type(old)(sizes)
    elif isinstance(old, (int, float)):
        try:
            entry[key] = type(old)(chance.choice(_NUMBERS))
        except (ValueError, OverflowError):
            entry[key] = type(old)(1)
    return f"{what} {key}"


def _outcome(call: Any) -> str:
    """Return nothing if it worked, the error's text if it is the workbench's own, else its class in capitals."""
    from onnx_workbench.core.errors import WorkbenchError

    try:
        call()
    except WorkbenchError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - what a user would see as a traceback is what is looked for
        return f"UNCLEAR {type(error).__name__}: {error}"
    return ""


def looked_at(content: bytes) -> dict[str, str]:
    """Load and open a file, look at it, and save what was loaded."""
    import io

    import onnx_workbench as ow
    import onnx_workbench.cntk as C  # noqa: N812
    from onnx_workbench.cntk.files import export
    from onnx_workbench.cntk.native.saving import dictionary_of

    found: dict[str, str] = {}
    held: dict[str, Any] = {}

    def load() -> None:
        held["function"] = C.Function.load(content)

    def show() -> None:
        function = held["function"]
        text = str(function) + str(function.parameters) + str(function.arguments)
        text += str(C.logging.graph.depth_first_search(function, lambda _: True, depth=-1))
        io.StringIO().write(text)

    found["load"] = _outcome(load)
    if "function" in held:
        found["show"] = _outcome(show)
        found["export"] = _outcome(lambda: export(held["function"]))
        found["save"] = _outcome(lambda: dictionary_of(held["function"]))
    found["open"] = _outcome(lambda: ow.summarize(ow.open_model(content)))
    found["as it is"] = _outcome(lambda: ow.summarize(ow.open_model(content, as_is=True)))
    return found
