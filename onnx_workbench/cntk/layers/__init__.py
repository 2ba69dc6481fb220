"""The layers library, by CNTK's names, and what scripts have of `from cntk.layers import *` besides."""

from __future__ import annotations

from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.default_options import (
    default_options,
    default_options_for,
    default_override_or,
    get_default_override,
    is_default_override,
)
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.blocks import *
from onnx_workbench.cntk.layers.higher_order_layers import *
from onnx_workbench.cntk.layers.layers import *
from onnx_workbench.cntk.layers.models import *
from onnx_workbench.cntk.layers.sequence import *
from onnx_workbench.cntk.layers.typing import *
from onnx_workbench.cntk.ops import (
    alias,
    batch_normalization,
    combine,
    dropout,
    placeholder,
    reconcile_dynamic_axes,
    reduce_mean,
    reshape,
    sigmoid,
    slice,
    softplus,
    splice,
    sqrt,
    tanh,
    times,
    unpooling,
)
from onnx_workbench.cntk.ops.functions import BlockFunction, Function
from onnx_workbench.cntk.variables import Constant, Parameter, Record, Variable
