"""Functions from ONNX models: one primitive a node, so that CNTK's ways of looking at graphs work on them.

A leading dimension of 1, or one that is not fixed, becomes the batch axis, as in CNTK up to 2.5; the batch is then
free, even where the exporter had written 1 into the shapes of Reshape. Of graphs that this front wrote, the steps of
sequences come back as a sequence axis. CNTK's own exports of sequences have the steps first, and CNTK 2.7 offers them
as static axes, `[* x 1 x 3]`: so they are here.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    inliner,
    numpy_helper,
    shape_inference,
    version_converter,
)

from onnx_workbench.cntk.as_onnx.inner_graphs import captured, inner_graphs
from onnx_workbench.cntk.as_onnx.node import PREFIX
from onnx_workbench.cntk.as_primitives.translation import with_own_primitives
from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.default_options import get_global_option
from onnx_workbench.cntk.errors import CntkRuntimeError
from onnx_workbench.cntk.exported_by_cntk import mend
from onnx_workbench.cntk.free_batch import keep_samples_apart
from onnx_workbench.cntk.graph import complete
from onnx_workbench.cntk.native.as_onnx import GRAPH_NAME, OPSET, STEPS, STEPS_FIRST
from onnx_workbench.cntk.ops.functions import Function, composite, primitive
from onnx_workbench.cntk.value_types import FREE, new_uid
from onnx_workbench.cntk.variables import Constant, Parameter, Variable
from onnx_workbench.core.formatting import clean_text
from onnx_workbench.core.model import Model
from onnx_workbench.core.old_opsets import default_opset
from onnx_workbench.core.payloads import Payloads, is_external
from onnx_workbench.core.protos import ONNX_ERRORS, tensors_of_model

_BATCH, _STEPS = "batch of cntk", "steps of cntk"
_STATISTICS = {"BatchNormalization": (3, 4)}
"""Inputs of operators that CNTK keeps as constants: training changes them, and learns nothing of them."""


def function_of_model(model: Model) -> Function:
    """Return the graph of an ONNX model.

    Weights are parameters, which can be trained. `set_global_option("onnx_batch_axis", False)` beforehand gives what
    CNTK 2.7 gives: inputs without a batch axis, and weights as constants.

    Raises
    ------
    CntkRuntimeError
        If its operators cannot be brought to the opset of this front, or its shapes contradict each other.
    """
    proto = _modern(model)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    if _has_steps_first(proto.graph):
        pass  # static axes, in CNTK 2.7 too
    elif not get_global_option("onnx_batch_axis", True):
        _batch_of_one(proto.graph)
    else:
        keep_samples_apart(proto)
        _free_batch(proto.graph)
        _mark_steps(proto.graph)
    return with_own_primitives(_Building(_inferred(proto), model.payloads).whole(), whole=False)


def _modern(model: Model) -> ModelProto:
    """Return a copy in the opset of this front; if it was in that, its large weights stay in their file."""
    proto = model.proto
    if default_opset(proto) >= OPSET:
        return _with_small_contents(model)
    proto = model.to_proto()
    mend(proto)
    try:
        return version_converter.convert_version(proto, OPSET)
    except ONNX_ERRORS as error:
        raise CntkRuntimeError(
            f"The model of opset {default_opset(proto)} cannot be brought to {OPSET}, which this front works in: "
            f"{clean_text(str(error))}. It can be run as it is: onnx_workbench.open_model(path)."
        ) from error


def _with_small_contents(model: Model) -> ModelProto:
    """Return a copy of a model that holds all contents but those of parameters, which are mapped from their file."""
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    own = len(proto.graph.initializer)  # which come first
    for index, tensor in enumerate(tensors_of_model(proto)):
        if is_external(tensor) and not (index < own and tensor.data_type in _NUMBERS):
            model.payloads.fill(tensor)
    return proto


def _has_steps_first(graph: GraphProto) -> bool:
    """Tell whether CNTK wrote a model of sequences: (steps, batch of 1, ...)."""
    return any(_dim_name(value, 0).startswith(STEPS_FIRST) for value in graph.input)


def _dim_name(value: ValueInfoProto, index: int) -> str:
    dims = value.type.tensor_type.shape.dim
    return str(dims[index].dim_param) if index < len(dims) else ""


def _mark_steps(graph: GraphProto) -> None:
    """Mark the steps of sequences, the second dimension of what this front wrote."""
    if graph.name != GRAPH_NAME:
        return
    for value in (*graph.input, *graph.output):
        name = _dim_name(value, 1)
        if name == STEPS or name.startswith(f"{STEPS}_"):
            value.type.tensor_type.shape.dim[0].dim_param = _BATCH
            value.type.tensor_type.shape.dim[1].dim_param = _STEPS + name[len(STEPS) :]


def _is_fixed(value: ValueInfoProto) -> bool:
    """Tell whether the first dimension of a value is a number above 1, or there is none."""
    dims = value.type.tensor_type.shape.dim
    return not dims or dims[0].dim_value > 1 or not value.type.tensor_type.HasField("shape")


def _batch_of_one(graph: GraphProto) -> None:
    """Make free leading dimensions 1, and keep them static, as CNTK 2.7 has the models that it wrote."""
    held = {tensor.name for tensor in graph.initializer}
    for value in (*graph.input, *graph.output):
        if value.name not in held and not _is_fixed(value):
            value.type.tensor_type.shape.dim[0].dim_value = 1


def _free_batch(graph: GraphProto) -> None:
    """Make leading dimensions of 1 free: of inputs, outputs, and in the shapes that Reshape is given."""
    held = {tensor.name for tensor in graph.initializer}
    nested = any(
        True for node in graph.node for _ in inner_graphs(node)
    )  # where the 1 may be written anywhere
    inputs = [
        value
        for value in graph.input
        if value.name not in held
        and not _is_fixed(value)
        and not (nested and _dims(value.type.tensor_type)[0] == 1)
    ]
    for value in inputs:
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    reached = {value.name for value in inputs}
    shapes = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.INT64}
    for node in graph.node:
        if node.op_type == "Constant":
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            if value is not None and value.data_type == TensorProto.INT64:
                shapes[node.output[0]] = value
        if not reached & set(node.input):
            continue
        reached |= set(node.output)
        if node.op_type == "Reshape" and node.input[0] in reached and node.input[1] in shapes:
            node.input[1] = _with_free_batch(graph, shapes[node.input[1]], node)
    del graph.value_info[:]
    for output in graph.output:
        if output.name in reached and not _is_fixed(output):
            output.type.tensor_type.shape.dim[0].Clear()


def _with_free_batch(graph: GraphProto, shape: TensorProto, node: NodeProto) -> str:
    """Return the name of a shape whose leading 1 is taken from the operand instead."""
    target = numpy_helper.to_array(shape)
    if (
        target.ndim != 1
        or not target.size
        or target[0] != 1
        or any(a.name == "allowzero" and a.i for a in node.attribute)
    ):
        return str(node.input[1])
    name = f"{node.output[0]}: shape with a free batch"
    graph.initializer.append(numpy_helper.from_array(np.array([0, *target[1:]], np.int64), name))
    return name


def _inferred(proto: ModelProto) -> ModelProto:
    try:
        return shape_inference.infer_shapes(proto, data_prop=True)
    except ONNX_ERRORS as error:
        raise CntkRuntimeError(
            f"The shapes of the model contradict each other: {clean_text(str(error))}"
        ) from error


class _Building:
    """One ONNX model on its way to a graph."""

    def __init__(self, proto: ModelProto, payloads: Payloads) -> None:
        self.proto, self.graph, self.payloads = proto, proto.graph, payloads
        values = [*self.graph.value_info, *self.graph.input, *self.graph.output]
        self.types = {value.name: value.type.tensor_type for value in values}
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and (tensor := _constant(node)) is not None:
                self.tensors[node.output[0]] = tensor
        self.statistics = {
            node.input[i]
            for node in self.graph.node
            for i in _STATISTICS.get(node.op_type, ())
            if i < len(node.input)
        }
        self.learned = bool(get_global_option("onnx_batch_axis", True))
        self.variables: dict[str, Variable] = {}
        self.led: dict[str, int] = {}

    def whole(self) -> Function:
        """Return the composite of all outputs."""
        for value in self.graph.input:
            if value.name not in self.tensors:
                self._add_input(value)
        for node in self.graph.node:
            if not (node.op_type == "Constant" and node.output[0] in self.tensors):
                self._add_node(node)
        outputs = [self._operand(value.name) for value in self.graph.output]
        owner = outputs[0].owner if len(outputs) == 1 and outputs[0].is_output else None
        if owner is not None and len(owner.outputs) == 1:
            complete([owner])
            return composite(owner)
        return composite(primitive("Combine", outputs))

    def _add_input(self, value: ValueInfoProto) -> None:
        dims, led = _dims(value.type.tensor_type), _dynamic_axes(value.type.tensor_type)
        variable = Variable(dims[led:], np.float32, dynamic_axes=_AXES[:led], name=value.name)
        variable._dtype = _dtype(value.type.tensor_type.elem_type)
        self.variables[value.name] = variable
        self.led[value.name] = led

    def _operand(self, name: str) -> Variable:
        if name not in self.variables:
            array = self.payloads.array(self.tensors[name])
            kind = Parameter if self.learned and name not in self.statistics else Constant
            made = kind((), dtype=array.dtype.type, name=name)
            made._keep(array)
            self.variables[name] = made
        return self.variables[name]

    def _own_name(self, node: NodeProto, value: str) -> str:
        """Return what CNTK calls a value: as its node, where CNTK wrote the model, or both are named alike."""
        if not node.name or len(node.output) > 1:
            return value
        alike = re.fullmatch(r"_[Oo]utput(_0)?", value.removeprefix(node.name))
        return str(node.name) if alike or self.proto.producer_name == "CNTK" else value

    def _add_node(self, node: NodeProto) -> None:
        operands: list[Variable] = []
        names: list[str] = []
        constants: dict[str, bytes] = {}
        for name in dict.fromkeys([*filter(None, node.input), *captured(node)]):
            if name in self.tensors and self.tensors[name].data_type not in _NUMBERS:
                constants[name] = self.tensors[name].SerializeToString()
            else:
                operands.append(self._operand(name))
                names.append(name)
        outputs = [name for name in node.output if name]
        most = max((self.led.get(name, 0) for name in names), default=0)
        shapes, axes, dtypes = [], [], []
        for name in outputs:
            tensor = self.types.get(name)
            dims = _dims(tensor) if tensor is not None and tensor.HasField("shape") else (FREE,)
            led = self.led[name] = _dynamic_axes(tensor, most)
            shapes.append(dims[led:])
            axes.append(led)
            dtypes.append(_dtype(tensor.elem_type if tensor is not None else TensorProto.FLOAT))
        attributes: dict[str, Any] = {
            "onnx": node.SerializeToString(),
            "operands": names,
            "constants": constants,
            "outputShapes": shapes,
            "outputAxes": axes,
            "outputDtypes": [np.dtype(dtype).name for dtype in dtypes],
            "opset": default_opset(self.proto),
            "ofSteps": most > 1,
        }
        op_name = f"{PREFIX}{node.op_type}"
        function = Function(
            op_name,
            operands,
            attributes,
            self._own_name(node, outputs[0]),
            outputs=len(outputs),
            uid=new_uid(node.op_type),
        )
        for name, output in zip(outputs, function._made, strict=True):
            output._name = self._own_name(node, name)
            self.variables[name] = output
        function.infer(lenient=False)


_NUMBERS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}


_AXES = (Axis.default_batch_axis(), Axis.default_dynamic_axis())


def _dynamic_axes(tensor: Any, most: int = 0) -> int:
    """Return how many dynamic axes a value has: by the names of its dimensions, or as what it is made of has them."""
    dims = [] if tensor is None or not tensor.HasField("shape") else list(tensor.shape.dim)
    if most and not dims:
        return 1 if tensor is None or not tensor.HasField("shape") else 0
    batch = bool(dims) and (dims[0].dim_param == _BATCH or (most > 0 and not dims[0].HasField("dim_value")))
    if not batch:
        return 0
    free = len(dims) > 1 and not dims[1].HasField("dim_value")
    return (
        2 if free and (dims[1].dim_param.startswith(_STEPS) or (most > 1 and not _is_named(dims[1]))) else 1
    )


def _is_named(dim: Any) -> bool:
    """Tell whether somebody named a dimension; shape inference makes up names of its own."""
    return bool(dim.dim_param) and not dim.dim_param.startswith("unk__")


def _constant(node: NodeProto) -> TensorProto | None:
    """Return the numbers of a Constant, if it is dense and of numbers."""
    for one in node.attribute:
        if one.name == "value":
            tensor: TensorProto = one.t
            return tensor
        if one.name in {"value_float", "value_floats", "value_int", "value_ints"}:
            dtype = np.float32 if "float" in one.name else np.int64
            return numpy_helper.from_array(np.array(helper.get_attribute_value(one), dtype))
    return None


def _dims(tensor: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else FREE for dim in tensor.shape.dim)


def _dtype(elem_type: int) -> Any:
    return helper.tensor_dtype_to_np_dtype(elem_type).type if elem_type else np.float32
