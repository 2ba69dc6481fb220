"""Switches of `cntk.debugging`, and texts of graphs."""

from onnx_workbench.cntk.debugging.debug import *
from onnx_workbench.cntk.debugging.profiler import *
from onnx_workbench.cntk.debugging.stepping import *
