"""A repair tried by a short measurement, where theory does not see what is wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from snn_core.cost import refuse
from snn_core.diagnosis.forecast import forecast
from snn_core.diagnosis.repairs import Repair, buildable, is_usable, lasts, repaired
from snn_core.diagnosis.trend import RUNAWAY
from snn_core.diagnosis.view import LUCK, View, kind_of, scatter_of, view_of
from snn_core.propagate import run
from snn_core.settings import Experiment, plan_of
from snn_core.theory.mean_field.predict import predict

__all__ = ["calms", "passes", "scatters"]

WIDE = 128  # units: with more a variance hardly strays
SEEDS, BATCH = 8, 32  # enough to see a variance scatter; a page waits for it
OPERATIONS = 2e10  # some half a second; what takes longer is not tried
NORMAL = 50.0  # operations that drawing a weight takes


def passes(experiment: Experiment, repair: Repair) -> bool:
    """Returns whether the repaired networks, measured, hold or settle; False if untried."""
    new = buildable(experiment, repair)
    view = _measured(new) if new is not None else None
    return view is not None and kind_of(view) in ("holds", "settles")


def calms(experiment: Experiment, repair: Repair) -> bool:
    """Returns whether the repaired networks' variances are of use and differ little by the draw.

    By the theory of finite width where it reaches the last layer, else measured.
    """
    new = buildable(experiment, repair)
    found = forecast(new) if new is not None else None
    if new is None or found is None or found.trend is None or found.forgets:
        return False
    if found.trend.kind in RUNAWAY or not is_usable(found.trend) or not lasts(new):
        return False
    try:
        refuse(new)
    except ValueError:  # wider than this machine bears
        return False
    share = scatter_of(predict(new))
    if math.isfinite(share):
        return share < LUCK
    view = _measured(new)
    return view is not None and kind_of(view) in ("holds", "settles", "drifts")


def scatters(experiment: Experiment, repair: Repair) -> bool:
    """Returns whether the repaired networks would differ by the draw; False if untried.

    By the theory of finite width where it reaches the last layer, else measured.
    """
    new = repaired(experiment, repair)
    if min(layer.outputs for layer in plan_of(new)) > WIDE:
        return False
    share = scatter_of(predict(new))
    if math.isfinite(share):
        return share > LUCK
    view = _measured(new)
    return view is not None and kind_of(view) == "scatters"


@lru_cache(maxsize=64)
def _measured(experiment: Experiment) -> View | None:
    """A few small propagations of the experiment; None where they would take too long."""
    small = replace(
        experiment, seeds=min(experiment.seeds, SEEDS), batch=min(experiment.batch, BATCH)
    )
    products = sum(2.0 * small.batch * layer.units * layer.fan_in for layer in plan_of(small))
    drawn = sum(NORMAL * layer.fan_in * layer.outputs for layer in plan_of(small))
    return view_of(run(small)) if small.seeds * (products + drawn) < OPERATIONS else None
