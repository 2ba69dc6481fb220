"""What CNTK keeps under `cntk.logging`."""

from onnx_workbench.cntk.logging import graph, progress_print
from onnx_workbench.cntk.logging.graph import *
from onnx_workbench.cntk.logging.progress_print import *
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter
from onnx_workbench.cntk.logging.trace_level import *
