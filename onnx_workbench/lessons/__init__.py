"""What the lessons use beyond the workbench itself."""

from onnx_workbench.lessons.old_model import old_cntk_model
from onnx_workbench.lessons.playground import playground

__all__ = ["old_cntk_model", "playground"]
