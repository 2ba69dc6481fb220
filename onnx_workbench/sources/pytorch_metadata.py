"""What a torch module may carry for its export, named without importing torch."""

METADATA_ATTRIBUTE = "onnx_workbench_metadata"
"""Attribute of a module: a dict that may hold ``labels`` and ``preprocessing``; ``training.fit`` sets it."""
