"""Verdicts on trainings whose outcome is known, and the table of arms."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from snn_core.diagnosis import repaired, summary, verdict
from snn_core.diagnosis.change import MOMENTS, middle
from snn_core.diagnosis.learning import guess_of, stay
from snn_core.diagnosis.training import KINDS
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec, arms_from_query
from snn_core.train import ArmSnapshot, Snapshot, train

TRAINING = TrainingSpec(
    steps=200, batch_size=64, learning_rate=0.03, record_every=10, statistics_every=20
)
BASE = Experiment(NetworkSpec(depth=6, width=24), "moons", seeds=2, training=TRAINING)


def changed(**settings: Any) -> Experiment:
    owners = (NetworkSpec, TrainingSpec)
    network, training = (
        {k: v for k, v in settings.items() if k in {f.name for f in fields(owner)}}
        for owner in owners
    )
    own = {k: v for k, v in settings.items() if k not in network and k not in training}
    return replace(
        BASE,
        network=replace(BASE.network, **network),
        training=replace(BASE.training, **training),
        **own,
    )


@functools.lru_cache(maxsize=64)
def trained(experiment: Experiment) -> tuple[Snapshot, ...]:
    return tuple(train(experiment))


PYTORCH = {"initializer": "pytorch_default"}
HE = {"initializer": "he_normal"}

# What is known to happen: settings, kind, moments, and what the sentence has to say.
CASES: dict[str, tuple[dict[str, Any], str, str, Sequence[str]]] = {
    "selu": (
        {"depth": 16, "width": 48, "learning_rate": 0.003},
        "learned",
        "holds",
        ["Learned: validation accuracy 9", "the standard deviation over 2 seeds) at step 200",
         "Steady: the variance of every layer stays within"],
    ),
    "selu, a rate far too big": (
        {"learning_rate": 3.0},
        "diverged",
        "explodes",
        ["Diverged at step", "of layer", "no longer finite", "last recorded at step 0",
         "Try a smaller learning rate, such as 0.01, or gradient clipping"],
    ),
    "selu, the same looked at at every step": (
        {"learning_rate": 0.3, "record_every": 1, "statistics_every": 1},
        "diverged",
        "explodes",
        ["The gradient's variance, in its largest layer and seed, had grown", "-fold in the"],
    ),
    "residual without normalization": (
        {"residual": True, "depth": 24},
        "diverged",
        "explodes",
        ["The variance explodes: above 1000 from layer", "Scale the branches by 0.2041, or"],
    ),
    "pytorch's default, deep": (
        {**PYTORCH, "depth": 24, "learning_rate": 0.001},
        "stuck",
        "vanishes",
        ["Stuck: the loss has stayed within", "of ln 2 = 0.693, the loss of guessing, for",
         "forgets its input", "on its way back", "Use LeCun normal weights, or"],
    ),
    "sigmoid, deep": (
        {"activation": "sigmoid", "depth": 16, "learning_rate": 0.1},
        "stuck",
        "vanishes",
        ["ln 2 = 0.693", "The gradient's variance shrinks ×19", "on its way back, ×2×10¹⁹ in all",
         "slope of sigmoid, at most 0.25", "Use SELU with LeCun normal weights."],
    ),
    "relu with lecun's weights, deep": (
        {"activation": "relu", "depth": 24, "learning_rate": 0.001},
        "stuck",
        "vanishes",
        ["The variance vanishes: below 0.001 from layer", "Use He normal weights"],
    ),
    "relu with he's weights": ({"activation": "relu", **HE}, "learned", "", ["Learned"]),
    "gelu, deep": (
        {"activation": "gelu", "depth": 24, "learning_rate": 0.01},
        "stuck",
        "vanishes",
        ["within 1 % of ln 2", "Normalize every layer, or use SELU"],
    ),
    "selu with he's weights": (
        {**HE, "depth": 24, "learning_rate": 0.0003, "width": 48},
        "learned",
        "explodes",
        ["The variance explodes: 1.", "in layer 1", "At step 0 it was"],
    ),
    "linear on circles": (
        {"activation": "identity", "data": "circles", "depth": 4},
        "stuck",
        "",
        ["of ln 2 = 0.693", "linear in its input"],
    ),
    "linear on moons": (
        {"activation": "identity", "depth": 3, "learning_rate": 0.01},
        "learned",
        "holds",
        ["validation accuracy 8"],
    ),
    "a regression": (
        {"data": "diabetes", "depth": 3, "learning_rate": 0.003},
        "learned",
        "holds",
        ["R² 0.", "on the validation part (± 0."],
    ),
    "a regression, too long": (
        {"data": "diabetes", "depth": 3, "learning_rate": 0.02, "width": 48, "steps": 300},
        "overfits",
        "holds",
        ["Overfits since step", "the validation loss has risen from 0.", "the training loss fell"],
    ),
    "batch normalization": (
        {"activation": "relu", "normalization": "batch"},
        "learned",
        "settles",
        ["Steady: the variance"],
    ),
    "ten classes": (
        {"data": "digits", "learning_rate": 0.01},
        "learned",
        "drifts",
        ["validation accuracy 9", "Drifts: the pooled variance of layer", "tau of its units",
         "omega spread", "inside Theorem 1's box"],
    ),
    "adam at a rate that drags the weights along": (
        {"data": "vowel", "optimizer": "adam", "learning_rate": 0.005, "depth": 4, "width": 48},
        "learned",
        "drifts",
        ["tau of its units went from 1.0 to 1.", "inside Theorem 1's box"],
    ),
    "adam at far too large a rate": (
        {"optimizer": "adam", "learning_rate": 0.3, "depth": 16},
        "stuck",
        "",
        ["Try a learning rate below 0.3"],
    ),
    "no rate": (
        {"learning_rate": 0.0},
        "stuck",
        "settles",
        ["from the start", "The learning rate is 0, so nothing moves"],
    ),
    "next to no rate": (
        {"learning_rate": 1e-7},
        "stuck",
        "settles",
        ["An update changes no layer's weights by more than", "above 1×10⁻⁷"],
    ),
    "a small rate": (
        {"learning_rate": 5e-6}, "learns", "settles", ["Not better than guessing yet"],
    ),
    "weights that decay": (
        {"weight_decay": 1.0, "learning_rate": 0.1},
        "stuck",
        "vanishes",
        ["The weights have shrunk: tau went from", "Use less weight decay"],
    ),
    "clipping that hides a rate far too big": (
        {"learning_rate": 3.0, "clip": 1.0},
        "stuck",
        "",
        ["Try a learning rate below 3.0."],
    ),
    "one step": ({"steps": 1}, "waiting", "settles", ["Too early to say, after 1 step"]),
    "classes of different sizes": (
        {"data": "spambase", **PYTORCH, "depth": 24, "learning_rate": 0.003, "steps": 120},
        "stuck",
        "vanishes",
        ["0.671, the loss of guessing by the classes' shares"],
    ),
    "an end that comes too early": (
        {"learning_rate": 0.0005, "depth": 3, "steps": 50},
        "learned",
        "settles",
        ["was still falling: more steps may help"],
    ),
    "convolutions": (
        {"kind": "cnn", "data": "digits", "depth": 3, "dense": 1, "channels": 4, "pool": "max",
         "pool_every": 2, "steps": 60, "learning_rate": 0.01},
        "learned",
        "",
        [": validation accuracy 8"],
    ),
    "blobs": ({"data": "blobs", "depth": 3, "seeds": 1}, "learned", "", ["% (1 seed) at step"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_what_is_known_to_happen(name: str) -> None:
    settings, kind, moments, said = CASES[name]
    experiment = changed(**settings)
    found = verdict(trained(experiment), 0, experiment)
    assert (found.kind, found.moments) == (kind, moments or found.moments), found.sentence
    for words in said:
        assert words in found.sentence, found.sentence
    assert found.kind in KINDS and found.moments in MOMENTS
    assert "nan" not in found.sentence and "not a number" not in found.sentence
    assert found.sentence.endswith(".") and len(found.short) <= 40


STUCK = [name for name, case in CASES.items() if case[1] == "stuck"]


@pytest.mark.parametrize("name", STUCK)
def test_an_arm_that_is_stuck_learns_with_the_repair_that_is_offered(name: str) -> None:
    experiment = changed(**CASES[name][0])
    found = verdict(trained(experiment), 0, experiment)
    assert found.cause or not found.repairs
    for repair in found.repairs[:1]:  # another network may need a smaller rate; this one has none
        assert all(kind_at(experiment, part) == "stuck" for part in PARTS)
        kinds = [kind_at(repaired(experiment, repair), part) for part in PARTS]
        assert {"learns", "learned"} & set(kinds), f"{repair.label}: {kinds}"


PARTS = (1.0, 0.1)  # of the learning rate


def kind_at(experiment: Experiment, part: float) -> str:
    rate = experiment.training.learning_rate * part
    slower = replace(experiment, training=replace(experiment.training, learning_rate=rate))
    return verdict(trained(slower), 0, slower).kind


def test_most_arms_that_are_stuck_by_their_network_are_offered_a_repair() -> None:
    offered = [n for n in STUCK if verdict(trained(e := changed(**CASES[n][0])), 0, e).repairs]
    assert len(offered) >= 5


def test_a_verdict_grows_with_the_run() -> None:
    experiment = changed()
    history = trained(experiment)
    kinds = [verdict(history[:n], 0, experiment).kind for n in range(1, len(history) + 1)]
    assert verdict([], 0, experiment).kind == "waiting"
    assert kinds[:2] == ["waiting", "waiting"] and kinds[-1] == "learned" and "learns" in kinds
    stuck = changed(**CASES["gelu, deep"][0])
    history = trained(stuck)
    kinds = [verdict(history[:n], 0, stuck).kind for n in range(1, len(history) + 1)]
    assert set(kinds[:10]) == {"waiting"} and set(kinds[10:]) == {"stuck"}


def test_a_thinned_history_has_the_same_verdict() -> None:
    experiment = changed(**CASES["sigmoid, deep"][0])
    history = trained(experiment)
    assert verdict([*history[:1], *history[2::4], history[-1]], 0, experiment).kind == "stuck"
    assert (
        verdict([*history[:1], *history[2::4], history[-1]], 0, experiment).moments == "vanishes"
    )


def record(step: int, loss: Sequence[float], **settings: Any) -> Snapshot:
    """A made-up record: the training loss of the seeds, the same on validation."""
    losses = np.array(loss, dtype=np.float64)
    accuracy = np.where(np.isfinite(losses), np.where(losses < 0.5, 0.9, 0.5), np.nan)
    values = {"validation_loss": losses, "validation_accuracy": accuracy} | settings
    arm = ArmSnapshot(step, 1.0, 0.01, losses, accuracy, **values)
    return Snapshot(step, float(step), (arm,))


def test_seeds_that_differ_are_counted() -> None:
    steps = range(0, 210, 10)
    half = [record(s, (0.69, 0.69, 0.8 - s / 300, 0.8 - s / 300)) for s in steps]
    found = verdict(half, 0, BASE)
    assert found.kind == "stuck" and found.moments == "unknown"
    assert "Stuck in 2 of 4 seeds: the loss has stayed within 1 % of ln 2" in found.sentence
    assert "2 others learn: loss 0.1" in found.sentence
    most = [record(s, (0.69, *[0.8 - s / 300] * 3)) for s in steps]
    found = verdict(most, 0, BASE)
    assert found.kind == "learns" and "1 of 4 seeds is hardly better than" in found.sentence


def test_what_was_learned_and_lost_is_said() -> None:
    falls = [record(s, (0.8 - s / 200,) * 2) for s in range(0, 110, 10)]
    history = [*falls, *(record(s, (0.7,) * 2) for s in range(110, 400, 10))]
    found = verdict(history, 0, BASE)
    assert found.kind == "stuck" and "at step 100 it had been down to 0.3" in found.sentence
    assert "Try a learning rate below 0.01" in found.sentence


def test_a_lucky_first_draw_has_not_learned() -> None:
    history = [record(s, (0.3, 0.32 + 0.001 * math.sin(s))) for s in range(0, 210, 10)]
    assert verdict(history, 0, BASE).kind == "stuck"


def test_an_overfit_that_only_gets_surer_is_told_apart() -> None:
    right = np.array([0.95, 0.96])
    fits = [
        record(s, (0.5 * math.exp(-s / 50) + 1e-3,) * 2, validation_accuracy=right,
               validation_loss=np.full(2, 0.1 + abs(s - 60) / 1000))
        for s in range(0, 300, 10)
    ]  # fmt: skip
    found = verdict(fits, 0, BASE)
    assert found.kind == "overfits" and "Overfits since step 60" in found.sentence
    assert "only surer of its mistakes" in found.sentence
    steady = [
        record(s, (0.5 * math.exp(-s / 50) + 1e-3,) * 2, validation_accuracy=right,
               validation_loss=np.full(2, 0.1 + 1e-4 * abs(s - 60)))
        for s in range(0, 300, 10)
    ]  # fmt: skip
    assert verdict(steady, 0, BASE).kind == "learned"


def test_a_record_with_nothing_finite_breaks_nothing() -> None:
    nothing = np.full((2, 7), np.nan)
    names = ("mean", "variance", "gradient_mean", "gradient_variance")
    layers = {name: nothing for name in names} | {
        name: nothing[:, 1:] for name in ("omega", "tau", "omega_spread", "tau_spread", "inside",
                                          "update_ratio", "saturated", "dead")
    }  # fmt: skip
    history = [record(s, (math.nan,) * 2, **layers) for s in range(0, 300, 10)]
    with np.errstate(all="raise"):
        found = verdict(history, 0, BASE)
    assert found.moments == "unknown"
    broken = replace(history[-1].arms[0], diverged_at=(291, 7), ended="Diverged at step 291.")
    found = verdict([*history, Snapshot(300, 1.0, (broken,))], 0, BASE)
    assert found.kind == "diverged" and "of the output head" in found.sentence
    row = summary(history, 0, BASE, 0.9)
    assert row is not None and math.isnan(row.accuracy) and row.reached == 0
    far = record(300, (math.inf, 1.0), diverged_at=(300, 2), ended="Diverged at step 300.")
    with np.errstate(all="raise"):
        found, row = verdict([*history, far], 0, BASE), summary([*history, far], 0, BASE, 0.9)
    assert "in 1 of 2 seeds" in found.sentence and row is not None


def test_what_guessing_gets() -> None:
    assert guess_of(BASE).loss == pytest.approx(math.log(2), abs=1e-4)
    assert guess_of(BASE).accuracy == pytest.approx(0.5)
    assert guess_of(replace(BASE, data="digits")).words == "ln 10 = 2.3, the loss of guessing"
    assert guess_of(replace(BASE, data="diabetes")).loss == 1.0
    spam = guess_of(replace(BASE, data="spambase"))
    assert (spam.loss, spam.accuracy) == pytest.approx((0.671, 0.606), abs=1e-3)
    with pytest.raises(ValueError, match="nothing to guess"):
        guess_of(Experiment())


def test_how_long_the_loss_has_stayed() -> None:
    steps = np.arange(0, 1000, 100)
    loss = np.array([2.0, 1.04, 1.03, 1.005, 0.995, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert stay(steps, loss, 1.0, 100) == (0.01, 600)
    assert stay(steps, loss, 1.0, 700) == (0.05, 800)
    assert stay(steps, loss, 1.0, 900) == (0.0, 0)
    assert stay(steps, np.full(10, np.nan), 1.0, 100) == (0.0, 0)


def test_a_median_of_what_is_finite() -> None:
    values = np.array([[1.0, np.nan, np.inf], [4.0, 5.0, np.nan], [2.0, 7.0, np.nan]])
    assert np.array_equal(middle(values), [2.0, 6.0, np.nan], equal_nan=True)


# The table of arms


def test_a_summary_is_the_records_own_numbers() -> None:
    experiment = changed(steps=100, seeds=3)
    history = trained(experiment)
    row = summary(history, 0, experiment, 0.9)
    last = history[-1].arms[0]
    assert row is not None and last.test_accuracy is not None
    assert row.step == 100 and not row.regression and row.diverged is None
    assert row.accuracy == pytest.approx(last.validation_accuracy.mean())
    assert row.accuracy_deviation == pytest.approx(last.validation_accuracy.std(ddof=1))
    assert row.test_accuracy == pytest.approx(last.test_accuracy.mean())
    means = {s.step: float(s.arms[0].validation_accuracy.mean()) for s in history}
    assert row.best_accuracy == max(means.values()) and means[row.best_step] == row.best_accuracy
    for k, step in enumerate(row.steps_to):
        there = [s.step for s in history if s.arms[0].validation_accuracy[k] >= 0.9]
        assert step == (there[0] if there else None)
    assert 0 < row.seconds <= history[-1].seconds and row.ended == "All 100 steps are done."
    early = summary(history[:3], 0, experiment, 1.0)
    assert early is not None and early.test_accuracy is None and early.test_deviation is None
    assert early.steps_to == (None,) * 3 and early.median_steps_to is None and not early.ended
    assert summary([], 0, experiment, 0.9) is None
    with pytest.raises(ValueError, match="accuracy"):
        summary(history, 0, experiment, 90.0)


def test_the_median_counts_who_never_got_there_as_last() -> None:
    history = [
        record(s, (1.0,) * 3, validation_accuracy=np.array([s >= 20, s >= 50, False]) * 1.0)
        for s in range(0, 100, 10)
    ]
    row = summary(history, 0, BASE, 0.5)
    assert row is not None
    assert (row.steps_to, row.reached, row.median_steps_to) == ((20, 50, None), 2, 50.0)


def test_every_arm_has_its_own_seconds() -> None:
    arms = [changed(steps=20), changed(steps=40)]
    history = list(train(arms))
    rows = [summary(history, index, arm, 0.9) for index, arm in enumerate(arms)]
    seconds = [row.seconds for row in rows if row is not None]
    assert 0 < sum(seconds) <= history[-1].seconds
    assert [row.step for row in rows if row is not None] == [20, 40]


def test_a_diverged_arm_has_a_row() -> None:
    experiment = changed(**CASES["selu, a rate far too big"][0])
    row = summary(trained(experiment), 0, experiment, 0.9)
    assert row is not None and row.diverged is not None and "Diverged" in row.ended
    assert math.isnan(row.accuracy) and row.best_step == 0


def test_an_accuracy_that_was_there_and_is_gone_is_a_collapse() -> None:
    arm = arms_from_query({"data": "moons", "depth": "2", "width": "8", "seeds": "2"})[0]
    first = next(train(arm))

    def record(step: int, accuracy: float) -> Snapshot:
        values = np.full(2, accuracy)
        loss = np.full(2, 0.3)
        shown = replace(
            first.arms[0], step=step, train_accuracy=values, validation_accuracy=values,
            train_loss=loss, validation_loss=loss,
        )  # fmt: skip
        return Snapshot(step, 1.0, (shown,))

    rising = [first, *(record(step, 0.95) for step in range(50, 300, 10))]
    fallen = rising + [record(step, 0.7) for step in range(300, 400, 10)]
    found = verdict(fallen, 0, arm)
    assert found.kind == "collapsed" and "95 % of the validation part at step 50" in found.sentence
    assert verdict(rising, 0, arm).kind != "collapsed"
