"""Operators that ONNX has no words for, or draws other numbers for: computed here, between pieces of the graph."""
