"""What is exported is what was recorded, and other programs read it."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load
from torch import Tensor

from snn_core.constraints import constraint
from snn_core.export import curves_csv, layers_csv, run_json, weights_safetensors
from snn_core.export.table import CURVES, LAYERS
from snn_core.export.text import setting_columns
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec, from_json
from snn_core.train import ArmSnapshot, Run, Snapshot, start, train

TRAINING = TrainingSpec(
    steps=20, batch_size=32, learning_rate=0.03, record_every=5, statistics_every=10
)
MOONS = Experiment(NetworkSpec(depth=3, width=8), "moons", seeds=4, training=TRAINING)
CNN = Experiment(
    NetworkSpec(kind="cnn", depth=4, dense=1, width=8, channels=4, pool="max", pool_every=2),
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


def trained(experiment: Experiment) -> Run:
    run = start(experiment)
    list(train(run))
    return run


# Tables


ARMS = [MOONS, changed(MOONS, depth=2, steps=10, activation="relu")]
NAMES = ["SELU, lecun", '=1+1 "x"']


@pytest.fixture(scope="module")
def history() -> list[Snapshot]:
    return list(train(ARMS))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


ABOUT = [f"arm.{key}" for key in setting_columns(ARMS)]


def test_a_row_says_what_its_arm_is(history: list[Snapshot]) -> None:
    for export in (curves_csv, layers_csv):
        for row in table(export(history, ARMS, NAMES)):
            net, training = ARMS[int(row["arm"])].network, ARMS[int(row["arm"])].training
            assert row["arm.activation"] == net.activation and row["arm.depth"] == str(net.depth)
            assert row["arm.steps"] == str(training.steps) and row["arm.data"] == "moons"


def test_curves_are_the_records(history: list[Snapshot]) -> None:
    rows = table(curves_csv(history, ARMS, NAMES))
    assert len(rows) == (5 + 3) * 4  # the second arm ends at step 10 and is not repeated
    assert list(rows[0]) == [
        "step", "epoch", "arm", "arm_name", "seed", "train_loss", "train_accuracy",
        "validation_loss", "validation_accuracy", "learning_rate", *ABOUT,
    ]  # fmt: skip
    assert {row["arm_name"] for row in rows} == {"SELU, lecun", '\'=1+1 "x"'}
    by_step = {snapshot.step: snapshot for snapshot in history}
    for row in rows:
        record = by_step[int(row["step"])].arms[int(row["arm"])]
        for name in CURVES:
            assert float(row[name]) == getattr(record, name)[int(row["seed"])]
        assert float(row["epoch"]) == record.epoch
        assert float(row["learning_rate"]) == 0.03


def test_layers_are_the_records(history: list[Snapshot]) -> None:
    rows = table(layers_csv(history, ARMS, NAMES))
    assert len(rows) == 3 * 4 * 4 + 2 * 4 * 3
    assert list(rows[0]) == ["step", "arm", "arm_name", "seed", "layer", *LAYERS, *ABOUT]
    by_step = {snapshot.step: snapshot for snapshot in history}
    for row in rows:
        record = by_step[int(row["step"])].arms[int(row["arm"])]
        seed, layer = int(row["seed"]), int(row["layer"])
        for name in LAYERS:
            if layer == 0 and name not in LAYERS[:4]:
                assert row[name] == ""
                continue
            values = getattr(record, name)[seed]
            expected = values[layer if name in LAYERS[:4] else layer - 1]
            assert float(row[name]) == expected or math.isnan(expected)


def test_a_run_is_strict_json(history: list[Snapshot]) -> None:
    notes = [{"step": 5, "text": "rate changed – ×0.1", "values": np.array([1.0, np.nan])}]
    text = run_json(history, ARMS, NAMES, notes)
    whole = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert whole["format"] == 1 and whole["versions"]["numpy"] == np.__version__
    assert whole["versions"]["torch"] == str(torch.__version__)
    assert whole["notes"] == [{"step": 5, "text": "rate changed – ×0.1", "values": [1.0, None]}]
    assert [arm["name"] for arm in whole["arms"]] == NAMES
    for arm, experiment in zip(whole["arms"], ARMS, strict=True):
        assert from_json(json.dumps(arm["settings"])) == experiment
        assert arm["ended"].startswith("All ") and arm["diverged_at"] is None
        assert len(arm["test_accuracy"]) == 4 and arm["seconds"] > 0
    curves = whole["arms"][0]["curves"]
    assert curves["step"] == [0, 5, 10, 15, 20] and len(curves["epoch"]) == 5
    assert curves["train_loss"][2] == history[2].arms[0].train_loss.tolist()


def test_what_is_not_finite_survives_or_is_null() -> None:
    values = np.array([math.nan, math.inf])
    record = ArmSnapshot(3, 0.5, 0.1, values, values, values, values, diverged_at=(4, 2))
    history = [Snapshot(3, 0.0, (record,))]
    one = replace(MOONS, seeds=2)
    rows = table(curves_csv(history, [one], ["a"]))
    assert [row["train_loss"] for row in rows] == ["nan", "inf"]
    arm = json.loads(run_json(history, [one], ["a"]))["arms"][0]
    assert arm["curves"]["train_loss"] == [[None, None]] and arm["diverged_at"] == [4, 2]
    assert layers_csv(history, [one], ["a"]).count("\n") == 1


def test_what_does_not_fit_is_refused(history: list[Snapshot]) -> None:
    for export in (curves_csv, layers_csv, run_json):
        with pytest.raises(ValueError, match="2 arms; give an experiment and a name for each"):
            export(history, ARMS, ["one"])
        assert export([], [], [])
    with pytest.raises(ValueError, match="Notes hold text, numbers, lists and mappings, got a se"):
        run_json(history, ARMS, NAMES, [{"kept": {1, 2}}])


# Weights


def mlp(weights: dict[str, Tensor], seed: str, x: Tensor, depth: int) -> Tensor:
    h = x
    for layer in range(1, depth + 1):
        name = f"{seed}.layer{layer}"
        h = F.selu(F.linear(h, weights[f"{name}.weight"], weights[f"{name}.bias"]))
        h = h * weights.get(f"{name}.scale", torch.tensor(1.0))
    return F.linear(h, weights[f"{seed}.head.weight"], weights[f"{seed}.head.bias"])


def cnn(weights: dict[str, Tensor], seed: str, x: Tensor) -> Tensor:
    h = x
    for layer in (1, 2, 3):
        name = f"{seed}.layer{layer}"
        h = F.selu(F.conv2d(h, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1))
        h = h * weights.get(f"{name}.scale", torch.tensor(1.0))
        h = F.max_pool2d(h, 2) if layer == 2 else h
    dense = f"{seed}.layer4"
    h = F.selu(F.linear(h.flatten(1), weights[f"{dense}.weight"], weights[f"{dense}.bias"]))
    h = h * weights.get(f"{dense}.scale", torch.tensor(1.0))
    return F.linear(h, weights[f"{seed}.head.weight"], weights[f"{seed}.head.bias"])


PARAMETRIZED = {"constraint": "standardize_unit", "constraint_manner": "parametrization"}


@pytest.mark.parametrize(
    "settings", [{}, {"trainable_scale": True}, PARAMETRIZED, {"constraint": "unit_norm"}], ids=str
)
@pytest.mark.parametrize("experiment", [MOONS, CNN], ids=["mlp", "cnn"])
def test_the_weights_of_a_file_are_the_network(
    experiment: Experiment, settings: dict[str, Any]
) -> None:
    experiment = changed(experiment, **settings)
    run = trained(experiment)
    weights = load(weights_safetensors(run.checkpoints[-1], 0))
    task, shown = run.arms[0].task, run.arms[0].shown
    assert shown is not None
    for k in range(experiment.seeds):
        if experiment.network.kind == "cnn":
            outputs = cnn(weights, f"seed{k}", task.validation.x)
        else:
            outputs = mlp(weights, f"seed{k}", task.validation.x, experiment.network.depth)
        loss = float(F.cross_entropy(outputs, task.validation.y))
        assert loss == pytest.approx(shown.validation_loss[k], abs=1e-5)
    each = 2 + experiment.network.depth * (3 if settings.get("trainable_scale") else 2)
    assert len(weights) == each * experiment.seeds
    if settings == PARAMETRIZED:
        rule = constraint("standardize_unit")
        assert float(rule.violation(weights["seed1.layer2.weight"][None]).max()) < 1e-4


def test_a_file_says_what_it_holds(tmp_path: Any) -> None:
    run = start([CNN, MOONS])
    list(train(run))
    path = tmp_path / "arm.safetensors"
    path.write_bytes(weights_safetensors(run.checkpoints[-1], 1))
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        assert set(file.keys()) >= {"seed3.layer3.weight", "seed0.head.bias"}
    assert from_json(metadata["settings"]) == MOONS
    assert (metadata["step"], metadata["format_version"]) == ("20", "1")
    first = load(weights_safetensors(run.checkpoints[0], 0))
    assert first["seed1.layer1.weight"].shape == (4, 1, 3, 3)
    with pytest.raises(ValueError, match="arm must be a whole number between 0 and 1"):
        weights_safetensors(run.checkpoints[0], 2)
