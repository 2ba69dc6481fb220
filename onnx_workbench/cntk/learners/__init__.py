"""Learners and schedules, in the very steps of CNTK 2.7."""

from __future__ import annotations

from onnx_workbench.cntk.learners.adaptive import adadelta, adagrad, adam, fsadagrad, rmsprop
from onnx_workbench.cntk.learners.learner import (
    Learner,
    default_unit_gain_value,
    set_default_unit_gain_value,
)
from onnx_workbench.cntk.learners.own_rules import UserLearner, universal
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
from onnx_workbench.cntk.learners.update_rules import momentum_sgd, nesterov, sgd

__all__ = [
    "IGNORE", "Learner", "TrainingParameterSchedule", "UnitType", "UserLearner", "adadelta", "adagrad", "adam",
    "default_unit_gain_value", "fsadagrad", "learning_parameter_schedule", "learning_parameter_schedule_per_sample",
    "learning_rate_schedule", "momentum_as_time_constant_schedule", "momentum_schedule", "momentum_schedule_per_sample",
    "momentum_sgd", "nesterov", "rmsprop", "set_default_unit_gain_value", "sgd", "training_parameter_schedule",
    "universal",
]  # fmt: skip
