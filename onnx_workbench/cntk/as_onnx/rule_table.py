"""All rules by operator: what is written here holds where two files have one for the same operator."""

from __future__ import annotations

from onnx_workbench.cntk.as_onnx.more_rules import MORE_RULES, exact_normalization, with_symmetric_padding
from onnx_workbench.cntk.as_onnx.negative_samples import with_negative_samples
from onnx_workbench.cntk.as_onnx.node import PREFIX, onnx_node
from onnx_workbench.cntk.as_onnx.random_rules import RANDOM_RULES
from onnx_workbench.cntk.as_onnx.rule_parts import Rule, same
from onnx_workbench.cntk.as_onnx.rules import RULES
from onnx_workbench.cntk.as_onnx.sequences import SEQUENCE_RULES
from onnx_workbench.cntk.as_onnx.shape_rules import SHAPE_RULES
from onnx_workbench.cntk.as_onnx.step_rules import STEP_RULES, with_dynamic_axes
from onnx_workbench.cntk.as_onnx.step_windows import along_steps_too, lengths_after
from onnx_workbench.cntk.as_onnx.windows import WINDOW_RULES, by_sample

ALL_RULES: dict[str, Rule] = {
    **RULES,
    **SHAPE_RULES,
    **WINDOW_RULES,
    **SEQUENCE_RULES,
    **MORE_RULES,
    **STEP_RULES,
    **RANDOM_RULES,
    "CosDistanceWithNegativeSamples": with_negative_samples,
    "LabelsToGraph": same,
    "Convolution": along_steps_too(WINDOW_RULES["Convolution"]),
    "ConvolutionSequenceShape": lengths_after,
    "BatchNormalization": by_sample(exact_normalization(RULES["BatchNormalization"])),
    "Pad": with_symmetric_padding(SHAPE_RULES["Pad"]),
    "ReduceElements": with_dynamic_axes(RULES["ReduceElements"]),
}


def rule_for(operator: str) -> Rule | None:
    """Return how a primitive is written, None if there is no rule for it."""
    return onnx_node if operator.startswith(PREFIX) else ALL_RULES.get(operator)
