"""Training: the ensemble is every seed alone, constraints hold, runs repeat, go back and end."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.cost import refuse_training, training_seconds, update_seconds
from snn_core.datasets import DATASETS, dataset, image_shape, is_labelled, split
from snn_core.initializers import INITIALIZERS
from snn_core.network import build
from snn_core.normalizations import NORMALIZATIONS
from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU, Stopped
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec, constraint_of, rate_at
from snn_core.train import Snapshot, resume, rewind, start, state_of, train
from snn_core.train import arm as arm_module
from snn_core.train import networks as networks_module
from snn_core.train import thread_pool as pool_module
from snn_core.train.arm import Arm, evaluate
from snn_core.train.data import Batch, Order, batch_at, task_of
from snn_core.train.networks import Trace, effective
from snn_core.train.statistics import layer_statistics, partial_sums
from snn_core.train.step import SeedGroup, advance, first_sums, gradients, group_of, losses
from snn_core.train.thread_pool import ThreadPool, side_by_side

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adadelta")
TRAINING = TrainingSpec(steps=6, batch_size=16, record_every=2, statistics_every=3)
SMALL = Experiment(NetworkSpec(depth=3, width=8), "moons", seeds=3, training=TRAINING)
CNN = Experiment(
    NetworkSpec(kind="cnn", depth=4, dense=1, width=8, channels=4, pool="max", pool_every=2),
    "digits",
    seeds=2,
    training=replace(TRAINING, batch_size=8),
)
LABELLED = [name for name, data in DATASETS.items() if is_labelled(data)]
STATISTICS = (
    "mean", "variance", "gradient_mean", "gradient_variance", "omega", "tau", "omega_spread",
    "tau_spread", "inside", "update_ratio", "saturated", "dead",
)  # fmt: skip


def changed(experiment: Experiment, **settings: Any) -> Experiment:
    """The experiment with some settings of its network, of its training and of its own."""
    names = {f.name for f in fields(NetworkSpec)}
    network = {k: v for k, v in settings.items() if k in names}
    training = {k: v for k, v in settings.items() if k in {f.name for f in fields(TrainingSpec)}}
    own = {k: v for k, v in settings.items() if k not in network and k not in training}
    network_spec = replace(experiment.network, **network)
    training_spec = replace(experiment.training, **training)
    return replace(experiment, network=network_spec, training=training_spec, **own)


def equal(a: Snapshot, b: Snapshot) -> bool:
    """Whether two snapshots agree to the last bit, but for the seconds."""
    if (a.step, len(a.arms)) != (b.step, len(b.arms)):
        return False
    for x, y in zip(a.arms, b.arms, strict=True):
        for f in [f for f in fields(x) if f.name != "seconds"]:
            one, other = getattr(x, f.name), getattr(y, f.name)
            if isinstance(one, np.ndarray):
                if not np.array_equal(one, other, equal_nan=True):
                    return False
            elif one != other:
                return False
    return True


def stepped(experiment: Experiment, seeds: Sequence[int], steps: int) -> SeedGroup:
    group = group_of(experiment, task_of(experiment), seeds)
    advance(group, steps, lambda step: rate_at(experiment.training, step))
    assert group.step == steps and group.divergence is None
    return group


def last(experiment: Experiment) -> Snapshot:
    return list(train(experiment))[-1]


# The ensemble is every seed alone


VARIANTS: list[dict[str, Any]] = [
    *({"optimizer": name} for name in OPTIMIZERS),
    {"nesterov": True, "weight_decay": 0.01, "clip": 0.5},
    {"trainable_scale": True, "mixup": 0.4, "label_smoothing": 0.1},
    {"dropout": "alpha", "normalization": "batch"},
    {"constraint": "standardize_unit"},
    {"constraint": "orthogonal", "constraint_manner": "parametrization"},
    {"initializer": "lsuv", "residual": True, "schedule": "cosine"},
]


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_a_batched_step_is_that_of_every_seed_alone(
    experiment: Experiment, settings: dict[str, Any]
) -> None:
    experiment = changed(experiment, dtype="float64", learning_rate=0.003, **settings)
    together = stepped(experiment, (0, 1, 2), 4)
    for k in range(3):
        alone = stepped(experiment, (k,), 4)
        pairs = zip(together.net.leaves(), alone.net.leaves(), strict=True)
        for all_seeds, one in pairs:
            assert torch.allclose(all_seeds[:, k : k + 1], one, rtol=1e-6, atol=1e-9)


def test_convolutions_in_threads_are_the_grouped_ones() -> None:
    steps = CNN.training.steps
    arm = start(CNN).arms[0]
    assert len(arm.groups) == 2
    shown = last(CNN).arms[0]
    together = stepped(CNN, (0, 1), steps)
    rows = task_of(CNN).validation
    with torch.no_grad():
        loss, _ = evaluate(together, rows)
    assert np.allclose(shown.validation_loss, loss, rtol=1e-4)


def test_seeds_have_their_own_weights_and_order_in_an_ensemble_of_any_size() -> None:
    few, many = group_of(SMALL, task_of(SMALL), (0, 1)), group_of(SMALL, task_of(SMALL), (0, 1, 2))
    for a, b in zip(few.net.leaves(), many.net.leaves(), strict=True):
        assert torch.equal(a, b[:, :2])
    layers = build(SMALL, (0, 1))
    assert torch.equal(few.net.weights[0][0], layers[0].weight)
    assert torch.equal(few.net.weights[1][1], layers[2].weight)
    assert torch.equal(few.order.at(3), many.order.at(3)[:2])
    assert not torch.equal(few.order.at(0)[0], few.order.at(0)[1])


def test_a_first_update_has_its_optimizer_which_remembers_for_the_group() -> None:
    group = group_of(SMALL, task_of(SMALL), (0, 1))
    first = group.optimizer
    assert first is not None  # torch takes a second to make a process's first
    advance(group, 1, lambda step: 0.01)
    assert group.optimizer is first
    for leaf, kept in zip(group.net.leaves(), group.memory, strict=True):
        assert kept is first.state[leaf] and kept["momentum_buffer"].shape == leaf.shape


def test_an_epoch_shows_every_row_once() -> None:
    rows = len(task_of(SMALL).train.y)
    order = Order(SMALL, (0, 1), rows)
    seen = torch.cat([order.at(step) for step in range(math.ceil(2 * rows / order.size))], 1)
    for epoch in range(2):
        part = seen[:, epoch * rows : (epoch + 1) * rows]
        assert (part.sort(1).values == torch.arange(rows)).all()
    assert not torch.equal(seen[:, :rows], seen[:, rows : 2 * rows])


# The ensemble is what a person would write


def bare_modules(group: SeedGroup, experiment: Experiment) -> nn.Sequential:
    parts: list[nn.Module] = []
    for run, biases in zip(group.net.weights, group.net.biases, strict=True):
        for weight, bias in zip(run, biases, strict=True):
            linear = nn.Linear(weight.shape[2], weight.shape[1])
            linear.weight, linear.bias = nn.Parameter(weight[0]), nn.Parameter(bias[0])
            parts += [linear, nn.SELU()]
    head = nn.Linear(group.net.head_weight.shape[3], group.task.outputs)
    head.weight = nn.Parameter(group.net.head_weight[0, 0].detach().clone())
    head.bias = nn.Parameter(group.net.head_bias[0, 0].detach().clone())
    module = nn.Sequential(*parts, head).double()
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
    return module


@pytest.mark.parametrize("clip", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_the_loop_that_a_person_would_write(name: str, clip: float) -> None:
    experiment = changed(
        SMALL, dtype="float64", optimizer=name, clip=clip, weight_decay=0.01, seeds=1,
        label_smoothing=0.1, schedule="warmup", warmup_steps=3, learning_rate=0.01,
    )  # fmt: skip
    group = group_of(experiment, task_of(experiment), (0,))
    module = bare_modules(group, experiment)
    kind = {
        "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop, "adadelta": torch.optim.Adadelta,
    }[name]  # fmt: skip
    extra = {"momentum": 0.9} if name == "sgd" else {}
    optimizer = kind(module.parameters(), lr=0.01, weight_decay=0.01, **extra)
    for step in range(5):
        batch = batch_at(group.order, group.task.train, step)
        optimizer.zero_grad()
        logits = module(batch.x[0])
        nn.functional.cross_entropy(logits, batch.y[0], label_smoothing=0.1).backward()
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        for each in optimizer.param_groups:
            each["lr"] = 0.01 * min(1.0, (step + 1) / 3)
        optimizer.step()
    group = stepped(experiment, (0,), 5)
    trained = bare_modules(group, experiment)
    for a, b in zip(module.parameters(), trained.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [
        *({"activation": name, "mixup": 0.3} for name in ACTIVATIONS),
        {"label_smoothing": 0.2},
        {"label_smoothing": 0.2, "mixup": 0.3},
        {"data": "diabetes"},
        {"data": "diabetes", "mixup": 0.3},
    ],
    ids=str,
)
def test_manual_gradients_are_autograds(settings: dict[str, Any]) -> None:
    experiment = changed(SMALL, dtype="float64", width=7, **settings)
    for seeds in ((1,), (0, 1, 2)):
        group = group_of(experiment, task_of(experiment), seeds)
        assert group.manual
        with torch.no_grad():
            group.net.biases[0][:, :, 0] -= 100.0  # a unit that gives zeros, where f is such
        found = gradients(group, True)
        manual = [leaf.grad.clone() for leaf in group.net.leaves()]
        group.manual = False
        expected = gradients(group, True)
        assert found[0] == pytest.approx(expected[0], rel=1e-12)
        for a, leaf in zip(manual, group.net.leaves(), strict=True):
            assert torch.allclose(a, leaf.grad, atol=1e-12)
        assert found[1] is not None and expected[1] is not None
        keeps_z = {"z": 3} if group.net.shapes[0].activation.pull is None else {}
        assert bool(found[1].z) == bool(keeps_z)
        for name, count in {"h": 4, "gradients": 4, **keeps_z}.items():
            ours, theirs = (
                [layer for block in getattr(trace, name) for layer in block]
                for trace in (found[1], expected[1])
            )
            assert len(ours) == len(theirs) == count
            for a, b in zip(ours, theirs, strict=True):
                assert a.shape == b.shape and torch.allclose(a, b, atol=1e-12)


def test_mixup_is_the_loss_of_mixed_targets() -> None:
    experiment = changed(SMALL, mixup=0.4, dtype="float64")
    order, rows = Order(experiment, (0, 1), 600), task_of(experiment).train
    mixed, plain = batch_at(order, rows, 2), batch_at(Order(SMALL, (0, 1), 600), rows, 2)
    assert mixed.other is not None and mixed.share is not None
    assert ((mixed.share > 0) & (mixed.share < 1)).all()
    assert torch.equal(mixed.y, plain.y) and not torch.allclose(mixed.x, plain.x)
    # the rows' mean stays what it was, since every row is mixed in once
    assert torch.allclose(mixed.x.mean(1), plain.x.mean(1))
    logits = torch.randn(2, 16, 2, dtype=torch.float64)
    hot = torch.eye(2, dtype=torch.float64)
    share = mixed.share[..., None]
    target = share * hot[mixed.y] + (1 - share) * hot[mixed.other]
    expected = -(target * logits.log_softmax(2)).sum(2).mean(1)
    assert torch.allclose(losses(logits, mixed, 0.0, False)[0], expected)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("regression", [False, True])
def test_losses_and_their_gradient_are_torchs(
    smoothing: float, mixed: bool, regression: bool
) -> None:
    source, classes = torch.Generator().manual_seed(1), 1 if regression else 3
    outputs = torch.randn(2, 16, classes, generator=source, dtype=torch.float64)

    def targets() -> torch.Tensor:
        if regression:
            return torch.randn(2, 16, generator=source, dtype=torch.float64)
        return torch.randint(classes, (2, 16), generator=source)

    def torchs(y: torch.Tensor) -> torch.Tensor:
        if regression:
            return nn.functional.mse_loss(leaf.squeeze(2), y, reduction="none")
        return nn.functional.cross_entropy(
            leaf.transpose(1, 2), y, reduction="none", label_smoothing=smoothing
        )

    share = torch.tensor([[0.3], [0.8]], dtype=torch.float64)
    y, other, leaf = targets(), targets(), outputs.clone().requires_grad_()
    batch = Batch(outputs, y, other, share) if mixed else Batch(outputs, y)
    expected = share * torchs(y) + (1 - share) * torchs(other) if mixed else torchs(y)
    expected.mean(1).sum().backward()
    found, gradient = losses(outputs, batch, smoothing, regression)
    assert torch.allclose(found, expected.mean(1).detach())
    assert torch.allclose(gradient, leaf.grad)


# Constraints


@pytest.mark.parametrize("manner", ["projection", "parametrization"])
@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_a_constraint_holds_after_every_step(
    experiment: Experiment, name: str, manner: str
) -> None:
    experiment = changed(experiment, constraint=name, constraint_manner=manner, optimizer="adam")
    rule = constraint_of(experiment.network)
    group = group_of(experiment, task_of(experiment), (0, 1))
    for step in range(1, 4):
        advance(group, step, lambda step: 0.01)
        for run in effective(group.net):
            for weight in run:
                assert float(rule.violation(weight.detach()).max()) < 2e-5


def test_projection_and_parametrization_differ() -> None:
    for name in CONSTRAINTS:
        trained = [
            stepped(changed(SMALL, constraint=name, constraint_manner=manner), (0,), 4)
            for manner in ("projection", "parametrization")
        ]
        weights = [torch.cat([w.flatten() for w in effective(group.net)]) for group in trained]
        # centring is linear and idempotent: the two manners make the same updates with SGD
        linear = name in ("none", "centralize_layer", "centralize_unit")
        assert torch.allclose(*weights, atol=1e-6) == linear, name


# One step of everything


@pytest.mark.parametrize("name", LABELLED)
def test_every_data_set_trains(name: str) -> None:
    experiment = changed(SMALL, data=name, steps=2, optimizer="adam")
    shown = last(experiment).arms[0]
    assert shown.diverged_at is None and np.isfinite(shown.validation_loss).all()
    if image_shape(DATASETS[name]):
        shown = last(changed(CNN, data=name, steps=1, seeds=1)).arms[0]
        assert np.isfinite(shown.train_loss).all()


@pytest.mark.parametrize(
    "settings",
    [
        *({"activation": name} for name in ACTIVATIONS),
        *({"initializer": name} for name in INITIALIZERS if name != "delta_orthogonal"),
        *({"normalization": name} for name in NORMALIZATIONS),
        {"normalization": "layer", "normalization_position": "after"},
        {"dropout": "standard"},
        {"dropout": "alpha"},
        {"bias": 0.3},
    ],
    ids=str,
)
def test_every_part_trains(settings: dict[str, Any]) -> None:
    shown = last(changed(SMALL, steps=2, width=16, **settings)).arms[0]
    assert shown.diverged_at is None and np.isfinite(shown.gradient_variance).all()
    assert np.isfinite(shown.train_loss).all() and (shown.update_ratio > 0).any()


# What is recorded


def test_a_snapshot_has_its_shapes_and_times() -> None:
    shots = list(train(SMALL))
    assert [s.step for s in shots] == [0, 2, 3, 4, 6]
    assert all(a.seconds < b.seconds for a, b in zip(shots, shots[1:], strict=False))
    for shot in shots:
        arm = shot.arms[0]
        assert arm.step == shot.step and arm.epoch == shot.step * 16 / 600
        assert arm.train_loss.shape == arm.validation_accuracy.shape == (3,)
        assert (arm.mean is not None) == (shot.step % 3 == 0)
        for name in STATISTICS if arm.mean is not None else ():
            value = getattr(arm, name)
            layers = 4 if "mean" in name or "variance" in name else 3
            assert value.shape == (3, layers) and value.dtype == np.float64, name
            assert np.isfinite(value).all() or (name == "update_ratio" and shot.step == 0)
        assert (arm.test_accuracy is None) == (shot is not shots[-1])
        assert bool(arm.ended) == (shot is shots[-1])


def test_the_first_statistics_are_those_of_the_drawn_network_on_the_first_batch() -> None:
    shown = next(train(SMALL)).arms[0]
    x = batch_at(Order(SMALL, (0, 1, 2), 600), task_of(SMALL).train, 0).x
    layers = build(SMALL)
    for k in range(3):
        h = x[k]
        assert shown.variance[k, 0] == pytest.approx(float(h.var(unbiased=False)), rel=1e-5)
        for index, layer in enumerate(layers, start=1):
            h = torch.selu(h @ layer.weight[k].t())
            assert shown.mean[k, index] == pytest.approx(float(h.mean()), abs=1e-6)
            assert shown.variance[k, index] == pytest.approx(
                float(h.var(unbiased=False)), rel=1e-5
            )
            omega, tau = layer.omega[k], layer.tau[k]
            assert shown.omega[k, index - 1] == pytest.approx(float(omega.mean()), rel=1e-5)
            assert shown.tau_spread[k, index - 1] == pytest.approx(
                float(tau.std(unbiased=False)), rel=1e-4
            )
            inside = (omega >= THEOREM_1_OMEGA[0]) & (omega <= THEOREM_1_OMEGA[1])
            inside &= (tau >= THEOREM_1_TAU[0]) & (tau <= THEOREM_1_TAU[1])
            assert shown.inside[k, index - 1] == pytest.approx(float(inside.double().mean()))


def test_gradient_statistics_are_autograds() -> None:
    experiment = changed(SMALL, dtype="float64")
    shown = next(train(experiment)).arms[0]
    group = group_of(experiment, task_of(experiment), (1,))
    batch = batch_at(group.order, group.task.train, 0)
    h, layers = batch.x[0].requires_grad_(True), []
    for part in bare_modules(group, experiment):
        h = part(h)
        if isinstance(part, nn.SELU):
            h.retain_grad()
            layers.append(h)
    nn.functional.cross_entropy(h, batch.y[0]).backward()
    found = [float(layer.grad.var(unbiased=False)) for layer in layers]
    assert np.allclose(shown.gradient_variance[1, 1:], found, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.0},
        {"nesterov": True},
        {"optimizer": "adam"},
        {"constraint": "unit_norm"},
        {"constraint": "unit_norm", "constraint_manner": "parametrization"},
    ],
    ids=str,
)
def test_the_update_ratio_is_update_over_weight(settings: dict[str, Any], steps: int) -> None:
    experiment = changed(SMALL, steps=steps, weight_decay=0.1, schedule="cosine", **settings)
    shown = last(experiment).arms[0]
    before, after = stepped(experiment, (0,), steps - 1), stepped(experiment, (0,), steps)
    a = torch.cat([w[:, 0].flatten(1) for w in effective(before.net)[1:]])
    b = torch.cat([w[:, 0].flatten(1) for w in effective(after.net)[1:]])
    expected = (b - a).norm(dim=1) / a.norm(dim=1)
    assert np.allclose(shown.update_ratio[0, 1:], expected.detach().numpy(), rtol=1e-3)


def test_omega_and_tau_drift_without_a_constraint_and_stay_with_it() -> None:
    free, held = (
        [
            s.arms[0]
            for s in train(changed(SMALL, constraint=name, steps=60, learning_rate=0.05, seeds=2))
            if s.arms[0].tau is not None
        ]
        for name in ("none", "standardize_unit")
    )
    assert np.abs(free[-1].tau - free[0].tau).max() > 0.02
    assert np.abs(free[-1].omega - free[0].omega).max() > 0.02
    assert all(np.abs(arm.tau - 1).max() < 1e-5 and (arm.inside == 1).all() for arm in held)


def test_moons_are_learned() -> None:
    experiment = changed(
        SMALL, width=32, steps=300, batch_size=64, learning_rate=0.05, record_every=100,
        statistics_every=300,
    )  # fmt: skip
    shown = last(experiment).arms[0]
    assert (shown.validation_accuracy > 0.95).all() and (shown.test_accuracy > 0.95).all()


def test_a_regression_is_learned() -> None:
    experiment = changed(SMALL, data="diabetes", steps=100, learning_rate=0.003, record_every=50)
    shots = list(train(experiment))
    first, final = shots[0].arms[0], shots[-1].arms[0]
    assert (final.validation_accuracy > 0.3).all()  # R^2; least squares reach about 0.5
    assert (final.train_loss < first.train_loss).all()
    variance = task_of(experiment).validation.y.var(unbiased=False).item()
    assert np.allclose(final.validation_accuracy, 1 - final.validation_loss / variance)


# The same again, back, and on


@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_the_same_experiment_gives_the_same_snapshots(experiment: Experiment) -> None:
    experiment = changed(experiment, dropout="alpha", mixup=0.2, optimizer="adam")
    for a, b in zip(train(experiment), train(experiment), strict=True):
        assert equal(a, b)
    other = next(train(replace(experiment, seed=1)))
    assert not np.array_equal(other.arms[0].tau, next(train(experiment)).arms[0].tau)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_goes_back_and_on_as_it_did(name: str) -> None:
    arms = [
        changed(SMALL, optimizer=name, dropout="alpha", mixup=0.2, clip=1.0),
        changed(SMALL, optimizer=name, constraint="orthogonal", constraint_manner="projection"),
        changed(SMALL, constraint="unit_norm", constraint_manner="parametrization"),
    ]
    run = start(arms)
    shots = list(train(run))
    back = rewind(run, 3)
    assert back.step == 3 and back.shown is not None and equal(back.shown, shots[2])
    again = list(train(back))
    assert [s.step for s in again] == [4, 6]
    assert all(equal(a, b) for a, b in zip(shots[3:], again, strict=True))
    assert [c.step for c in back.checkpoints] == [0, 2, 3, 4, 6]
    once_more = list(train(rewind(run, 3)))  # going on has not touched what it started from
    assert all(equal(a, b) for a, b in zip(again, once_more, strict=True))
    with pytest.raises(ValueError, match="No checkpoint"):
        rewind(run, -1)


EARLY: list[dict[str, Any]] = [
    *VARIANTS,
    {"stop_accuracy": 0.5},
    {"patience": 1, "learning_rate": 1.0},
    {"learning_rate": 100.0},  # diverges
]


@pytest.mark.parametrize("settings", EARLY, ids=str)
@pytest.mark.parametrize("experiment", [SMALL, CNN], ids=["mlp", "cnn"])
def test_records_by_the_clock_change_no_other(
    experiment: Experiment, settings: dict[str, Any]
) -> None:
    often = {"steps": 12, "record_every": 4, "statistics_every": 6} | settings
    arms = (changed(experiment, **often), changed(experiment, steps=10, record_every=4))
    run, ticks = start(arms), itertools.count()
    run.early, run.clock = 2.0, lambda: float(next(ticks))  # every second look at the clock
    found = list(train(run))
    regular = [snapshot for snapshot in found if not snapshot.early]
    plain = list(train(arms))
    assert len(regular) == len(plain)
    assert all(equal(a, b) for a, b in zip(regular, plain, strict=True))
    early = [snapshot for snapshot in found if snapshot.early]
    assert early and {each.step for each in early}.isdisjoint(s.step for s in regular)
    assert any(arm.mean is not None for arm in early[0].arms)
    assert [c.step for c in run.checkpoints] == [s.step for s in regular]


def test_a_record_is_early_once_a_second_has_passed_and_not_before() -> None:
    run = start(changed(SMALL, steps=60, record_every=30, statistics_every=30))
    run.early, run.clock = 1.0, lambda: 0.0
    assert not any(snapshot.early for snapshot in train(run))


def test_a_run_goes_on_with_another_rate_and_constraint() -> None:
    run = start(changed(SMALL, constraint="unit_norm", constraint_manner="parametrization"))
    list(train(run))
    other = changed(SMALL, constraint="standardize_unit", learning_rate=0.2, steps=8)
    back = rewind(run, 6, other)
    weights = torch.cat(
        [w.flatten(3).flatten(0, 2) for w in back.arms[0].groups[0].net.weights[1:]]
    )
    assert torch.allclose(weights.sum(1), torch.zeros(len(weights)), atol=1e-5)
    shots = list(train(back))
    assert [s.step for s in shots] == [8] and shots[-1].arms[0].learning_rate == 0.2
    # the other manner starts from the weights that were in use, not from what they are made of
    free = rewind(run, 6, SMALL)
    used = effective(run.arms[0].groups[0].net)
    assert torch.equal(used[1], free.arms[0].groups[0].net.weights[1])
    for wrong in (changed(SMALL, width=16), replace(SMALL, seed=3), replace(SMALL, seeds=2)):
        with pytest.raises(ValueError, match="Start a new one"):
            resume(state_of(run), wrong)
    with pytest.raises(ValueError, match="each of 1 arms"):
        resume(state_of(run), [SMALL, SMALL])


def test_the_rate_can_be_changed_on_the_way() -> None:
    run = start(SMALL)
    shots = train(run)
    next(shots), next(shots)
    before = [leaf.detach().clone() for leaf in run.arms[0].groups[0].net.leaves()]
    run.arms[0].learning_rate = 0.0
    shown = next(shots).arms[0]
    assert shown.learning_rate == 0.0 and (shown.update_ratio == 0.0).all()
    for a, b in zip(before, run.arms[0].groups[0].net.leaves(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("settings", [{}, {"trainable_scale": True}], ids=str)
def test_statistics_are_those_of_float64_far_from_zero_too(settings: dict[str, Any]) -> None:
    experiment = changed(
        SMALL,
        width=16,
        bias=10.0,
        activation="identity",
        constraint="standardize_unit",
        **settings,
    )
    shown = next(train(experiment)).arms[0]
    assert (shown.mean[:, 1:] ** 2 > 64 * shown.variance[:, 1:]).any()
    exact = next(train(replace(experiment, dtype="float64"))).arms[0]
    for name in ("mean", "variance", "gradient_mean", "gradient_variance"):
        ours, theirs = getattr(shown, name), getattr(exact, name)
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max()), name


def test_checkpoints_stay_within_their_memory_and_have_the_newest_networks() -> None:
    experiment = changed(SMALL, steps=61, record_every=1, statistics_every=64)
    size = state_of(start(experiment)).bytes
    run = start(experiment, memory=12 * size)
    for snapshot in train(run):
        steps = [c.step for c in run.checkpoints]
        assert steps[-1] == snapshot.step
        assert sum(c.bytes for c in run.checkpoints) <= 12 * size
        assert len(set(np.diff(steps[:-1]))) <= 1  # evenly spread, but for the newest
    assert steps[0] == 0 and 5 <= len(steps) <= 12
    tight = start(experiment, memory=size // 2)
    list(train(tight))
    assert [c.step for c in tight.checkpoints] == [0, 61]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", {0: 1.0, 99: 1.0}),
        ("cosine", {0: 1.0, 50: 0.5, 100: 0.0}),
        ("step", {0: 1.0, 29: 1.0, 30: 0.1, 60: 0.01}),
        ("warmup", {0: 0.1, 4: 0.5, 9: 1.0, 50: 1.0}),
    ],
)
def test_schedules(schedule: str, rates: dict[int, float]) -> None:
    training = TrainingSpec(
        schedule=schedule, learning_rate=1.0, steps=100, rate_every=30, rate_factor=0.1,
        warmup_steps=10,
    )  # fmt: skip
    assert {step: rate_at(training, step) for step in rates} == pytest.approx(rates)


# How an arm ends


def test_a_diverging_arm_ends_with_its_layer_and_the_others_go_on() -> None:
    wild = changed(SMALL, learning_rate=100.0, momentum=0.0, activation="identity", steps=40)
    shots = list(train([wild, changed(SMALL, steps=40)]))
    sick, well = shots[-1].arms
    assert sick.diverged_at is not None and well.diverged_at is None
    step, layer = sick.diverged_at
    assert 1 <= step <= 40 and 1 <= layer <= 4 and f"step {step}" in sick.ended
    assert np.isnan(sick.validation_accuracy).any()
    assert well.step == 40 and sick.step < 40
    ended = [s.arms[0] for s in shots if s.arms[0].ended]
    assert len(ended) > 1 and all(arm is ended[0] for arm in ended)


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_the_layer_of_a_divergence_is_where_it_began(place: int) -> None:
    group = group_of(SMALL, task_of(SMALL), (0, 1))
    leaves = [w for run in group.net.weights for w in run] + [group.net.head_weight[0]]
    with torch.no_grad():
        leaves[place - 1][1] = 3e38
        leaves[place - 1][1, ::2] = -3e38  # a whole layer at -inf would be finite after SELU
    advance(group, 5, lambda step: 0.0)
    assert group.divergence is not None and group.divergence[:2] == (1, place) and group.step == 0
    group = group_of(SMALL, task_of(SMALL), (0, 1))
    leaves = [w for run in group.net.weights for w in run] + [group.net.head_weight[0]]
    with torch.no_grad():
        for leaf in leaves[:place]:  # as a gradient that overflowed on its way down leaves them
            leaf[0] = torch.nan
    advance(group, 5, lambda step: 0.0)
    assert group.divergence is not None and group.divergence[:2] == (0, place)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stop_accuracy": 0.8}, "reached"),
        ({"patience": 20, "learning_rate": 0.0}, "has not fallen since step 0"),
        ({"stop_seconds": 0.05}, "seconds are over"),
        ({"steps": 30}, "All 30 steps"),
    ],
)
def test_stop_rules(settings: dict[str, Any], said: str) -> None:
    experiment = changed(SMALL, **({"steps": 3000, "record_every": 10} | settings))
    shown = last(experiment).arms[0]
    assert said in shown.ended and shown.step < 3000 and shown.test_accuracy is not None


def test_stopping_is_obeyed_at_once_and_leaves_a_run_that_goes_on() -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(True)
        return len(asked) > 8

    run = start([SMALL, SMALL])
    shots = list(train(run, should_stop))
    assert shots[-1].step < 6 and len(asked) <= 9
    whole = list(train([SMALL, SMALL]))
    rest = list(train(run))
    assert equal(rest[-1], whole[-1])


def after(asks: int) -> Callable[[], bool]:
    """Returns a ``should_stop`` that is true from the ask after so many."""
    left = [asks]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


@pytest.mark.parametrize("asks", range(1, 12, 2))
@pytest.mark.parametrize("settings", [{}, {"normalization": "layer"}], ids=str)
def test_an_update_of_large_layers_is_left_in_the_middle(
    settings: dict[str, Any], asks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = changed(SMALL, depth=4, **settings)
    whole = stepped(experiment, (0, 1), 2)
    group = stepped(experiment, (0, 1), 1)
    monkeypatch.setattr(networks_module, "SLOW", 0.0)
    group.buffers = None
    kept = [leaf.detach().clone() for leaf in group.net.leaves()]
    group.net.should_stop = after(asks)
    if asks < 9:  # before the update, then before every layer there and back
        with pytest.raises(Stopped):
            advance(group, 2, lambda step: 0.01, True)
        assert group.step == 1 and group.divergence is None
        assert all(map(torch.equal, kept, group.net.leaves()))
    group.net.should_stop = after(100)
    advance(group, 2, lambda step: rate_at(experiment.training, step))
    assert all(map(torch.equal, whole.net.leaves(), group.net.leaves()))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalization": "layer"},
        {"constraint": "orthogonal", "learning_rate": 1.0},
        {"constraint": "orthogonal", "constraint_manner": "parametrization"},
    ],
    ids=str,
)
def test_stopping_is_obeyed_within_half_a_second(settings: dict[str, Any]) -> None:
    experiment = changed(
        SMALL, data="magic", depth=8, width=512, seeds=4, batch_size=1024, **settings
    )
    group = group_of(experiment, task_of(experiment), range(4))
    for work in (
        lambda: [first_sums(group) for _ in range(100)],
        lambda: advance(group, 100, lambda step: 1e-4, True),
        lambda: evaluate(group, group.task.train),
    ):
        asked = [time.thread_time()]  # its own seconds: a busy machine makes them no more

        def enough(asked: list[float] = asked) -> bool:
            asked.append(time.thread_time())
            return asked[-1] > asked[0] + 0.3

        group.net.should_stop = enough
        with pytest.raises(Stopped):
            work()
        asked.append(time.thread_time())
        assert max(np.diff(asked)) < 0.5


@pytest.mark.parametrize("manner", ["projection", "parametrization"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("noting", [False, True])
def test_an_update_is_taken_back_where_its_constraint_is_left_in_the_middle(
    manner: str, optimizer: str, noting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = changed(
        SMALL, depth=3, constraint="orthogonal", constraint_manner=manner, optimizer=optimizer
    )
    monkeypatch.setattr(networks_module, "SLOW", 0.0)
    rate = partial(rate_at, experiment.training)
    whole = stepped(experiment, (0, 1), 3)
    for asks in range(200):
        group = stepped(experiment, (0, 1), 1)
        kept = [leaf.detach().clone() for leaf in group.net.leaves()]
        group.net.should_stop = after(asks)
        try:
            advance(group, 2, rate, noting)
        except Stopped:
            assert group.step == 1 and all(map(torch.equal, kept, group.net.leaves()))
            group.net.should_stop = networks_module.never
            advance(group, 3, rate, noting)
            assert all(map(torch.equal, whole.net.leaves(), group.net.leaves()))
        else:
            break
    assert 13 < asks < 199  # also in the middle of six decompositions


def test_a_slow_constraint_is_the_same_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    for manner in ("projection", "parametrization"):
        experiment = changed(SMALL, constraint="orthogonal", constraint_manner=manner)
        together = stepped(experiment, (0, 1), 3)
        with monkeypatch.context() as patch:
            patch.setattr(networks_module, "SLOW", 0.0)
            alone = stepped(experiment, (0, 1), 3)
        for a, b in zip(together.net.leaves(), alone.net.leaves(), strict=True):
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_an_evaluation_asks_after_a_bounded_amount_of_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group, asked = group_of(SMALL, task_of(SMALL), range(3)), []
    loss, score = evaluate(group, group.task.train)
    monkeypatch.setattr(arm_module, "AT_ONCE", 1e5)

    def should_stop() -> bool:
        asked.append(True)
        return False

    group.net.should_stop = should_stop
    again = evaluate(group, group.task.train)
    work = len(group.task.train.y) * sum(2 * 3 * s.plan.fan_in * 8 for s in group.net.shapes)
    assert len(asked) >= work / 1e5 > 5
    assert np.allclose(loss, again[0], rtol=1e-6) and np.allclose(score, again[1])


# Side by side


def test_work_side_by_side_is_in_order_and_over_when_it_returns() -> None:
    pool, done = ThreadPool(), []

    def work(piece: int) -> int:
        time.sleep(0.001 * (piece % 3))
        if piece == 5:
            raise Stopped
        done.append(piece)
        return 10 * piece

    assert side_by_side(pool, range(5), work) == [0, 10, 20, 30, 40]
    done.clear()
    with pytest.raises(Stopped):
        side_by_side(pool, range(20), work)
    assert sorted(done) == [k for k in range(20) if k != 5]


@pytest.mark.parametrize(("width", "stacks"), [(16, 1), (64, 1), (256, 4)])
def test_only_large_networks_are_worth_a_thread_each(
    width: int, stacks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_module, "CORES", 4)
    groups = arm_module._groups(changed(SMALL, width=width, seeds=8, batch_size=64))
    assert len(groups) == stacks
    assert [seed for group in groups for seed in group] == list(range(8))


def test_no_thread_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE", 0.05)
    monkeypatch.setattr(pool_module, "CORES", 3)
    before = set(threading.enumerate())
    shots = train(changed(CNN, seeds=4))
    next(shots)
    helpers = set(threading.enumerate()) - before
    assert len(helpers) <= 2
    shots.close()
    for each in helpers:
        each.join(30.0)
    assert set(threading.enumerate()) <= before
    assert torch.get_num_threads() == 3
    torch.set_num_threads(arm_module.CORES)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data": "gaussian"}, "nothing to learn. Use one of moons"),
        ({"dtype": "float16"}, "float32 or float64, got 'float16'"),
        ({"normalization": "batch", "batch_size": 1}, "at least 2, got 1"),
        ({"data": "diabetes", "label_smoothing": 0.1}, "Use 0"),
        ({"width": 4096, "depth": 512, "seeds": 64}, "Too big"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        train(changed(SMALL, **settings))
    with pytest.raises(ValueError, match="at least one"):
        train([])


@pytest.mark.parametrize("estimate", [(9.0, 0.1), (1.0, 0.7)])
def test_what_takes_too_long_is_refused_at_once(
    estimate: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_module, "update_seconds", lambda experiment, batch: estimate)
    with pytest.raises(ValueError, match="Too slow for this machine: an update takes about"):
        train(SMALL)


def test_an_updates_estimated_time_grows_with_its_work() -> None:
    small = changed(SMALL, data="magic", depth=4, width=256)
    total, longest = update_seconds(small, 256)
    assert 0 < longest < total < 1.0
    assert update_seconds(small, 1024)[0] > 2 * total
    assert update_seconds(changed(small, width=1024), 256)[1] > 4 * longest
    assert update_seconds(changed(small, constraint="orthogonal"), 256)[0] > total


# The parts of a table


@pytest.mark.parametrize("name", LABELLED)
def test_a_split_is_stratified_disjoint_and_standardized_by_the_training_part(name: str) -> None:
    data = DATASETS[name]
    table, parts = data.load(), split(data, 3)
    assert sum(len(part.y) for part in parts) == len(table.y)
    assert np.abs(parts.train.x.mean(0, dtype=float)).max() < 1e-4
    spread = parts.train.x.std(0, dtype=float)
    assert ((np.abs(spread - 1) < 1e-4) | (spread == 0)).all()
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        assert not part.x.flags.writeable and part.x.dtype == np.float32
        if part.y.dtype.kind == "i":
            counts = np.bincount(part.y, minlength=len(table.class_names))
            assert np.abs(counts - share * np.bincount(table.y)).max() <= 1.0
        else:
            assert abs(len(part.y) - share * len(table.y)) <= 10
            assert abs(float(part.y.mean())) < 0.1  # as the tenths are shared out
    # undone, it is the table again, every row with its target
    if np.unique(table.x, axis=0).shape == table.x.shape and table.y.dtype.kind == "i":
        whole = np.concatenate([part.x for part in parts])
        assert len(np.unique(whole.round(5), axis=0)) > 0.99 * len(whole)


def test_a_split_is_decided_by_its_seed() -> None:
    data = dataset("moons", noise=0.3)
    assert split(data, 1) is split(dataset("moons", noise=0.3), 1)
    assert not np.array_equal(split(data, 1).train.x, split(data, 2).train.x)
    with pytest.raises(ValueError, match="nothing to learn"):
        split(DATASETS["gaussian"], 0)
    assert isinstance(start(SMALL).arms[0], Arm)
    assert Batch._fields[:2] == ("x", "y")


@pytest.mark.parametrize("offset", [0.0, 1.0, 1000.0])
def test_the_moments_of_a_record_are_those_of_every_seed_and_layer(offset: float) -> None:
    source = torch.Generator().manual_seed(3)
    shapes = [(1, 3, 40, 7), (2, 3, 40, 64), (1, 3, 40, 4, 5, 5), (1, 3, 4099, 1)]
    h = [offset + torch.randn(shape, generator=source) for shape in shapes]
    h.append(torch.full((1, 3, 40, 7), 1e20))
    h.append(1e25 * torch.randn((1, 3, 40, 7), generator=source))
    h.append(
        torch.stack([torch.ones(5, 8), torch.full((5, 8), torch.nan), torch.ones(5, 8)])[None]
    )
    weights = [torch.randn(6, 3, 8, 8, generator=source)]
    act = ACTIVATIONS["selu"]
    trace = Trace(h, [torch.randn(6, 3, 40, 8, generator=source)], h)
    found = layer_statistics(act, [partial_sums(act, trace, weights, (), 0.0)])
    layers = [layer for block in h for layer in block]
    for name in ("", "gradient_"):
        mean, variance = found[f"{name}mean"], found[f"{name}variance"]
        assert mean.shape == variance.shape == (3, len(layers)) and mean.dtype == np.float64
        for index, layer in enumerate(layers[:-1]):
            exact = layer.double().flatten(1)
            assert np.allclose(mean[:, index], exact.mean(1), rtol=1e-6, atol=1e-6)
            assert np.allclose(variance[:, index], exact.var(1, unbiased=False), rtol=2e-6)
        assert variance[0, -1] == 0.0 and np.isnan(mean[1, -1])
    assert np.allclose(found["tau"], weights[0].double().square().sum(3).mean(2).T)


def test_a_training_is_estimated_by_its_steps_and_ends_by_its_seconds() -> None:
    short = changed(SMALL, steps=100)
    each = training_seconds(short) / 100
    assert each > 0
    assert training_seconds(changed(short, steps=1000)) > 5 * training_seconds(short)
    assert training_seconds(changed(short, record_every=1)) > training_seconds(short)
    assert training_seconds(changed(short, stop_seconds=each)) <= each


def test_a_training_of_hours_is_refused_with_what_to_change() -> None:
    long = changed(SMALL, steps=1_000_000, width=1024)
    with pytest.raises(ValueError, match="Too long .* fewer steps or seeds"):
        refuse_training([long])
    refuse_training([changed(long, stop_seconds=60.0)])
    refuse_training([SMALL, SMALL])
