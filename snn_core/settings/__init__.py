"""Settings as frozen data, their checks, links and JSON."""

from snn_core.settings.arms import (
    LETTERS,
    SHARED,
    arm_of,
    arm_settings,
    arms_from_query,
    arms_to_query,
    merged,
    read_arms,
)
from snn_core.settings.codec import from_json, from_query, read_query, settings, to_json, to_query
from snn_core.settings.experiment import Experiment, dataset_of, input_shape, plan_of
from snn_core.settings.knobs import SettingError, knob
from snn_core.settings.network import (
    NetworkSpec,
    activation_of,
    constraint_of,
    initializer_of,
    normalization_of,
)
from snn_core.settings.plan import LayerPlan, plan
from snn_core.settings.training import USUAL_RATES, TrainingSpec, rate_at

__all__ = [
    "LETTERS",
    "SHARED",
    "USUAL_RATES",
    "Experiment",
    "LayerPlan",
    "NetworkSpec",
    "SettingError",
    "TrainingSpec",
    "activation_of",
    "arm_of",
    "arm_settings",
    "arms_from_query",
    "arms_to_query",
    "constraint_of",
    "dataset_of",
    "from_json",
    "from_query",
    "initializer_of",
    "input_shape",
    "knob",
    "merged",
    "normalization_of",
    "plan",
    "plan_of",
    "rate_at",
    "read_arms",
    "read_query",
    "settings",
    "to_json",
    "to_query",
]
