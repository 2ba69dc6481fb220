"""The layers library, by CNTK's names."""

from __future__ import annotations

from onnx_workbench.cntk.default_options import (
    default_options,
    default_options_for,
    default_override_or,
    get_default_override,
)
from onnx_workbench.cntk.layers.blocks import *
from onnx_workbench.cntk.layers.higher_order_layers import *
from onnx_workbench.cntk.layers.layers import *
from onnx_workbench.cntk.layers.models import *
from onnx_workbench.cntk.layers.sequence import *
from onnx_workbench.cntk.layers.typing import *
