"""All layers that are one block: the module that CNTK calls `cntk.layers.layers`."""

from __future__ import annotations

from onnx_workbench.cntk.layers.convolution import (
    Convolution,
    Convolution1D,
    Convolution2D,
    Convolution3D,
    SequentialConvolution,
)
from onnx_workbench.cntk.layers.convolution_transpose import (
    ConvolutionTranspose,
    ConvolutionTranspose1D,
    ConvolutionTranspose2D,
    ConvolutionTranspose3D,
)
from onnx_workbench.cntk.layers.dense import Activation, Dense, Dropout, Embedding, Label
from onnx_workbench.cntk.layers.normalization import BatchNormalization, LayerNormalization
from onnx_workbench.cntk.layers.pooling import (
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    MaxUnpooling,
)

__all__ = [
    "Activation",
    "AveragePooling",
    "BatchNormalization",
    "Convolution",
    "Convolution1D",
    "Convolution2D",
    "Convolution3D",
    "ConvolutionTranspose",
    "ConvolutionTranspose1D",
    "ConvolutionTranspose2D",
    "ConvolutionTranspose3D",
    "Dense",
    "Dropout",
    "Embedding",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "Label",
    "LayerNormalization",
    "MaxPooling",
    "MaxUnpooling",
    "SequentialConvolution",
]
