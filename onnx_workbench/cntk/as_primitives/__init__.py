"""Nodes of imported ONNX models as CNTK's own primitives, which native files can hold."""
