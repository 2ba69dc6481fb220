"""What users call in CNTK's C++ bindings: seeds, initialisers, numbers of kinds, switches that change nothing."""

from __future__ import annotations

from typing import Any

from onnx_workbench.cntk.initializer import (
    INFERRED_RANK,
    Initializer,
    bilinear,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    normal,
    truncated_normal,
    uniform,
    xavier,
)
from onnx_workbench.cntk.io.source_config import MinibatchSourceConfig, to_dictionary
from onnx_workbench.cntk.learners.learner import default_unit_gain_value, set_default_unit_gain_value
from onnx_workbench.cntk.logging.progress_writer import ProgressWriter
from onnx_workbench.cntk.logging.trace_level import get_trace_level, set_trace_level
from onnx_workbench.cntk.seeds import (
    AUTO,
    get_fixed_random_seed,
    is_random_seed_fixed,
    reset_random_seed,
    set_fixed_random_seed,
)
from onnx_workbench.cntk.threads import get_max_num_cputhreads, set_max_num_cputhreads

__all__ = [
    "MinibatchSourceConfig",
    "ProgressWriter",
    "always_allow_setting_default_device",
    "constant_initializer",
    "default_unit_gain_value",
    "force_deterministic_algorithms",
    "get_fixed_random_seed",
    "get_max_num_cputhreads",
    "get_random_seed",
    "get_trace_level",
    "is_random_seed_fixed",
    "number_of_workers",
    "reset_random_seed",
    "sentinel_value_for_auto_select_random_seed",
    "set_default_unit_gain_value",
    "set_fixed_random_seed",
    "set_max_num_cputhreads",
    "set_trace_level",
    "should_force_deterministic_algorithms",
    "to_dictionary",
    "worker_global_rank",
]

InferredDimension, FreeDimension = -1, -3
sentinel_value_for_auto_select_random_seed = AUTO
sentinel_value_for_infer_param_init_rank = INFERRED_RANK
default_param_init_scale = default_param_init_output_rank = 1
default_param_init_filter_rank = 0

DataType_Unknown, DataType_Float, DataType_Double, DataType_Float16, DataType_Int8, DataType_Int16 = (
    0,
    1,
    2,
    4,
    5,
    6,
)
DataUnit_Sweep, DataUnit_Sample, DataUnit_Minibatch = 0, 1, 2
DeviceKind_CPU, DeviceKind_GPU = 0, 1
MaskKind_Invalid, MaskKind_Valid, MaskKind_SequenceBegin = 0, 1, 2
ModelFormat_CNTKv2, ModelFormat_ONNX = 0, 1
PaddingMode_CONSTANTPAD, PaddingMode_REFLECTPAD, PaddingMode_SYMMETRICPAD = 0, 1, 2
ParameterCloningMethod_Share, ParameterCloningMethod_Clone, ParameterCloningMethod_Freeze = 0, 1, 2
PoolingType_Max, PoolingType_Average = 0, 1
StorageFormat_Dense, StorageFormat_SparseCSC, StorageFormat_SparseBlockCol = 0, 1, 2
TraceLevel_Error, TraceLevel_Warning, TraceLevel_Info = 0, 1, 2
VariableKind_Input, VariableKind_Output, VariableKind_Parameter = 0, 1, 2
VariableKind_Constant, VariableKind_Placeholder = 3, 4

uniform_initializer, normal_initializer, truncated_normal_initializer = uniform, normal, truncated_normal
xavier_initializer, bilinear_initializer = xavier, bilinear
glorot_uniform_initializer, glorot_normal_initializer = glorot_uniform, glorot_normal
he_uniform_initializer, he_normal_initializer = he_uniform, he_normal


def constant_initializer(value: float = 0.0) -> Initializer:
    """Return what fills a parameter with one number."""
    return Initializer("constant", float(value))


def get_random_seed() -> int:
    """Return the seed that is fixed."""
    return get_fixed_random_seed()


def number_of_workers() -> int:
    """Return how many workers there are: one."""
    return 1


def worker_global_rank() -> int:
    """Return the number of this worker: the first."""
    return 0


def should_force_deterministic_algorithms() -> bool:
    """Tell that results are the same each time."""
    return True


def always_allow_setting_default_device() -> None:
    """Accept: the device can always be set, to the CPU."""


def force_deterministic_algorithms() -> None:
    """Accept: onnxruntime on the CPU computes the same each time."""


_SWITCHES = frozenset(
    {
        "allow_renaming_functions",
        "disable_cpueval_optimization",
        "disable_forward_values_sharing",
        "disable_gradient_accumulation_optimization",
        "disable_node_timeing",
        "enable_cpueval_optimization",
        "enable_forward_values_sharing",
        "enable_gradient_accumulation_optimization",
        "enable_node_timing",
        "enable_reversing_tensor_shapes_in_error_messages",
        "enable_synchronous_gpukernel_execution",
        "print_built_info",
        "print_gpu_info",
        "set_automatic_unpacking_of_packed_values",
        "set_checked_mode",
        "set_computation_network_trace_level",
        "set_gpumemory_allocation_trace_level",
        "set_math_lib_trace_level",
        "set_mpipack_threshold",
        "use_sparse_gradient_aggregation_in_data_parallel_sgd",
    }
)
"""Switches of how CNTK computes, and of what it writes meanwhile: none of that is so here."""


def _accepted(*_: Any) -> None:
    """Accept a switch that changes nothing here."""


def __getattr__(name: str) -> Any:
    """Return a switch; or say where in Python the bindings' functions are."""
    if name in _SWITCHES:
        return _accepted
    raise AttributeError(
        f"cntk_py has no {name!r}: CNTK's bindings are not here, but seeds, initialisers, switches and the numbers of "
        "kinds are. Operators are in cntk.ops, learners in cntk.learners, readers in cntk.io."
    )
