"""Attention of a decoder to the states of an encoder (Bahdanau and others, 2014)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from onnx_workbench.cntk import ops
from onnx_workbench.cntk.default_options import default_options, default_override_or, options_of
from onnx_workbench.cntk.initializer import glorot_uniform
from onnx_workbench.cntk.layers.blocks import Stabilizer
from onnx_workbench.cntk.layers.dense import Dense, Label
from onnx_workbench.cntk.layers.sequence import PastValueWindow
from onnx_workbench.cntk.layers.shapes import named
from onnx_workbench.cntk.ops.functions import Function

__all__ = ["AttentionModel"]

_MINUS_INFINITY = -1e30


@dataclass(frozen=True)
class _Projections:
    """What is learnt: projections of both states and of their sum, and the scale of the result."""

    encoder: Any
    decoder: Any
    energy: Any
    final: Any


def AttentionModel(
    attention_dim: int,
    attention_span: int | None = None,
    attention_axis: int | None = None,
    init: Any = default_override_or(glorot_uniform()),
    go_backwards: Any = default_override_or(False),
    enable_self_stabilization: Any = default_override_or(True),
    name: str = "",
) -> Any:
    """Return a function ``(encoder states, decoder state) -> what the decoder attends to``.

    Parameters
    ----------
    attention_dim
        Length of the vectors that are compared.
    attention_span, attention_axis
        Window over the encoder and where it is stacked: the old form. None, None attends to the whole sequence.
    init, go_backwards, enable_self_stabilization
        As in CNTK; `default_options` overrides them.
    name
        Name of the result.
    """
    init, go_backwards, stabilize = options_of(
        AttentionModel,
        init=init,
        go_backwards=go_backwards,
        enable_self_stabilization=enable_self_stabilization,
    )
    if (attention_span is None) != (attention_axis is None):
        raise ValueError(
            "attention_span and attention_axis go together: "
            f"got attention_span={attention_span}, attention_axis={attention_axis}."
        )
    if attention_span is not None and attention_span <= 0:
        raise ValueError(f"attention_span must be a positive value; got {attention_span}.")

    def projection(size: int) -> Any:
        return Stabilizer(enable_self_stabilization=stabilize) >> Dense(size, init=init, input_rank=1)

    with default_options(bias=False):
        parts = [projection(attention_dim), projection(attention_dim), projection(1)]
    learnt = _Projections(parts[0], parts[1], parts[2], Stabilizer(enable_self_stabilization=stabilize))
    if attention_span is None:
        return named(Function(_over_everything(learnt)), name)
    warnings.warn(
        "Specifying non-default values for attention_span and attention_axis has been deprecated since version 2.2.",
        DeprecationWarning,
        stacklevel=2,
    )
    window = PastValueWindow(attention_span, axis=attention_axis or 0, go_backwards=go_backwards)
    return named(Function(_over_window(learnt, window, attention_axis)), name)


def _over_everything(learnt: _Projections) -> Any:
    def new_attention(encoder_hidden_state: Any, decoder_hidden_state: Any) -> Any:
        unpacked, mask = ops.sequence.unpack(encoder_hidden_state, padding_value=0).outputs
        encoded = ops.sequence.broadcast_as(learnt.encoder(unpacked), decoder_hidden_state)
        valid = ops.sequence.broadcast_as(ops.reshape(mask, (1,), 1), decoder_hidden_state)
        compared = ops.tanh(learnt.decoder(decoder_hidden_state) + encoded)
        energy = ops.element_select(valid, learnt.energy(compared), ops.constant(_MINUS_INFINITY))
        weights = Label("attention_weights")(ops.softmax(energy, axis=0))
        attended = ops.reduce_sum(weights * ops.sequence.broadcast_as(unpacked, weights), axis=0)
        return learnt.final(ops.reshape(attended, (), 0, 1))

    return new_attention


def _over_window(learnt: _Projections, window: Any, axis: int | None) -> Any:
    def old_attention(h_enc: Any, h_dec: Any) -> Any:
        states, valid = window(h_enc).outputs
        encoded = ops.sequence.broadcast_as(learnt.encoder(states), h_dec)
        valid = ops.sequence.broadcast_as(valid, h_dec)
        energy = learnt.energy(ops.tanh(learnt.decoder(h_dec) + encoded))
        weights = ops.softmax(energy + (valid - 1) * 50, axis=axis)  # e**-50 is nothing beside 1
        weights = Label("attention_weights")(weights)
        attended = ops.element_times(ops.sequence.broadcast_as(states, h_dec), weights)
        return learnt.final(ops.reduce_sum(attended, axis=axis))

    return old_attention
