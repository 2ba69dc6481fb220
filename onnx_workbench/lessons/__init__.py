"""What the lessons use beyond the workbench itself."""

from onnx_workbench.lessons.playground import playground

__all__ = ["playground"]
