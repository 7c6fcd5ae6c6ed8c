"""What theory says of an experiment, in short: what a repair is tried by before it is offered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from snn_core.datasets import input_law
from snn_core.diagnosis.trend import GradientTrend, Trend, gradient_trend, trend
from snn_core.settings import Experiment, NetworkSpec, dataset_of, input_shape
from snn_core.theory.mean_field.backward import gradient_variance
from snn_core.theory.mean_field.forward import forward

__all__ = ["DEEPEST", "FORGOTTEN", "Forecast", "forecast", "is_scaled"]

DEEPEST = 64  # layers that are followed; a trend shows by then
FORGOTTEN = 0.99  # correlation of two samples from which the input hardly shows any more


@dataclass(frozen=True)
class Forecast:
    """What theory says of an experiment; None where it says nothing.

    Attributes:
        trend: Of the pooled mean and variance.
        gradient: Of the gradient's variance on its way back, over the layers that are followed.
        late: Of its upper half alone, which further layers would continue.
        correlation: The cosine of two samples, at the input and at the last layer; may be NaN.
    """

    trend: Trend | None
    gradient: GradientTrend | None
    late: GradientTrend | None
    correlation: tuple[float, float]

    @property
    def forgets(self) -> bool:
        """Whether samples become alike that were not so before."""
        first, last = self.correlation
        return last > FORGOTTEN >= first


@lru_cache(maxsize=512)
def forecast(experiment: Experiment, deepest: int = DEEPEST) -> Forecast:
    """Returns what theory says of the experiment, of an MLP's first ``deepest`` layers.

    A table's rows are taken for samples of a normal law with the table's mean and variance: to
    follow every row takes a hundred times as long, and changes little.
    """
    net = experiment.network
    if net.kind == "mlp":
        experiment = replace(
            _by_law(experiment), network=replace(net, depth=min(net.depth, deepest))
        )
    run = forward(experiment)
    mean, variance = np.array([state.pooled for state in run.states]).T
    with np.errstate(all="ignore"):  # what overflows is a trend of its own
        back = gradient_variance(experiment, run)
        gradient, late = gradient_trend(back), gradient_trend(back[len(back) // 2 - 1 :])
    ends = (float(run.states[0].cosine), float(run.states[-1].cosine))
    return Forecast(trend(mean, np.maximum(variance, 0.0)), gradient, late, ends)


def is_scaled(net: NetworkSpec) -> bool:
    """Returns whether residual branches are scaled for the depth, so that their sum is bounded."""
    return net.residual and net.residual_scale <= 1.01 * net.depth**-0.5


def _by_law(experiment: Experiment) -> Experiment:
    data, shape = dataset_of(experiment), input_shape(experiment)
    if data.load is None:
        return experiment
    law = input_law(data, shape[0], experiment.standardize)
    mean, second = float(law.mean.mean()), float(law.second_moment.mean())
    numbers = (("mean", mean), ("variance", max(second - mean**2, 0.0)))
    try:
        return replace(experiment, data="gaussian", data_parameters=numbers, standardize=False,
                       features=min(shape[0], 4096))  # fmt: skip
    except ValueError:  # numbers that the law does not take
        return experiment
