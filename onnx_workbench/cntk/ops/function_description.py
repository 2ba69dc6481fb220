"""What a function is made of, as CNTK's users ask for it: names, attributes, inputs and outputs."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from onnx_workbench.cntk.errors import (
    CntkRuntimeError,
    CntkTypeError,
    CntkValueError,
)
from onnx_workbench.cntk.graph import file_order, leaves_of
from onnx_workbench.cntk.tensor_operators import TensorOperators
from onnx_workbench.cntk.value_types import held_key
from onnx_workbench.cntk.variables import Variable


class FunctionDescription(TensorOperators):
    """The side of a Function that tells what it is: one primitive, one block, or everything below a root."""

    _under_construction: ClassVar[
        list[Variable]
    ] = []  # arguments of Python functions being turned into Functions
    native_operator = ""  # what files call it, where that is not its op_name
    uid: str
    _op_name: str
    _name: str
    _operands: list[Variable]
    _attributes: dict[str, Any]
    _root: Any
    _block: Any
    _block_map: list[tuple[Variable, Variable]]
    _cache: dict[Any, Any]
    _custom: dict[str, Any]
    _made: list[Variable]

    @cached_property
    def key(self) -> str:
        """Its uid, or where something else has the same, as files read twice give, one like it."""
        return held_key(self, self.uid)

    @property
    def is_composite(self) -> bool:
        """Whether it is a whole graph."""
        return self._root is not None

    @property
    def is_primitive(self) -> bool:
        """Whether it is one operator."""
        return self._root is None

    @property
    def is_block(self) -> bool:
        """Whether it is a graph shown as one operator."""
        return self._block is not None if self._root is None else False

    @property
    def root_function(self) -> Any:
        """The primitive or block that computes the outputs."""
        return self._root if self._root is not None else self

    @property
    def block_root(self) -> Any:
        """The root of the graph inside a block."""
        if not self.root_function._block:
            raise CntkRuntimeError("block_root: this Function is no block.")
        return self.root_function._block.root_function

    @property
    def block_composite(self) -> Any:
        """The graph inside a block."""
        return self.root_function._block

    @property
    def block_arguments_mapping(self) -> list[tuple[Variable, Variable]]:
        """Placeholders inside a block, each with what stands for it outside.

        Raises
        ------
        ValueError
            If the Function is no block.
        """
        if not self.root_function.is_block:
            raise CntkValueError(
                f"block_arguments_mapping: the Function '{self}' is not a block, which softmax with an axis is, say."
            )
        return list(self.root_function._block_map)

    @property
    def op_name(self) -> str:
        """The operator's name."""
        return "CompositeFunctionOpName" if self.is_composite else self._op_name

    @property
    def name(self) -> str:
        """The name given, or nothing."""
        return self._name

    @name.setter
    def name(self, new: str) -> None:
        if self.name:
            raise CntkValueError(f"The Function is named {self.name!r} already; a name cannot be changed.")
        self._name = new  # as in CNTK, a graph named as a whole leaves its root and outputs as they are

    @property
    def attributes(self) -> dict[str, Any]:
        """Fixed arguments of the operator, by CNTK's names."""
        return self.root_function._attributes  # type: ignore[no-any-return]

    def set_attribute(self, name: str, value: Any) -> None:
        """Change a fixed argument of the operator, such as ``dropoutRate``."""
        if name not in self.root_function._attributes:
            raise CntkValueError(
                f"{self.root_function.op_name} has no attribute {name!r}; it has "
                f"{', '.join(self.root_function._attributes) or 'none'}."
            )
        self.root_function._attributes[name] = value
        self.root_function._cache = {}

    @property
    def custom_attributes(self) -> dict[str, Any]:
        """What users keep with a function."""
        return self.root_function._custom  # type: ignore[no-any-return]

    @custom_attributes.setter
    def custom_attributes(self, values: dict[str, Any] | None) -> None:
        if not isinstance(values or {}, dict):
            raise CntkTypeError("values must be a dictionary")
        self.root_function._custom = dict(values or {})

    # What it reads and computes

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """Operands of a primitive; leaves of a composite."""
        if self._root is not None:
            return tuple(leaves_of(self._root))
        if self._block is None:
            return tuple(self._operands)
        inner = {placeholder for placeholder, _ in self._block_map}
        leaves = leaves_of(self._block.root_function, inside_block=True)
        own = [leaf for leaf in leaves if leaf not in inner]
        mapped = [outer for _, outer in self._block_map]
        return tuple(dict.fromkeys([*(leaf for leaf in own if leaf not in mapped), *mapped]))

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """What it computes."""
        if self._root is not None:
            return self._root.outputs  # type: ignore[no-any-return]
        return tuple(self._operands) if self._op_name == "Combine" else tuple(self._made)

    @property
    def output(self) -> Variable:
        """What it computes, if that is one thing."""
        if len(self.outputs) != 1:
            raise CntkRuntimeError(
                f"Output: this Function has {len(self.outputs)} outputs; choose one of .outputs: "
                f"{', '.join(map(str, self.outputs))}."
            )
        return self.outputs[0]

    @property
    def arguments(self) -> tuple[Variable, ...]:
        """Inputs and placeholders: what a call must give."""
        own = (leaf for leaf in self.inputs if leaf.is_input or leaf.is_placeholder or leaf.is_output)
        return tuple(dict.fromkeys(own))

    def _leaves_in_file_order(self) -> tuple[Variable, ...]:
        """Return the inputs in the order of CNTK's native code, where products have their weights first."""
        if self._root is not None:
            return tuple(leaves_of(self._root, inside_block=True))
        return tuple(dict.fromkeys(file_order(self)))

    @property
    def parameters(self) -> tuple[Variable, ...]:
        """What is learnt."""
        return tuple(leaf for leaf in self._leaves_in_file_order() if leaf.is_parameter)

    @property
    def constants(self) -> tuple[Variable, ...]:
        """What stays."""
        return tuple(leaf for leaf in self._leaves_in_file_order() if leaf.is_constant)

    @property
    def placeholders(self) -> tuple[Variable, ...]:
        """What waits for something to take its place."""
        return tuple(leaf for leaf in self._leaves_in_file_order() if leaf.is_placeholder)

    @property
    def signature(self) -> tuple[Variable, ...]:
        """The arguments, without those of a Python function that is just being turned into a Function."""
        hidden = self._under_construction
        return tuple(argument for argument in self.arguments if not any(argument is one for one in hidden))

    @property
    def type(self) -> Any:
        """Shape, dtype and axes of the only output."""
        return self.output.type
