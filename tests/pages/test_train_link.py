"""The link from a verdict to Train: the network as set, and repaired."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pages.propagate import training
from snn_core.datasets import DATASETS, is_labelled
from snn_core.diagnosis import TRAPS, diagnose, repaired
from snn_core.propagate import run
from snn_core.settings import Experiment, arms_from_query, from_query

SETTINGS: list[dict[str, str]] = [
    {},
    *({k: str(v) for k, v in trap.settings} for trap in TRAPS.values()),
    {"initializer": "he_normal"},
    {"initializer": "he_normal", "depth": "48", "width": "64", "activation": "tanh"},
    {"weight_factor": "1.6", "constraint": "centralize_unit"},
    {"bias": "0.5", "activation": "=tanh(2*z)"},
    {"dropout": "standard", "dropout_rate": "0.2"},
    {"activation": "leaky_relu", "activation.negative_slope": "0.3"},
    {"residual": "1", "residual_scale": "0.5"},
    {"data": "digits", "initializer": "he_normal"},
    {"data.mean": "3"},
    {"dtype": "float16", "seeds": "2"},
    {"kind": "cnn", "depth": "6", "data": "digits", "padding": "zeros"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_arms_of_the_link_are_the_network_and_its_repair(setting: dict[str, str]) -> None:
    said = {k: str(int(v == "True")) if v in ("True", "False") else v for k, v in setting.items()}
    experiment = from_query(said)
    small = replace(experiment, batch=min(experiment.batch, 32), seeds=min(experiment.seeds, 2))
    repairs = diagnose(run(small)).repairs
    query, told = training.link(experiment, repairs)
    assert query or told.startswith("Train can't take")
    if not query:
        return
    arms = arms_from_query({k: v for k, v in query.items() if not k.startswith("view.")})
    wanted = [experiment, *(repaired(experiment, each) for each in repairs[:1])]
    assert arms[0].network == wanted[0].network and arms[-1].network == wanted[-1].network
    assert len(arms) == len(wanted) or "repair changes nothing" in told
    assert all(is_labelled(DATASETS[arm.data]) for arm in arms)
    if is_labelled(DATASETS[experiment.data]):
        assert arms[0].data == experiment.data
    assert ("nothing to learn" in told) == (arms[0].data != experiment.data)
    assert ("too coarse" in told) == (arms[0].dtype != experiment.dtype)


def test_what_train_refuses_is_said() -> None:
    huge = from_query({"depth": "512", "width": "2048"})
    assert "Too long" in training.link(huge, ())[1]


def test_a_repair_that_no_training_knows_of_leaves_one_arm() -> None:
    shifted = from_query({"data.mean": "3"})
    assert training.arms(shifted, ()) == training.arms(Experiment(), ())
