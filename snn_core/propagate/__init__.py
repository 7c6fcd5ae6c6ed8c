"""Random batches through random networks: what every layer does to mean and variance."""

from snn_core.propagate.passes import Stopped
from snn_core.propagate.result import (
    QUANTILES,
    THEOREM_1_OMEGA,
    THEOREM_1_TAU,
    Detail,
    Propagation,
)
from snn_core.propagate.run import propagate, run

__all__ = [
    "QUANTILES",
    "THEOREM_1_OMEGA",
    "THEOREM_1_TAU",
    "Detail",
    "Propagation",
    "Stopped",
    "propagate",
    "run",
]
