"""Helpers that scripts written for CNTK import from `cntk.internal`."""

from __future__ import annotations

from onnx_workbench.cntk.internal.sanitize import *
from onnx_workbench.cntk.internal.swig_helper import map_if_possible
