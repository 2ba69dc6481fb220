"""What CNTK keeps under `cntk.logging`."""

from onnx_workbench.cntk.logging import graph
from onnx_workbench.cntk.logging.graph import *
from onnx_workbench.cntk.logging.progress_print import ProgressPrinter
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter, TrainingSummaryProgressCallback
