"""Faults that ONNX forbids and that later code must not meet: text that is not UTF-8, functions without end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import FunctionProto, ModelProto, NodeProto

from onnx_workbench.core.errors import ModelFileError
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.graph_order import blocked, order_by_needs

_MOST_EXPANDED_NODES = 1_000_000

FunctionKey = tuple[str, str]


def check_text(proto: ModelProto) -> None:
    """Refuse text that is not UTF-8, which ONNX requires: protobuf hands it out as bytes.

    Raises
    ------
    ModelFileError
        Naming the field and the text.
    """
    for place, text in _broken_texts(proto):
        raise ModelFileError(
            f"The {place} {text!r:.80} is not UTF-8, which ONNX requires of every name. Rename it in the program "
            "that exported the model (ASCII names are safe everywhere), and export again."
        )


def _broken_texts(proto: ModelProto) -> Iterator[tuple[str, bytes]]:
    messages: list[Any] = [proto]
    while messages:
        message = messages.pop()
        for descriptor, value in message.ListFields():
            if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
                messages += [value] if isinstance(value, Message) else value
            elif descriptor.type == FieldDescriptor.TYPE_STRING:
                for text in (value,) if isinstance(value, (str, bytes)) else value:
                    if isinstance(text, bytes):
                        yield f"{descriptor.name.replace('_', ' ')} in {message.DESCRIPTOR.name}", text


def check_functions(proto: ModelProto) -> None:
    """Refuse functions that call themselves, or that grow beyond measure when they are put in place of their calls.

    Raises
    ------
    ModelFileError
        If there are such; shape inference and runtimes would run for ever.
    """
    if not proto.functions:
        return
    functions = {_key(function.domain, function.name): function for function in proto.functions}
    calls = {key: _calls(function.node, functions) for key, function in functions.items()}
    keys = list(functions)
    numbers = {key: number for number, key in enumerate(keys)}
    needs = [{numbers[callee] for callee in calls[key]} for key in keys]
    order = order_by_needs(needs)
    if order is None:
        name = clean_text(".".join(keys[min(blocked(needs))]))
        raise ModelFileError(f"The model's function {name!r} calls itself, which ONNX does not allow.")
    sizes: dict[FunctionKey, int] = {}
    for key in (keys[number] for number in order):
        sizes[key] = len(functions[key].node) + sum(sizes[callee] for callee in calls[key])
    total = sum(sizes[callee] for callee in _calls(proto.graph.node, functions))
    if total > _MOST_EXPANDED_NODES:
        raise ModelFileError(
            f"The model's functions stand for {total:,} nodes, more than the {_MOST_EXPANDED_NODES:,} that are opened: "
            "functions that call functions were nested to make them grow."
        )


def _key(domain: str, name: str) -> FunctionKey:
    return "" if domain == "ai.onnx" else domain, name


def _calls(nodes: Iterable[NodeProto], functions: dict[FunctionKey, FunctionProto]) -> list[FunctionKey]:
    """Return the functions that nodes call, also from within their subgraphs, once for each call."""
    found: list[FunctionKey] = []
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if (key := _key(node.domain, node.op_type)) in functions:
            found.append(key)
        for attribute in node.attribute:
            waiting += attribute.g.node
            for graph in attribute.graphs:
                waiting += graph.node
    return found
