"""Whether mean and variance hold, drift, vanish or explode: over depth and over training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from snn_core.settings import Experiment, activation_of
from snn_core.theory.moments.maps import moment_map
from snn_core.train.history import records
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.wording import brief, percent

__all__ = ["MOMENTS", "LayerView", "at_start", "back_ratio", "layer_view", "middle", "moments_of"]

MOMENTS = ("unknown", "holds", "drifts", "vanishes", "explodes")

# Theorem 2 of the SNN paper takes over where the variance exceeds 3, Theorem 1 ends at 1.5: up to
# a factor of 3 a unit still sees much the same part of its activation.
DRIFT = 3.0
# A shift of the mean by a whole standard deviation moves most inputs to one side of it.
DRIFT_MEAN = 1.0
# Learning alone makes the upper layers' variance grow some 15-fold: so a factor of 10 over depth
# counts where it was there before the first update, and learning has to add a factor of 100.
DEPTH_AT_START, FAR = 10.0, 100.0
# In standard deviations a factor of 100. Networks that learn well have up to about 100.
GRADIENT_FAR = 1e4
GRADIENT_WORTH_SAYING = 100.0
TINY = 1e-300  # stands for 0 where ratios are taken


@dataclass(frozen=True)
class LayerView:
    """An arm's layers at the first and the last record with statistics; medians over seeds.

    Pairs are (first, last). ``mean``, ``variance`` and ``gradient``, its variance, are pooled over
    units and have ``(depth + 1,)``, index 0 is the input; ``omega_spread``, ``tau``, ``inside``
    and ``dead`` are of the units of a layer, ``(depth,)``. ``update_ratio``, ``(depth,)``, is of
    the last record alone; NaN at step 0.
    """

    steps: tuple[int, int]
    mean: tuple[np.ndarray, np.ndarray]
    variance: tuple[np.ndarray, np.ndarray]
    gradient: tuple[np.ndarray, np.ndarray]
    omega_spread: tuple[np.ndarray, np.ndarray]
    tau: tuple[np.ndarray, np.ndarray]
    inside: tuple[np.ndarray, np.ndarray]
    dead: tuple[np.ndarray, np.ndarray]
    update_ratio: np.ndarray


def middle(values: np.ndarray) -> np.ndarray:
    """Returns the median over axis 0 of the finite values; NaN where there is none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)  # NaN come last
    count = np.isfinite(ordered).sum(axis=0)
    pair = [np.maximum(count - 1, 0) // 2, np.minimum(count // 2, np.maximum(count - 1, 0))]
    low, high = (np.take_along_axis(ordered, index[None], 0)[0] for index in pair)
    return (low + high) / 2.0


def layer_view(history: Sequence[Snapshot], arm: int, seeds: np.ndarray) -> LayerView | None:
    """Returns the layers of the seeds that ``seeds``, ``(seeds,)`` bool, chooses.

    The last record is the last one with finite numbers in every layer. None without statistics.
    """
    found = records(history, arm, "variance")
    if not found or not seeds.any():
        return None
    finite = (record for record in reversed(found) if _is_whole(record, seeds))
    first, last = found[0], next(finite, found[-1])

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        return middle(getattr(first, name)[seeds]), middle(getattr(last, name)[seeds])

    return LayerView(
        (first.step, last.step),
        pair("mean"),
        pair("variance"),
        pair("gradient_variance"),
        pair("omega_spread"),
        pair("tau"),
        pair("inside"),
        pair("dead"),
        pair("update_ratio")[1],
    )


def _is_whole(record: ArmSnapshot, seeds: np.ndarray) -> bool:
    """Whether every layer has a finite variance in at least one of the seeds."""
    assert record.variance is not None
    return bool(np.isfinite(record.variance[seeds]).any(axis=0).all())


def at_start(view: LayerView) -> LayerView:
    """Returns the layers as they were at the first record, as if that were the last as well."""
    pairs = {f.name: (getattr(view, f.name)[0],) * 2 for f in fields(view)[:-1]}
    return replace(view, **pairs)


def back_ratio(view: LayerView) -> float:
    """Returns the gradient's variance at layer 1 over the last layer's; NaN where that is 0."""
    first, last = float(view.gradient[1][1]), float(view.gradient[1][-1])
    return first / last if last > 0 else np.nan


def _depth_ratios(variance: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest variance of the hidden layers over that of the first."""
    hidden = np.maximum(variance[1:], TINY)
    return float(hidden.min() / hidden[0]), float(hidden.max() / hidden[0])


def moments_of(view: LayerView | None, experiment: Experiment) -> tuple[str, str]:
    """Returns one of MOMENTS and a sentence for a person, with the numbers behind it."""
    if view is None or not all(np.isfinite(v[1:]).all() for v in view.variance):
        return "unknown", "There are no statistics of the layers to judge by."
    start, now = (np.maximum(v[1:], TINY) for v in view.variance)
    low_start, high_start = _depth_ratios(view.variance[0])
    low, high = _depth_ratios(view.variance[1])
    risen, fallen = now.max() / start.max(), now.min() / start.min()
    if high >= FAR or (high >= DEPTH_AT_START and high_start >= DEPTH_AT_START):
        return "explodes", _over_depth(view, "explodes", int(now.argmax()))
    if risen >= FAR:
        return "explodes", _over_time(view, "explodes", int(now.argmax()))
    if low <= 1 / FAR or (low <= 1 / DEPTH_AT_START and low_start <= 1 / DEPTH_AT_START):
        return "vanishes", _over_depth(view, "vanishes", int(now.argmin()))
    if fallen <= 1 / FAR:
        return "vanishes", _over_time(view, "vanishes", int(now.argmin()))
    ratio = back_ratio(view)
    if ratio >= GRADIENT_FAR or ratio <= 1 / GRADIENT_FAR:
        kind = "explodes" if ratio > 1 else "vanishes"
        return kind, (
            f"The gradient {kind} on the way back: its variance at layer 1 is "
            f"{brief(ratio)} of the last layer's."
        )
    factor = np.abs(np.log(now / start))
    shift = np.abs(view.mean[1] - view.mean[0])[1:] / np.sqrt(start)
    if factor.max() > np.log(DRIFT):
        return "drifts", _drift(view, experiment, int(factor.argmax()))
    if shift.max() > DRIFT_MEAN:
        layer = int(shift.argmax()) + 1
        before, after = (brief(float(mean[layer])) for mean in view.mean)
        return "drifts", f"Drifts: the mean of layer {layer} went from {before} to {after}."
    return "holds", _hold(view)


def _over_depth(view: LayerView, kind: str, index: int) -> str:
    variance = view.variance[1]
    said = (
        f"The variance {kind} over depth: {brief(float(variance[1]))} in layer 1, "
        f"{brief(float(variance[index + 1]))} in layer {index + 1}"
    )
    before = float(view.variance[0][index + 1])
    return f"{said} (at step {view.steps[0]} {brief(before)})." if view.steps[1] else said + "."


def _over_time(view: LayerView, kind: str, index: int) -> str:
    before, after = (float(variance[index + 1]) for variance in view.variance)
    return (
        f"The variance {kind} in training: that of layer {index + 1} went from "
        f"{brief(before)} to {brief(after)}."
    )


def _drift(view: LayerView, experiment: Experiment, index: int) -> str:
    """What moved most, and whether the weights explain it."""
    before, after = (float(variance[index + 1]) for variance in view.variance)
    low, high = (brief(float(tau[index])) for tau in view.tau)
    moved = f"stays at {low}" if low == high else f"went from {low} to {high}"
    spread = float(view.omega_spread[1][index])
    omega = "omega is 0 in every unit" if spread < 1e-5 else f"omega spread {brief(spread)}"
    said = (
        f"Drifts: the pooled variance of layer {index + 1} went from {brief(before)} to "
        f"{brief(after)}; tau of its units {moved} on average, {omega}"
    )
    independent = _independent(view, experiment, index)
    if independent is not None and not 0.5 < independent / after < 2.0:
        said += (
            f". Weights of such omega and tau that know nothing of the data would give "
            f"{brief(independent)} by mean-field theory: the rest is beyond omega and tau, as "
            "when weights align with their inputs"
        )
    if experiment.network.activation != "selu":  # the box is SELU's
        return said + "."
    was, remain = (float(inside.mean()) for inside in view.inside)
    return (
        f"{said}; {percent(remain)} of all units are inside Theorem 1's box "
        f"({percent(was)} at step {view.steps[0]})."
    )


def _independent(view: LayerView, experiment: Experiment, index: int) -> float | None:
    """The variance of a layer if its weights, and those below, were independent of their inputs.

    Then a layer's pre-activations have the variance ``tau variance + Var(omega) mean^2``, pooled
    over units (He, Zhang, Ren, Sun 2015, eq. 7, with the mean that they have not). None where
    more than weights and activations shapes the layers.
    """
    net = experiment.network
    plain = (net.kind, net.normalization, net.dropout, net.residual)
    if plain != ("mlp", "none", "none", False):
        return None
    act = activation_of(net)
    mean, variance = float(view.mean[1][0]), float(view.variance[1][0])
    for tau, spread in zip(view.tau[1][: index + 1], view.omega_spread[1], strict=False):
        z = float(tau) * variance + float(spread) ** 2 * mean**2
        if not 0.0 < z < 1e12:
            return None
        found = moment_map(act, 0.0, z)
        mean, variance = float(found.mean), float(found.variance)
    return variance


def _hold(view: LayerView) -> str:
    ends = [(brief(float(v[1:].min())), brief(float(v[1:].max()))) for v in view.variance]
    spans = [low if low == high else f"between {low} and {high}" for low, high in ends]
    if view.steps[1] > view.steps[0]:
        said = (
            f"Steady: the variance of every layer stays within {DRIFT:g} times of its start, "
            f"{spans[1]} (at step {view.steps[0]} {spans[0]})"
        )
    else:
        said = f"At the start the variance of every layer is {spans[1]}"
    ratio = back_ratio(view)
    if ratio >= GRADIENT_WORTH_SAYING:
        said += f"; the gradient's variance grows {brief(ratio)}-fold on the way back"
    elif ratio <= 1 / GRADIENT_WORTH_SAYING:
        said += f"; the gradient's variance shrinks {brief(1 / ratio)}-fold on the way back"
    return said + "."
