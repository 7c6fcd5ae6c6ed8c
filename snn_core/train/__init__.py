"""Mini-trainings, side by side: what learning does to mean, variance, omega and tau."""

from snn_core.train.arm import Arm
from snn_core.train.history import series
from snn_core.train.inspect import (
    Boundary,
    Histogram,
    Histograms,
    decision_boundary,
    histograms,
    networks_at,
)
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.train.training import (
    Checkpoint,
    Run,
    checkpoint_at,
    resume,
    rewind,
    start,
    state_of,
    train,
)

__all__ = [
    "Arm",
    "ArmSnapshot",
    "Boundary",
    "Checkpoint",
    "Histogram",
    "Histograms",
    "Run",
    "Snapshot",
    "checkpoint_at",
    "decision_boundary",
    "histograms",
    "networks_at",
    "resume",
    "rewind",
    "series",
    "start",
    "state_of",
    "train",
]
