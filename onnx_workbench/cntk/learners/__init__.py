"""Learners and schedules: SGD with and without momentum so far."""

from __future__ import annotations

from onnx_workbench.cntk.learners.schedules import (
    IGNORE,
    TrainingParameterSchedule,
    UnitType,
    learning_parameter_schedule,
    learning_parameter_schedule_per_sample,
    learning_rate_schedule,
    momentum_as_time_constant_schedule,
    momentum_schedule,
    momentum_schedule_per_sample,
    training_parameter_schedule,
)
from onnx_workbench.cntk.learners.update_rules import (
    Learner,
    default_unit_gain_value,
    momentum_sgd,
    nesterov,
    set_default_unit_gain_value,
    sgd,
)

__all__ = [
    "IGNORE", "Learner", "TrainingParameterSchedule", "UnitType", "default_unit_gain_value",
    "learning_parameter_schedule", "learning_parameter_schedule_per_sample", "learning_rate_schedule",
    "momentum_as_time_constant_schedule", "momentum_schedule", "momentum_schedule_per_sample", "momentum_sgd",
    "nesterov", "set_default_unit_gain_value", "sgd", "training_parameter_schedule",
]  # fmt: skip
