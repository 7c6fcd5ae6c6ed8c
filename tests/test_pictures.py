"""Pictures of a checkpoint are those of the networks that stood there, and touch nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from pages.train import text
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec
from snn_core.train import (
    Boundary,
    Run,
    checkpoint_at,
    decision_boundary,
    histograms,
    networks_at,
    rewind,
    series,
    start,
    train,
)
from snn_core.train.arm import evaluate
from snn_core.train.networks import Networks, effective, run_pass
from snn_core.train.result import ArmSnapshot, Snapshot

TRAINING = TrainingSpec(
    steps=40, batch_size=32, learning_rate=0.03, record_every=10, statistics_every=20
)
MOONS = Experiment(NetworkSpec(depth=3, width=16), "moons", seeds=4, training=TRAINING)
CNN = Experiment(
    NetworkSpec(kind="cnn", depth=3, dense=1, width=8, channels=4, pool="max", pool_every=2),
    "digits",
    seeds=2,
    training=replace(TRAINING, steps=4, record_every=2),
)


def changed(experiment: Experiment, **settings: Any) -> Experiment:
    names = {f.name for f in fields(NetworkSpec)}
    network = {k: v for k, v in settings.items() if k in names}
    training = {k: v for k, v in settings.items() if k not in names}
    return replace(
        experiment,
        network=replace(experiment.network, **network),
        training=replace(experiment.training, **training),
    )


def trained(*experiments: Experiment) -> Run:
    run = start(experiments)
    list(train(run))
    return run


def outputs(nets: Iterable[Networks], x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        parts = [run_pass(net, x.expand(len(net.seeds), *x.shape), quiet=True) for net in nets]
    return torch.cat([part.outputs for part in parts])


VARIANTS: list[dict[str, Any]] = [
    {},
    {"trainable_scale": True, "dropout": "alpha"},
    {"constraint": "standardize_unit", "constraint_manner": "parametrization"},
    {"constraint": "unit_norm", "normalization": "batch"},
]


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("experiment", [MOONS, CNN], ids=["mlp", "cnn"])
def test_networks_at_the_last_checkpoint_are_the_live_ones(
    experiment: Experiment, settings: dict[str, Any]
) -> None:
    run = trained(changed(experiment, **settings))
    nets = networks_at(run, 0, run.checkpoints[-1])
    x = run.arms[0].task.validation.x
    live = [group.net for group in run.arms[0].groups]
    assert torch.equal(outputs(nets, x), outputs(live, x))
    kept = {
        leaf.data_ptr()
        for group in run.checkpoints[-1].arms[0].groups
        for leaf in group.net.leaves()
    }
    assert {leaf.data_ptr() for net in nets for leaf in net.leaves()} == kept  # nothing copied
    first = networks_at(run, 0, run.checkpoints[0])
    assert not torch.equal(outputs(first, x), outputs(live, x))


def test_a_checkpoint_from_before_a_rewind_keeps_its_own_constraint() -> None:
    held = changed(MOONS, constraint="unit_norm", constraint_manner="parametrization")
    run = trained(held)
    x = run.arms[0].task.validation.x
    expected = outputs(networks_at(run, 0, checkpoint_at(run, 20)), x)
    back = rewind(run, 20, MOONS)
    assert torch.equal(outputs(networks_at(back, 0, checkpoint_at(back, 20)), x), expected)


def test_pictures_are_the_same_while_another_thread_trains() -> None:
    run = start(changed(MOONS, steps=200))
    shots = train(run)
    next(shots), next(shots)
    kept = checkpoint_at(run, 10)
    before = decision_boundary(run, 0, kept), histograms(run, 0, kept, 2)
    thread = threading.Thread(target=lambda: list(shots))
    thread.start()
    rounds = 0
    while thread.is_alive() and rounds < 20:
        rounds += 1
        assert checkpoint_at(run, 10) is kept
        now = decision_boundary(run, 0, kept), histograms(run, 0, kept, 2)
        assert np.array_equal(now[0].probability, before[0].probability)
        assert np.array_equal(now[1].activations.density, before[1].activations.density)
    thread.join()
    assert run.step == 200 and rounds > 0


def test_checkpoint_at_is_the_last_one_up_to_a_step() -> None:
    run = start(MOONS)
    with pytest.raises(ValueError, match="none yet"):
        checkpoint_at(run, 5)
    list(train(run))
    found = {step: checkpoint_at(run, step).step for step in (0, 9, 10, 39, 40, 1000)}
    assert found == {0: 0, 9: 0, 10: 10, 39: 30, 40: 40, 1000: 40}
    with pytest.raises(ValueError, match="up to step -1; the first is at step 0"):
        checkpoint_at(run, -1)


# The plane


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_the_boundary_classifies_the_rows_as_the_score_says(normalization: str) -> None:
    run = trained(changed(MOONS, normalization=normalization, steps=150))
    arm, last = run.arms[0], run.checkpoints[-1]
    found = decision_boundary(run, 0, last, size=128)
    assert found.step == 150 and found.probability.shape == (128, 128, 2)
    assert np.allclose(found.probability.sum(2), 1.0)
    assert found.points.shape == (200, 2) and len(found.labels) == 200
    rows = np.abs(found.points[:, 1:] - found.y).argmin(1)
    columns = np.abs(found.points[:, :1] - found.x).argmin(1)
    right = found.probability[rows, columns].argmax(1) == found.labels
    scores = [evaluate(group, arm.task.train)[1] for group in arm.groups]
    assert np.concatenate(scores).mean() > 0.85
    assert right.mean() == pytest.approx(np.concatenate(scores).mean(), abs=0.04)
    inside = (np.ptp(found.x), np.ptp(found.y)) / np.ptp(arm.task.train.x.numpy(), axis=0)
    assert inside == pytest.approx([1.2, 1.2])
    assert found.x[0] < found.points[:, 0].min() and found.y[-1] > found.points[:, 1].max()


def test_the_boundary_is_the_seeds_own_softmax_on_the_grid() -> None:
    run = trained(MOONS)
    live = [group.net for group in run.arms[0].groups]
    found = decision_boundary(run, 0, run.checkpoints[-1], size=5)
    for row, y in enumerate(found.y):
        for column, x in enumerate(found.x):
            point = torch.tensor([[x, y]], dtype=torch.float32)
            each = outputs(live, point)[:, 0].double().softmax(1)
            assert np.allclose(found.probability[row, column], each.mean(0), atol=1e-6)
            votes = np.bincount(each.argmax(1).numpy(), minlength=2)
            assert found.disagreement[row, column] == pytest.approx(1 - votes.max() / 4)


def test_batch_statistics_are_the_training_parts_also_on_the_grid() -> None:
    run = trained(changed(MOONS, normalization="batch"))
    last = run.checkpoints[-1]
    train_x = run.arms[0].task.train.x
    expected = outputs(networks_at(run, 0, last), train_x).double().softmax(2).mean(0)
    found = decision_boundary(run, 0, last, size=256)
    rows = np.abs(train_x[:, 1:].numpy() - found.y).argmin(1)
    columns = np.abs(train_x[:, :1].numpy() - found.x).argmin(1)
    assert np.abs(found.probability[rows, columns] - expected.numpy()).mean() < 0.01


def test_a_seed_that_is_not_finite_has_no_say() -> None:
    run = trained(MOONS)
    last = run.checkpoints[-1]
    whole = decision_boundary(run, 0, last, size=8)
    weight = last.arms[0].groups[0].net.weights[0]
    weight[:, 0] = torch.nan
    found = decision_boundary(run, 0, last, size=8)
    assert np.isfinite(found.probability).all() and (found.disagreement <= 0.5).all()
    assert not np.array_equal(found.probability, whole.probability)
    for group in last.arms[0].groups:
        group.net.weights[0].fill_(torch.nan)
    found = decision_boundary(run, 0, last, size=8)
    assert np.isnan(found.probability).all() and np.isnan(found.disagreement).all()


def test_a_boundary_needs_a_plane_and_classes() -> None:
    run = trained(replace(CNN, seeds=1), changed(replace(MOONS, data="diabetes"), steps=1))
    last = run.checkpoints[-1]
    with pytest.raises(ValueError, match="2 features and classes; digits has input of"):
        decision_boundary(run, 0, last)
    with pytest.raises(ValueError, match="diabetes has numbers to learn"):
        decision_boundary(run, 1, last)
    with pytest.raises(ValueError, match="arm must be a whole number between 0 and 1"):
        decision_boundary(run, 2, last)
    with pytest.raises(ValueError, match="size"):
        decision_boundary(trained(MOONS), 0, last, size=1)


# Laws of weights and activations


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("experiment", [MOONS, CNN], ids=["mlp", "cnn"])
def test_histograms_are_those_of_the_live_weights_and_activations(
    experiment: Experiment, settings: dict[str, Any]
) -> None:
    run = trained(changed(experiment, **settings))
    arm = run.arms[0]
    x = arm.task.validation.x[:512]
    for layer in range(1, experiment.network.depth + 1):
        found = histograms(run, 0, run.checkpoints[-1], layer)
        weights, activations = [], []
        with torch.no_grad():
            for net in (group.net for group in arm.groups):
                weights.append([w for part in effective(net) for w in part][layer - 1].flatten())
                passed = run_pass(net, x.expand(len(net.seeds), *x.shape), quiet=True, keep=True)
                activations.append(passed.h[layer].flatten())
        for law, values in ((found.weights, weights), (found.activations, activations)):
            numbers = torch.cat(values).detach().double().numpy()
            assert law.numbers == len(numbers) and law.not_finite == 0
            assert law.mean == pytest.approx(numbers.mean(), rel=1e-5, abs=1e-7)
            assert law.variance == pytest.approx(numbers.var(), rel=1e-5)
            width = np.diff(law.edges)
            assert (law.density * width).sum() == pytest.approx(1.0)
            low, high = law.edges[0], law.edges[-1]
            assert law.below == pytest.approx((numbers < low).mean(), abs=1e-6)
            assert law.above == pytest.approx((numbers > high).mean(), abs=1e-6)
            assert law.below + law.above <= 0.03
            counts = np.histogram(numbers.clip(low, high), law.edges)[0] / len(numbers)
            assert np.abs(law.density * width - counts).max() < 0.01


@pytest.mark.parametrize(
    ("fill", "low", "high"),
    [(0.0, -1.0, 1.0), (3.0, 1.5, 4.5), (-1e30, -1.5e30, -0.5e30), (1e-40, 0.5e-40, 1.5e-40)],
)
def test_a_law_of_one_value_has_a_range(fill: float, low: float, high: float) -> None:
    run = trained(changed(MOONS, steps=1))
    for group in run.checkpoints[-1].arms[0].groups:
        group.net.weights[0].fill_(fill)
    law = histograms(run, 0, run.checkpoints[-1], 1).weights
    assert (law.edges[0], law.edges[-1]) == pytest.approx((low, high), rel=1e-3)
    assert (law.density * np.diff(law.edges)).sum() == pytest.approx(1.0)
    assert law.mean == pytest.approx(fill, rel=1e-4) and law.numbers == 4 * 2 * 16


def test_numbers_that_are_not_finite_are_counted_not_drawn() -> None:
    run = trained(changed(MOONS, steps=1))
    last = run.checkpoints[-1]
    last.arms[0].groups[0].net.weights[0][0, 0, :3] = torch.tensor([torch.nan, torch.inf])
    found = histograms(run, 0, last, 1)
    assert found.weights.not_finite == 6 and np.isfinite(found.weights.variance)
    assert (found.weights.density * np.diff(found.weights.edges)).sum() == pytest.approx(1.0)
    assert 0 < found.activations.not_finite < found.activations.numbers
    for group in last.arms[0].groups:
        group.net.weights[0].fill_(torch.nan)
    found = histograms(run, 0, last, 2)
    assert found.activations.not_finite == found.activations.numbers
    assert np.isnan(found.activations.mean) and (found.activations.density == 0).all()


def test_what_has_no_histogram_is_refused() -> None:
    run = trained(changed(MOONS, steps=1))
    for layer in (0, 4, 1.5):
        with pytest.raises(ValueError, match="layer must be a whole number between 1 and 3"):
            histograms(run, 0, run.checkpoints[-1], layer)
    with pytest.raises(ValueError, match="bins"):
        histograms(run, 0, run.checkpoints[-1], 1, bins=1)


# One quantity over time


def test_a_series_has_every_record_of_its_arm_once() -> None:
    history = list(train([MOONS, changed(MOONS, steps=20, statistics_every=10)]))
    steps, values = series(history, 1, "validation_loss")
    assert steps.tolist() == [0, 10, 20] and values.shape == (3, 4)
    assert np.array_equal(values[-1], history[2].arms[1].validation_loss)
    steps, values = series(history, 0, "variance")
    assert steps.tolist() == [0, 20, 40] and values.shape == (3, 4, 4)
    assert series(history, 1, "test_accuracy")[1].shape == (1, 4)
    assert series(history, 0, "learning_rate")[1].tolist() == [0.03] * 5
    steps, values = series(history[::2], 1, "tau")  # thinned
    assert steps.tolist() == [0, 20] and values.shape == (2, 4, 3)


def test_a_series_without_records_is_empty() -> None:
    history = list(train(MOONS))
    for kept, name in (([], "variance"), (history[:-1], "test_accuracy")):
        steps, values = series(kept, 0, name)
        assert steps.shape == values.shape == (0,)


def test_an_end_at_the_step_of_the_record_before_replaces_it() -> None:
    one = np.ones(2)
    first = ArmSnapshot(10, 1.0, 0.1, one, one, one, one, variance=np.ones((2, 3)))
    end = replace(first, validation_loss=one * np.nan, variance=None, ended="Diverged.")
    history = [Snapshot(10, 0.0, (first,)), Snapshot(20, 0.0, (end,)), Snapshot(30, 0.0, (end,))]
    assert np.isnan(series(history, 0, "validation_loss")[1]).all()
    assert series(history, 0, "variance")[0].tolist() == [10]


def test_a_series_of_nothing_known_is_refused() -> None:
    history = list(train(changed(MOONS, steps=1)))
    with pytest.raises(ValueError, match="Did you mean 'variance'"):
        series(history, 0, "varianse")
    with pytest.raises(ValueError, match="no arm 1; the history has 1"):
        series(history, 1, "tau")


def test_a_boundary_is_told_by_the_shares_of_the_plane_and_of_the_points() -> None:
    x = np.linspace(-2.0, 2.0, 40)
    left = np.broadcast_to(np.where(x < -1.0, 0.99, 0.3), (40, 40))  # a quarter, and sure there
    points = np.array([[-1.5, 0.0], [1.5, 0.0], [-1.2, 1.0], [0.0, -1.0], [1.9, 1.9]])
    labels = np.array([0, 1, 1, 1, 1])
    sure = np.stack([left, 1 - left], 2)
    half = Boundary(7, x, x, sure, np.zeros((40, 40)), points, labels)
    lost = replace(half, probability=np.full((40, 40, 2), np.nan))
    assert text.boundaries_alt([half, lost], ["one", "other"]) == (
        "Decision boundary of one, other. Arm A: the classes have 25 %, 75 % of the plane, sure "
        "on 25 % of it; 80 % of the points are on their class's side. Arm B has no finite outputs."
    )
