"""Whole models made of layers."""

from __future__ import annotations

from onnx_workbench.cntk.layers.models.attention import *
