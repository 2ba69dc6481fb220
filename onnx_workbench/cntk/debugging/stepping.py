"""Stepping through a graph: a prompt at every node, forwards and backwards, by CNTK's commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from onnx_workbench.cntk.errors import CntkValueError
from onnx_workbench.cntk.logging.graph import depth_first_search
from onnx_workbench.cntk.ops.functions import CloneMethod, Function
from onnx_workbench.cntk.ops.inputs import output_variable
from onnx_workbench.cntk.ops.user_functions import UserFunction, user_function

__all__ = ["DEBUG_USAGE", "debug_model"]

DEBUG_USAGE = """\
Commands:
    n             go on to the next node
    n <number>    go on by so many nodes
    u f, u b      go on to the next node forwards, or backwards
    u <name>      go on to the node of this name
    u <lambda>    go on until it is true, of the value and the node:
                  lambda arg, node: node.op_name == 'Times'
    c             go on to the end
    p             print the value (forwards) or the gradients (backwards)
    d             open Python's debugger
    q             quit
"""

Goal = Callable[[Any, Any, str], bool]


class _Session:
    """One walk through a graph: what is asked for, and where it is to stop next."""

    def __init__(self, in_stream: Any, out_stream: Any, exit_func: Callable[[int], Any]) -> None:
        self._in, self._out, self._exit = in_stream, out_stream, exit_func
        self._goal: Goal | None = None
        self._direction = ""
        self.names: set[str] = set()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def visit(self, node: Any, value: Any, which: str) -> None:
        """Tell of a node, and take commands if this is where to stop."""
        if which != self._direction:
            self._direction = which
            self._write(f"\n{'=' * 35} {which:8} {'=' * 35}\n")
        self._write(f"\n{node} with uid '{node.uid}'\n")
        if self._goal is not None and not self._goal(value, node, which):
            return
        self._goal = None
        prompt = _DebugNode.PROMPT_FORWARD if which == "forward" else _DebugNode.PROMPT_BACKWARD
        while self._goal is None:
            self._write(prompt)
            line = self._in.readline()
            self._obey(line.strip() if line else "c", value)

    def _obey(self, command: str, value: Any) -> None:
        word, _, rest = command.partition(" ")
        rest = rest.strip()
        if word == "c":
            self._goal = lambda *_: False
        elif word == "n" and (not rest or (rest.isdecimal() and int(rest) > 0)):
            self._goal = _after(int(rest or 1))
        elif word == "u" and rest:
            self._goal = self._until(rest)
        elif word == "p":
            self._write(f"{'Input' if self._direction == 'forward' else 'Root gradients'} with shape ")
            self._write(f"{getattr(value, 'shape', '')}: \n{value}\n")
        elif word == "d":
            breakpoint()  # noqa: T100 - what the command is for
        elif word == "q":
            self._exit(0)
            self._goal = lambda *_: False
        elif command:
            self._write(DEBUG_USAGE)

    def _until(self, what: str) -> Goal | None:
        if what.startswith("lambda"):
            try:
                asked = eval(what, {"np": sys.modules.get("numpy")})  # noqa: S307 - typed by the user of the prompt
            except SyntaxError as error:
                self._write(f"{error}\n{DEBUG_USAGE}")
                return None
            return lambda value, node, _: bool(asked(value, node))
        if what in self.names:
            return lambda _, node, __: bool(node.name == what)
        for which in ("forward", "backward"):
            if which.startswith(what):
                return lambda _, __, now: bool(now == which)
        self._write(f"Your model does not contain a node with name {what!r}.\n")
        return None


def _after(count: int) -> Goal:
    left = [count]

    def goal(*_: Any) -> bool:
        left[0] -= 1
        return left[0] <= 0

    return goal


class _DebugNode(UserFunction):
    """Passes a value on, and its gradients back, after a session has seen them."""

    PROMPT_FORWARD = "[CNTK forward] >>> "
    PROMPT_BACKWARD = "[CNTK backward] >>> "

    def __init__(self, arg: Any, session: _Session, name: str = "D") -> None:
        arg = arg.root_function if isinstance(arg, Function) else arg
        super().__init__([arg], as_numpy=True, name=f"{name}_{arg.uid.replace('_Output', '')}")
        self.after, self.session = arg, session

    def clone(self, cloned_inputs: Any, *_: Any) -> Any:
        """Return one after the same place in a copy."""
        return _DebugNode(cloned_inputs[0], self.session)

    def infer_outputs(self) -> Any:
        """Return one like the operand."""
        x = self.inputs[0]
        return [output_variable(x.shape, x.dtype, x.dynamic_axes)]

    def _seen(self) -> Any:
        return (
            self.after.owner
            if getattr(self.after, "is_output", False) and not isinstance(self.after, Function)
            else self.after
        )

    def forward(self, *arguments: Any, **_: Any) -> Any:
        """Show a value, and pass it on."""
        argument = arguments[0]
        self.session.visit(self._seen(), argument, "forward")
        return None, argument

    def backward(self, *arguments: Any, **_: Any) -> Any:
        """Show gradients, and pass them on."""
        _state, root_gradients = arguments
        self.session.visit(self._seen(), root_gradients, "backward")
        return root_gradients


def debug_model(
    model: Any,
    in_stream: Any = None,
    out_stream: Any = None,
    exit_func: Callable[[int], Any] = sys.exit,
) -> Any:
    """Return a copy of a model that stops at every node when it is evaluated or trained, and takes commands there.

    Parameters
    ----------
    model
        A Function; its parameters are shared.
    in_stream, out_stream
        What commands are read from, by ``readline``, and what is written to; standard input and output if not given.
    exit_func
        Called with 0 when the user quits.

    Raises
    ------
    ValueError
        If the graph cannot be stepped through.

    Notes
    -----
    To have all values at once, `onnx_workbench.trace` the model saved as ONNX.
    """
    session = _Session(in_stream or sys.stdin, out_stream or sys.stdout, exit_func)
    left = _uncovered(model)
    session.names = {one.name for one in left if one.name}
    for _ in range(len(left) + 1):
        if not left:
            return model
        model = model.clone(CloneMethod.share, {one: user_function(_DebugNode(one, session)) for one in left})
        left = _uncovered(model)
    raise CntkValueError(
        "cannot debug this graph: it has recurrences, through which no node can be put everywhere. Save it "
        "as ONNX, and look at all its values with onnx_workbench.trace(model, inputs)."
    )


def _uncovered(model: Any) -> list[Any]:
    """Return the nodes of a graph that no session sees yet."""
    nodes = depth_first_search(model, lambda _: True)
    seeing = [one for one in nodes if isinstance(one, _DebugNode)]
    seen = {one.inputs[0].owner.uid if one.inputs[0].is_output else one.inputs[0].uid for one in seeing}
    return [
        one
        for one in nodes
        if not isinstance(one, _DebugNode)
        and one.uid not in seen
        and not (isinstance(one, Function) and len(one.outputs) != 1)
    ]
