"""CNTK models and CNTK code, with no CNTK installed."""

from onnx_workbench.cntk import ops  # noqa: I001 - operators first: losses and layers are made of them
from onnx_workbench.cntk import (
    axis,
    cntk_py,
    core,
    debugging,
    device,
    eval,
    initializer,
    internal,
    io,
    layers,
    learners,
    logging,
    losses,
    metrics,
    misc,
    random,
    sample_installer,
    tensor,
    train,
    value_types,
    variables,
)
from onnx_workbench.cntk.axis import Axis
from onnx_workbench.cntk.core import NDArrayView, Value, asarray, asvalue
from onnx_workbench.cntk.default_options import (
    default_options,
    default_options_for,
    default_override_or,
    get_default_override,
    get_global_option,
    is_default_override,
    set_global_option,
)
from onnx_workbench.cntk.device import *
from onnx_workbench.cntk.initializer import *
from onnx_workbench.cntk.install import install
from onnx_workbench.cntk.learners import *
from onnx_workbench.cntk.internal import utils
from onnx_workbench.cntk.internal.sanitize import *
from onnx_workbench.cntk.internal.utils import get_data_type
from onnx_workbench.cntk.io import MinibatchData
from onnx_workbench.cntk.io.minibatch_source import INFINITELY_REPEAT
from onnx_workbench.cntk.logging.graph import plot
from onnx_workbench.cntk.ops import *
from onnx_workbench.cntk.ops import sequence
from onnx_workbench.cntk.train import *
from onnx_workbench.cntk.train import distributed, trainer
from onnx_workbench.cntk.variables import Constant, Parameter, Record, Variable

InferredDimension, FreeDimension = value_types.INFERRED, value_types.FREE

__version__ = "2.7"
"""The CNTK whose ways these are."""
