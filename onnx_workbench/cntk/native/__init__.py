"""CNTK's native files: read, written, and turned into graphs and ONNX."""
