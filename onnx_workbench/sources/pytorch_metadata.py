"""What a torch module may carry for its export, named without importing torch."""

METADATA_ATTRIBUTE = "onnx_workbench_metadata"
"""Attribute of a module: a dict that may hold ``labels``, ``preprocessing`` and ``example_inputs``.

``training.fit`` sets it; what is given to the export wins.
"""
