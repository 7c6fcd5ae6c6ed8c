"""Random batches through random networks: what every layer does to mean and variance."""

from snn_core.propagate.passes import Pass, Stopped, Watch
from snn_core.propagate.result import (
    QUANTILES,
    THEOREM_1_OMEGA,
    THEOREM_1_TAU,
    Detail,
    Propagation,
)
from snn_core.propagate.run import assemble, one_seed, propagate, run

__all__ = [
    "QUANTILES",
    "THEOREM_1_OMEGA",
    "THEOREM_1_TAU",
    "Detail",
    "Pass",
    "Propagation",
    "Stopped",
    "Watch",
    "assemble",
    "one_seed",
    "propagate",
    "run",
]
