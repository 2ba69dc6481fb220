"""Faults in attributes: normalization, activations, windows."""

from __future__ import annotations

import numpy as np
from onnx import helper
from planting import fault


@fault("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization")
def epsilon_of_1e_2(draft, node):
    draft.set_attribute(node, "epsilon", 1e-2)
    return True


@fault("BatchNormalization")
def batch_normalization_in_training(draft, node):
    draft.set_attribute(node, "training_mode", 1)
    node.output.extend([f"{node.output[0]}_mean", f"{node.output[0]}_var"])
    return True


@fault("BatchNormalization")
def running_mean_and_variance_swapped(draft, node):
    node.input[3], node.input[4] = node.input[4], node.input[3]
    return draft.shape(node.input[3]) == draft.shape(node.input[4])


@fault("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization")
def one_scale_doubled(draft, node):
    scale = draft.weight(node, 1)
    if scale is None:
        return False
    scale[draft.rng.integers(len(scale))] *= 2
    draft.set_weight(node, 1, scale)
    return True


@fault("LayerNormalization")
def layer_normalization_over_another_axis(draft, node):
    draft.set_attribute(node, "axis", draft.attribute(node, "axis", -1) - 1)
    return True


@fault("Relu")
def relu_made_leaky(draft, node):
    draft.become(node, "LeakyRelu", alpha=0.01)
    return True


@fault("Relu", "Sigmoid", "Tanh", "Gelu", "Clip", "LeakyRelu", "Elu", "PRelu", "HardSwish", "Softplus")
def activation_dropped(draft, node):
    draft.become(node, "Identity", [node.input[0]])
    return True


@fault("Sigmoid")
def sigmoid_made_hard(draft, node):
    draft.become(node, "HardSigmoid")
    return True


@fault("Gelu")
def gelu_approximated_or_not(draft, node):
    exact = draft.attribute(node, "approximate", "none") == "none"
    draft.set_attribute(node, "approximate", "tanh" if exact else "none")
    return True


@fault("Softmax", "LogSoftmax")
def softmax_over_another_axis(draft, node):
    draft.set_attribute(node, "axis", len(draft.shape(node.input[0])) - 2)
    return True


@fault("Softmax")
def softmax_of_doubled_logits(draft, node):
    x = node.input[0]
    node.input[0] = f"{x}_doubled"
    draft.insert_before(node, helper.make_node("Add", [x, x], [f"{x}_doubled"]))
    return {node.output[0], f"{x}_doubled"}


@fault("Conv", "MaxPool", "AveragePool")
def padding_shifted(draft, node):
    pads = list(draft.attribute(node, "pads", []))
    if len(pads) != 4 or not any(pads) or draft.attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return False
    draft.set_attribute(node, "pads", [pads[0] + 1, pads[1], pads[2] - 1, pads[3]])
    return True


@fault("Conv")
def dilated_at_the_same_shape(draft, node):
    kernel = draft.shape(node.input[1])[2:]
    if kernel != (3, 3) or draft.attribute(node, "dilations", [1, 1]) != [1, 1]:
        return False
    draft.set_attribute(node, "dilations", [2, 2])
    draft.set_attribute(node, "pads", [p + 1 for p in draft.attribute(node, "pads", [0] * 4)])
    return True


@fault("Conv", "MaxPool")
def strides_of_another_phase(draft, node):
    """Pad below and to the right where the other framework pads above and to the left ("SAME")."""
    if draft.attribute(node, "strides", [1, 1]) != [2, 2]:
        return False
    pads = list(draft.attribute(node, "pads", [0] * 4))
    if not pads[0] or len(pads) != 4:
        return False
    draft.set_attribute(node, "pads", [pads[0] - 1, pads[1] - 1, pads[2] + 1, pads[3] + 1])
    return True


@fault("MaxPool", "AveragePool")
def smaller_pooling_window(draft, node):
    if draft.attribute(node, "kernel_shape") != [3, 3]:
        return False
    pads = draft.attribute(node, "pads", [0] * 4)
    draft.set_attribute(node, "kernel_shape", [2, 2])
    draft.set_attribute(node, "pads", [pads[0], pads[1], max(0, pads[2] - 1), max(0, pads[3] - 1)])
    return True


@fault("AveragePool")
def padding_counted_in_the_average(draft, node):
    draft.set_attribute(node, "count_include_pad", 1 - draft.attribute(node, "count_include_pad", 0))
    return True


@fault("MaxPool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceMax")
def pooled_or_reduced_otherwise(draft, node):
    other = {
        "MaxPool": "AveragePool",
        "GlobalAveragePool": "GlobalMaxPool",
        "ReduceMean": "ReduceMax",
        "ReduceSum": "ReduceMean",
        "ReduceMax": "ReduceMean",
    }
    node.op_type = other[node.op_type]
    for name in ("dilations", "storage_order"):
        draft.drop_attribute(node, name)
    return True


@fault("Resize")
def resized_in_another_mode(draft, node):
    nearest = draft.attribute(node, "mode", "nearest") == "nearest"
    draft.set_attribute(node, "mode", "linear" if nearest else "nearest")
    return True


@fault("Resize")
def corners_aligned_or_not(draft, node):
    aligned = draft.attribute(node, "coordinate_transformation_mode") == "align_corners"
    draft.set_attribute(node, "coordinate_transformation_mode", "half_pixel" if aligned else "align_corners")
    return True


@fault("Pad")
def padded_with_another_value(draft, node):
    if draft.attribute(node, "mode", "constant") != "constant":
        draft.set_attribute(node, "mode", "edge")
        return True
    value = draft.add_weight(np.array(1, draft.values[node.input[0]].dtype))
    while len(node.input) < 3:
        node.input.append("")
    node.input[2] = value
    return True


@fault("DepthToSpace")
def depth_to_space_in_another_order(draft, node):
    draft.set_attribute(node, "mode", "DCR" if draft.attribute(node, "mode", "DCR") == "CRD" else "CRD")
    return True
