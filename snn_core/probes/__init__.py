"""Questions put to a network: what goes wrong and why, what a shared mean does to it."""

from snn_core.probes.diagnosis import KINDS, Diagnosis, diagnose
from snn_core.probes.fan_in import FAN_INS, FanIn, fan_in_experiment
from snn_core.probes.repairs import Repair, repaired
from snn_core.probes.traps import TRAPS, Trap

__all__ = [
    "FAN_INS",
    "KINDS",
    "TRAPS",
    "Diagnosis",
    "FanIn",
    "Repair",
    "Trap",
    "diagnose",
    "fan_in_experiment",
    "repaired",
]
