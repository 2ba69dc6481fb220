"""ONNX Workbench: open a model from anywhere, see it, run it, trust it, ship it."""

import onnx_workbench.analysis.preflight  # noqa: F401  # installs what looks at fresh exports
from onnx_workbench.analysis.classification import classify
from onnx_workbench.analysis.comparison import Comparison, compare
from onnx_workbench.analysis.doctor import doctor
from onnx_workbench.analysis.parity import check_parity
from onnx_workbench.analysis.predictions import Predictions
from onnx_workbench.analysis.summary import Summary, summarize
from onnx_workbench.analysis.tracing import Trace, trace
from onnx_workbench.core.errors import WorkbenchError
from onnx_workbench.core.images import load_image
from onnx_workbench.core.model import Model
from onnx_workbench.core.preprocessing import Preprocessing
from onnx_workbench.runtime.profile_result import Profile
from onnx_workbench.runtime.profiling import profile
from onnx_workbench.runtime.session import Session, run
from onnx_workbench.sources.open import open_model
from onnx_workbench.views.view import view

__all__ = [
    "Comparison",
    "Model",
    "Predictions",
    "Preprocessing",
    "Profile",
    "Session",
    "Summary",
    "Trace",
    "WorkbenchError",
    "check_parity",
    "classify",
    "compare",
    "doctor",
    "load_image",
    "open_model",
    "profile",
    "run",
    "summarize",
    "trace",
    "view",
]
