"""Mini-trainings, side by side: what learning does to mean, variance, omega and tau."""

from snn_core.train.arm import Arm
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.train.run import Checkpoint, Run, resume, rewind, start, state_of, train

__all__ = [
    "Arm",
    "ArmSnapshot",
    "Checkpoint",
    "Run",
    "Snapshot",
    "resume",
    "rewind",
    "start",
    "state_of",
    "train",
]
