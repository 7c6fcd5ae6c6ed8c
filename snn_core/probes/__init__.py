"""Questions put to networks, and what they answer."""

from snn_core.probes.fan_in import FAN_INS, FanIn, fan_in_experiment

__all__ = ["FAN_INS", "FanIn", "fan_in_experiment"]
