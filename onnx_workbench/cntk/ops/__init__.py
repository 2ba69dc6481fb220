"""Operators: what graphs are made of, by CNTK's names."""

from __future__ import annotations

from onnx_workbench.cntk.losses import (
    binary_cross_entropy,
    cosine_distance,
    cosine_distance_with_negative_samples,
    cross_entropy_with_softmax,
    fmeasure,
    hierarchical_softmax_layer,
    lambda_rank,
    lattice_sequence_with_softmax,
    nce_loss,
    squared_error,
    weighted_binary_cross_entropy,
)
from onnx_workbench.cntk.metrics import classification_error, edit_distance_error, ndcg_at_1
from onnx_workbench.cntk.ops import sequence
from onnx_workbench.cntk.ops.alignment import forward_backward, labels_to_graph
from onnx_workbench.cntk.ops.composition import *
from onnx_workbench.cntk.ops.elementwise import *
from onnx_workbench.cntk.ops.functions import *
from onnx_workbench.cntk.ops.inputs import *
from onnx_workbench.cntk.ops.neural import *
from onnx_workbench.cntk.ops.not_here import *
from onnx_workbench.cntk.ops.reductions import *
from onnx_workbench.cntk.ops.reshaping import *
from onnx_workbench.cntk.ops.rnn_stacks import optimized_rnnstack
from onnx_workbench.cntk.ops.sampling import *
from onnx_workbench.cntk.ops.tensors import *
from onnx_workbench.cntk.ops.to_sequence import to_sequence, to_sequence_like
from onnx_workbench.cntk.ops.user_functions import UserFunction, user_function
