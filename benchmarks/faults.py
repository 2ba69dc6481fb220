"""Every kind of fault that people find in exported models, by name."""

from __future__ import annotations

import faults_in_operators
import faults_in_weights
import faults_in_wiring
from planting import FAULTS, Fault, Planted, plant

__all__ = ["FAULTS", "KINDS", "Fault", "Planted", "plant"]

KINDS = (faults_in_weights, faults_in_operators, faults_in_wiring)
