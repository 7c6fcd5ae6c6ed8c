"""What training has done to the layers: their moments at the first record and at the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.diagnosis.forecast import forecast
from snn_core.diagnosis.sentences import gradient_sentence, headline
from snn_core.diagnosis.trend import CHANGED, CHANGED_FAR, RUNAWAY, SHIFTED
from snn_core.diagnosis.view import KINDS, View, moment_kind
from snn_core.settings import Experiment, activation_of
from snn_core.theory.moments.maps import moment_map
from snn_core.train.history import records
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.wording import brief, percent

__all__ = ["MOMENTS", "Change", "change_of", "middle", "moments_of"]

MOMENTS = ("unknown", *KINDS)
TINY = 1e-300  # stands for 0 where ratios are taken


@dataclass(frozen=True)
class Change:
    """An arm's layers at the first and the last record with statistics; medians over seeds.

    Attributes:
        start, now: The layers as every verdict sees them.
        steps: Of the two records.
        omega_spread, inside, dead: Of a layer's units, ``(depth,)`` at either record.
        update_ratio: ``(depth,)``, of the last record alone; NaN at step 0.
    """

    start: View
    now: View
    steps: tuple[int, int]
    omega_spread: tuple[np.ndarray, np.ndarray]
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


def change_of(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, seeds: np.ndarray
) -> Change | None:
    """Returns the layers of the seeds that ``seeds``, ``(seeds,)`` bool, chooses.

    The last record is the last one with finite numbers in every layer. None without statistics,
    or where neither record has a finite variance in every layer.
    """
    found = records(history, arm, "variance")
    if not found or not seeds.any() or not _is_whole(found[0], seeds):
        return None
    first, last = found[0], next(each for each in reversed(found) if _is_whole(each, seeds))

    def pair(name: str) -> tuple[np.ndarray, np.ndarray]:
        return middle(getattr(first, name)[seeds]), middle(getattr(last, name)[seeds])

    return Change(
        start=_view(first, experiment, seeds),
        now=_view(last, experiment, seeds),
        steps=(first.step, last.step),
        omega_spread=pair("omega_spread"),
        inside=pair("inside"),
        dead=pair("dead"),
        update_ratio=pair("update_ratio")[1],
    )


def _is_whole(record: ArmSnapshot, seeds: np.ndarray) -> bool:
    """Whether every layer has a finite variance in at least one of the seeds."""
    assert record.variance is not None
    return bool(np.isfinite(record.variance[seeds]).any(axis=0).all())


def _view(record: ArmSnapshot, experiment: Experiment, seeds: np.ndarray) -> View:
    """The layers of one record; theory, of weights as they are drawn, speaks of the first only."""
    assert record.mean is not None and record.variance is not None and record.tau is not None
    assert record.gradient_variance is not None
    last = record.variance[seeds][:, -1]
    theory = forecast(experiment, experiment.network.depth) if record.step == 0 else None
    return View(
        experiment=experiment,
        mean=middle(record.mean[seeds]),
        variance=middle(record.variance[seeds]),
        gradient=middle(record.gradient_variance[seeds]),
        measured_gradient=True,
        tau=middle(record.tau[seeds]),
        last=last,
        died_at=tuple(experiment.network.depth if v == 0.0 else None for v in last),
        diverged_at=(None,) * len(last),
        theory=theory.trend if theory else None,
        correlation=theory.correlation if theory else (np.nan, np.nan),
        scatter=np.nan,
    )


def moments_of(change: Change | None) -> tuple[str, str]:
    """Returns one of MOMENTS and a sentence for a person, with the numbers behind it.

    First what the layers did before any update and still do, then what training has done.
    """
    if change is None:
        return "unknown", "There are no statistics of the layers to judge by."
    began, now = moment_kind(change.start), change.now.seen
    before, after = (np.maximum(v.variance[1:], TINY) for v in (change.start, change.now))
    factor = np.abs(np.log(after / before))
    if began not in ("holds", "settles", "drifts") and (
        factor[-1] < np.log(CHANGED) or (now is not None and now.kind == began)
    ):
        return began, _since(change, began)
    risen, fallen = after.max() / before.max(), after.min() / before.min()
    if risen >= CHANGED_FAR:
        return "explodes", _over_time(change, "explodes", int(after.argmax()))
    if fallen <= 1.0 / CHANGED_FAR:
        return "vanishes", _over_time(change, "vanishes", int(after.argmin()))
    backward = change.now.backward
    if backward is not None and backward.kind in RUNAWAY:
        return backward.kind, gradient_sentence(change.now)
    if factor.max() > np.log(CHANGED):
        return "drifts", _drift(change, int(factor.argmax()))
    shift = np.abs(change.now.mean - change.start.mean)[1:] / np.sqrt(before)
    if shift.max() > SHIFTED:
        layer = int(shift.argmax()) + 1
        old, new = (brief(float(v.mean[layer])) for v in (change.start, change.now))
        return "drifts", f"Drifts: the mean of layer {layer} went from {old} to {new}."
    if began == "drifts" and after.max() < CHANGED * after.min():
        began = "holds"  # over depth no more than training is let to change
    return began, _steady(change, began)


def _since(change: Change, kind: str) -> str:
    """A fault of the first weights that is still there."""
    said = headline(change.now, kind)
    if not change.steps[1]:
        return said
    before = brief(float(change.start.variance[-1]))
    return f"{said} At step {change.steps[0]} it was {before} in layer {change.now.depth}."


def _over_time(change: Change, kind: str, index: int) -> str:
    before, after = (brief(float(v.variance[index + 1])) for v in (change.start, change.now))
    return (
        f"The variance {kind} in training: that of layer {index + 1} went from "
        f"{before} to {after}."
    )


def _drift(change: Change, index: int) -> str:
    """What moved most, and whether the weights explain it."""
    views = (change.start, change.now)
    before, after = (float(view.variance[index + 1]) for view in views)
    low, high = (brief(float(view.tau[index])) for view in views)
    moved = f"stays at {low}" if low == high else f"went from {low} to {high}"
    spread = float(change.omega_spread[1][index])
    omega = "omega is 0 in every unit" if spread < 1e-5 else f"omega spread {brief(spread)}"
    said = (
        f"Drifts: the pooled variance of layer {index + 1} went from {brief(before)} to "
        f"{brief(after)}; tau of its units {moved} on average, {omega}"
    )
    independent = _independent(change, index)
    if independent is not None and not 0.5 < independent / after < 2.0:
        said += (
            f". Weights of such omega and tau that know nothing of the data would give "
            f"{brief(independent)} by mean-field theory: the rest is beyond omega and tau, as "
            "when weights align with their inputs"
        )
    if change.now.experiment.network.activation != "selu":  # the box is SELU's
        return said + "."
    was, remain = (float(inside.mean()) for inside in change.inside)
    return (
        f"{said}; {percent(remain)} of all units are inside Theorem 1's box "
        f"({percent(was)} at step {change.steps[0]})."
    )


def _independent(change: Change, index: int) -> float | None:
    """The variance of a layer if its weights, and those below, were independent of their inputs.

    Then a layer's pre-activations have the variance ``tau variance + Var(omega) mean^2``, pooled
    over units (He, Zhang, Ren, Sun 2015, eq. 7, with the mean that they have not). None where
    more than weights and activations shapes the layers.
    """
    net, now = change.now.experiment.network, change.now
    plain = (net.kind, net.normalization, net.dropout, net.residual)
    if plain != ("mlp", "none", "none", False):
        return None
    act = activation_of(net)
    mean, variance = float(now.mean[0]), float(now.variance[0])
    for tau, spread in zip(now.tau[: index + 1], change.omega_spread[1], strict=False):
        z = float(tau) * variance + float(spread) ** 2 * mean**2
        if not 0.0 < z < 1e12:
            return None
        found = moment_map(act, 0.0, z)
        mean, variance = float(found.mean), float(found.variance)
    return variance


def _steady(change: Change, kind: str) -> str:
    ends = [(brief(float(v.variance[1:].min())), brief(float(v.variance[1:].max())))
            for v in (change.start, change.now)]  # fmt: skip
    spans = [low if low == high else f"between {low} and {high}" for low, high in ends]
    if kind == "drifts":
        said = headline(change.now, kind)
    elif change.steps[1] > change.steps[0]:
        said = (
            f"Steady: the variance of every layer stays within {CHANGED:g} times of its start, "
            f"{spans[1]} (at step {change.steps[0]} {spans[0]})."
        )
    else:
        said = f"At the start the variance of every layer is {spans[1]}."
    backward = change.now.backward
    if backward is None or backward.kind == "holds":
        return said
    return f"{said} {gradient_sentence(change.now)}"
