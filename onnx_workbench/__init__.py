"""ONNX Workbench: open a model from anywhere, see it, run it, trust it, ship it."""
