"""What the lessons use beyond the workbench itself."""

from onnx_workbench.lessons.find_the_bug import find_the_bug
from onnx_workbench.lessons.old_model import old_cntk_model
from onnx_workbench.lessons.playground import playground

__all__ = ["find_the_bug", "old_cntk_model", "playground"]
