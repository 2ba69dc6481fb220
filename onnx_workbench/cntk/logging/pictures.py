"""Pictures of graphs: DOT is written here, and drawn by Graphviz if it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from onnx_workbench.cntk.errors import CntkRuntimeError, CntkValueError
from onnx_workbench.core.errors import MissingPackageError
from onnx_workbench.core.files import write_atomic

_SUFFIXES = (".svg", ".pdf", ".png", ".dot")
_LONGEST_S = 60


def draw(nodes: list[Any], filename: str) -> None:
    """Write the graph of some primitives as a picture.

    Raises
    ------
    ValueError
        For a suffix other than .svg, .pdf, .png and .dot.
    ImportError
        If Graphviz's program `dot` is needed and not there.
    """
    path = Path(filename)
    if path.suffix.lower() not in _SUFFIXES:
        raise CntkValueError(
            f'only file extensions ".svg", ".pdf", ".png", and ".dot" are supported; got {path.suffix!r}'
        )
    text = dot_text(nodes)
    if path.suffix.lower() == ".dot":
        write_atomic(path, text)
        return
    program = shutil.which("dot")
    if program is None:
        raise MissingPackageError(
            f"Graphviz's program dot is needed to draw {path.name!r}, and it is not installed here. Install graphviz, "
            "or name a .dot file. The graph as ONNX is drawn without it:\n"
            "model.save('model.onnx', format=C.ModelFormat.ONNX)\n"
            "onnx_workbench.view('model.onnx').save('graph.png')"
        )
    try:
        done = subprocess.run(  # noqa: S603 - the program that shutil.which found, and no shell
            [program, f"-T{path.suffix[1:].lower()}", "-o", str(path)],
            input=text,
            text=True,
            encoding="utf-8",
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CntkRuntimeError(
            f"dot had not drawn the graph of {len(nodes):,} nodes after {_LONGEST_S} s: name a .dot file instead."
        ) from error
    if done.returncode:
        raise CntkRuntimeError(f"dot could not draw the graph: {done.stderr.strip()[:300]}")


def dot_text(nodes: list[Any]) -> str:
    """Return the graph in Graphviz's language."""
    lines = ["digraph network {", '  rankdir="TB";']
    seen: set[str] = set()
    for node in nodes:
        lines.append(f"  {_quoted(node.uid)} [shape=box, label={_quoted(_label(node.op_name, node.name))}];")
        for operand in node.inputs:
            source = operand.owner.uid if operand.is_output else operand.uid
            if not operand.is_output and source not in seen:
                seen.add(source)
                shape = "egg" if operand.is_input or operand.is_placeholder else "ellipse"
                lines.append(
                    f"  {_quoted(source)} [shape={shape}, label={_quoted(_label(operand.kind, operand.name))}];"
                )
            shape_text = " x ".join(map(str, operand.shape))
            lines.append(f"  {_quoted(source)} -> {_quoted(node.uid)} [label={_quoted(shape_text)}];")
    return "\n".join([*lines, "}", ""])


def _label(kind: str, name: str) -> str:
    return f"{kind}\n{name}" if name else kind


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
