"""What is wrong with a network, why, and what mends it; of a propagation and of a training.

From the numbers to the words: a trend over the layers (`trend`), what theory says of the same
(`view`) and of a change (`repairs`), the causes (`causes`), the verdict (`propagation`). Of a
training: its loss (`learning`), its layers (`training_layers`), the causes, the verdict.
"""

from snn_core.diagnosis.failures import TRAPS, Trap
from snn_core.diagnosis.fan_in import FAN_INS, FanIn, fan_in_experiment
from snn_core.diagnosis.propagation import KINDS, Diagnosis, diagnose
from snn_core.diagnosis.repairs import Repair, repaired
from snn_core.diagnosis.summary import Summary, summary
from snn_core.diagnosis.training import Verdict, verdict

__all__ = [
    "FAN_INS",
    "KINDS",
    "TRAPS",
    "Diagnosis",
    "FanIn",
    "Repair",
    "Summary",
    "Trap",
    "Verdict",
    "diagnose",
    "fan_in_experiment",
    "repaired",
    "summary",
    "verdict",
]
