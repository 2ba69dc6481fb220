"""Graphs of CNTK written in the operators of ONNX, by one table of rules."""
