"""What CNTK keeps under `cntk.misc`: graphs whose functions are exchanged for others."""

from onnx_workbench.cntk.misc.converter import *
from onnx_workbench.cntk.misc.optimized_rnnstack_converter import *
