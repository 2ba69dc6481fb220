"""Operators of CNTK that are not computed here: each says what to do instead."""

from __future__ import annotations

from typing import Any, NoReturn

from onnx_workbench.cntk.errors import UnsupportedOperatorError

__all__ = [
    "crop_automatic",
    "crop_automatic_with_ancestors",
    "custom_proxy_op",
    "native_user_function",
    "register_native_user_function",
]


def _refuse(name: str, why: str) -> NoReturn:
    raise UnsupportedOperatorError(f"{name} is not supported: {why}")


def crop_automatic(node_input: Any, node_referent: Any, name: str = "") -> NoReturn:
    """Refuse: offsets are not worked out from what lies between two nodes."""
    _refuse(
        "crop_automatic",
        "offsets are not worked out from the graph here. Give them: crop_manual(node_input, node_referent, offset_x, "
        "offset_y); a convolution or pooling without padding adds half its window, the strides before it multiply.",
    )


def crop_automatic_with_ancestors(
    node_input: Any, node_referent: Any, ancestor_input: Any, ancestor_referent: Any, name: str = ""
) -> NoReturn:
    """Refuse: offsets are not worked out from what lies between two nodes."""
    _refuse(
        "crop_automatic_with_ancestors",
        "offsets are not worked out from the graph here. Give them: crop_manual(node_input, node_referent, offset_x, "
        "offset_y).",
    )


def custom_proxy_op(
    custom_op: Any, output_shape: Any, output_data_type: Any, *operands: Any, **_: Any
) -> NoReturn:
    """Refuse: it stands for code that is elsewhere."""
    _refuse(
        f"custom_proxy_op({custom_op!r})",
        "it stands for code in C++ that is not here. Write the operator in Python: derive from UserFunction.",
    )


def native_user_function(
    op_id: str, operands: Any, attributes: Any = None, user_function_instance_name: str = ""
) -> NoReturn:
    """Refuse: functions in C++ are not called."""
    _refuse(
        f"native_user_function({op_id!r})",
        "functions in C++ are not called here. Write the operator in Python: derive from UserFunction.",
    )


def register_native_user_function(op_id: str, module_name: str, factory_method_name: str) -> NoReturn:
    """Refuse: functions in C++ are not called."""
    _refuse(
        f"register_native_user_function({op_id!r})",
        f"functions in C++, such as those of {module_name!r}, are not called here. Write the operator in Python: "
        "derive from UserFunction.",
    )
