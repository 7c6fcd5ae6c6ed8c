"""The page Train: arms in the link, buttons, changed settings, and what a training leaves."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.testing.v1 import AppTest

from pages.train import downloads, figures, job, layer_figures, tabs, text
from pages.train.arm_traces import LETTER, ROUNDING, Curve, heading, letters, log_ticks
from pages.ui import controls, page_settings, panels, slider
from pages.ui.chart.delta import numbers
from snn_core.settings import (
    NetworkSpec,
    arm_settings,
    arms_from_query,
    arms_to_query,
)
from snn_core.train import Boundary, decision_boundary, histograms, start, train
from snn_core.train.live import Training, history

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "pages" / "train" / "page.py"
LONG = 60.0
OWNER = "a secret that one browser keeps, in all of its tabs"
SMALL = {
    "arms": "2",
    "data": "moons",
    "depth": "2",
    "width": "8",
    "seeds": "2",
    "steps": "30",
    "b.activation": "relu",
}


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Whatever a test started is over when it ends."""
    yield
    for training in list(job._shelf().values()):
        training.job.stop()
        assert training.job.join(LONG)


TRANSPORT = {
    "play": ("play",),
    "step.1": ("step", 1),
    "step.10": ("step", 10),
    "back": ("reset",),
    "new_weights": ("new_weights",),
    "stop": ("stop",),
}


def opened(query: dict[str, str] = SMALL, visitor: str = "") -> AppTest:
    at = AppTest.from_file(str(PAGE), default_timeout=60)
    if visitor:
        at.session_state["visitor"] = visitor
    for key, value in query.items():
        at.query_params[key] = value
    return healthy(at.run())


def healthy(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    return at


def training(at: AppTest) -> Training:
    return at.session_state["training"]


def press(at: AppTest, key: str) -> AppTest:
    """Presses a button and waits until the training rests; then the page runs, as it is told."""
    if key in TRANSPORT:
        steer(at, *TRANSPORT[key])
    else:
        healthy(at.button(key=key).click().run())
    assert training(at).job.wait(LONG) not in ("running", "queued")
    return healthy(at.run())


def trigger(at: AppTest, key: str, event: str, value: object) -> AppTest:
    """Lets a component tell something, as a browser does."""
    states = at._tree.get_widget_states()
    told = states.widgets.add()
    told.id = _make_trigger_id(at.get_by_key(key).proto.id, "events")
    told.json_trigger_value = json.dumps([{"event": event, "value": value}])
    return healthy(at._run(states))


def steer(at: AppTest, what: str, count: int = 0) -> AppTest:
    """Presses one of the transport's buttons where there is no live channel."""
    return trigger(at, "transport", "act", {"what": what, "count": count, "at": time.time()})


def status(at: AppTest) -> dict[str, Any]:
    return chart(at, "transport")["status"]


def said(at: AppTest) -> str:
    return chart(at, "verdicts")["html"]


def steps(at: AppTest) -> int:
    return history(training(at))[-1].step


def link(at: AppTest) -> dict[str, str]:
    return {key: value for key, value in dict(at.query_params).items() if key != "job"}


def chart(at: AppTest, key: str) -> dict[str, Any]:
    proto = at.get_by_key(key).proto
    return json.loads(proto.mixed.json if proto.WhichOneof("data") == "mixed" else proto.json)


def control(at: AppTest, kind: str, name: str) -> Any:
    (found,) = (c for c in getattr(at, kind) if c.key == f"train/{name}")
    return found


def change(at: AppTest, kind: str, name: str, value: Any) -> AppTest:
    if kind == "number":  # as its slider does: the session's value is the setting
        at.session_state[f"train/{name}"] = value
        at.session_state["touched"] = True
        return healthy(at.run())
    return healthy(control(at, kind, name).set_value(value).run())


def test_an_empty_link_opens_with_three_arms_and_their_first_record() -> None:
    at = opened({})
    assert training(at).job.wait(LONG) == "paused"
    healthy(at.run())
    arms, opening = training(at).experiments, page_settings.TRAIN
    assert arms == arms_from_query(opening.opening)
    assert link(at) == {**arms_to_query(arms), **opening.opening_views}
    assert chart(at, "boundary")["alt"].startswith("Decision boundary of A")
    assert not [
        each.value for each in at.markdown if "None" in each.value
    ]  # a value shown by magic
    assert steps(at) == 0 and "validation loss" in chart(at, "curves")["alt"]


@pytest.mark.parametrize("depths", [*itertools.product((4, 7, 32), repeat=3)], ids=str)
def test_a_setting_of_most_arms_is_shared_and_moves_them_together(depths: tuple[int, ...]) -> None:
    arms = [replace(ARMS[0], network=NetworkSpec(depth=depth)) for depth in depths]
    held = page_settings.own_parts(arm_settings(arms))
    names = "abc"
    own = [held[f"{x}.depth"] for x in names if f"{x}.depth" in held]
    assert len(own) <= 1 or len(set(depths)) == 3
    shared = held.get("depth", NetworkSpec().depth)
    assert tuple(held.get(f"{x}.depth", shared) for x in names) == depths


def test_play_trains_to_the_end_and_says_what_came_of_it() -> None:
    at = press(opened(), "play")
    assert training(at).job.state == "done" and steps(at) == 30
    assert "step 30" in chart(at, "curves")["alt"]
    assert "A · SELU" in said(at) and "<th>arm</th>" in said(at) and "± " in said(at)
    assert status(at)["over"]


def test_a_stuck_arm_is_trained_again_with_its_repair_beside_it() -> None:
    query = {"arms": "1", "data": "moons", "depth": "24", "width": "16", "seeds": "2"}
    query |= {"initializer": "pytorch_default", "steps": "120", "learning_rate": "0.001"}
    at = press(opened(query), "play")
    assert "Stuck" in said(at)
    at = healthy(at.button(key="repair.a").click().run())
    laws = [arm.network.initializer for arm in training(at).experiments]
    assert laws == ["pytorch_default", "lecun_normal"] and steps(at) == 0
    at = press(at, "play")
    assert "B · SELU" in said(at) and "repair.b" not in [each.key for each in at.button]


def test_single_steps_reset_and_new_weights() -> None:
    at = press(opened(), "step.1")
    assert steps(at) == 1
    assert steps(press(at, "step.10")) == 11
    first = history(training(at))[0].arms[0].train_loss
    at = press(at, "back")
    assert steps(at) == 0
    assert np.array_equal(history(training(at))[0].arms[0].train_loss, first)
    at = press(at, "new_weights")
    assert link(at)["seed"] == "1"
    assert not np.array_equal(history(training(at))[0].arms[0].train_loss, first)


def test_a_setting_changed_before_the_first_step_starts_anew_without_a_question() -> None:
    at = change(opened(), "number", "width", 12)
    assert training(at).experiments[0].network.width == 12 and not at.info


def test_a_rate_changes_while_it_learns_and_the_weights_stay() -> None:
    at = press(opened(), "step.10")
    before = training(at)
    at = change(at, "number", "learning_rate", 0.5)
    assert training(at) is before and steps(at) == 10
    assert before.run is not None
    assert [arm.learning_rate for arm in before.run.arms] == [0.5, 0.5]
    assert before.notes and link(at)["learning_rate"] == "0.5"


def test_another_constraint_goes_on_from_here_and_other_networks_start_over() -> None:
    at = press(opened(), "step.10")
    here = training(at)
    at = change(at, "selectbox", "a.constraint", "unit_norm")
    assert "go on with them from step 10" in at.info[0].value
    at = press(at, "go_on_with")
    assert training(at) is here and not at.info
    assert here.experiments[0].network.constraint == "unit_norm" and steps(at) == 10
    at = change(at, "number", "width", 12)
    assert "start over" in at.info[0].value and "go_on_with" not in [b.key for b in at.button]
    at = press(at, "undo")
    assert training(at) is here and not at.info
    at = change(at, "number", "width", 12)
    at = press(at, "restart")
    assert training(at) is not here and steps(at) == 0 and not here.job.alive


def test_looking_back_and_going_on_from_there() -> None:
    at = press(opened(), "play")
    at = trigger(at, "transport", "shown", 12)
    look = chart(at, "transport")["look"]
    assert (look["at"], look["kept"], look["last"]) == (10, 10, 30)  # the last that is recorded
    assert "after 10 steps" in said(at)
    at = steer(at, "go_on", 10)
    assert steps(at) == 10 and training(at).job.state == "paused"
    assert steps(press(at, "play")) == 30


def test_a_stopped_training_keeps_what_it_has_shown_and_can_be_taken_up() -> None:
    at = press(opened(), "step.10")
    at = press(at, "stop")
    assert training(at).job.state == "stopped" and "job" not in dict(at.query_params)
    assert "step 10" in chart(at, "curves")["alt"] and not status(at)["alive"]
    assert steps(press(at, "play")) == 30


def test_a_click_that_is_told_twice_acts_once() -> None:
    at = press(opened(), "step.10")
    click = {"what": "step", "count": 10, "at": time.time()}
    for _ in range(2):
        at = trigger(at, "transport", "act", click)
        assert training(at).job.wait(LONG) == "paused"
    assert steps(at) == 20


@pytest.mark.parametrize(
    "told", [None, 3, [], {}, {"what": "play"}, {"what": 1, "count": 1, "at": 9e9}]
)
def test_what_is_no_click_does_nothing(told: object) -> None:
    at = trigger(opened(), "transport", "act", told)
    assert steps(at) == 0 and not training(at).job.playing


def test_the_speed_is_a_view() -> None:
    at = trigger(opened(), "transport", "speed", "5")
    assert training(at).job.speed == 5.0 and link(at)["view.speed"] == "5"
    at = trigger(at, "transport", "speed", "a million")
    assert training(at).job.speed == 5.0


@pytest.mark.parametrize(
    ("key", "event", "value"),
    [
        ("curves", "returned", 1.0),  # the channel was lost and is back
        ("number:train/depth", "value", None),  # what is no number
        ("transport", "moved", 1.0),
    ],
)
def test_what_the_browser_tells_is_no_new_link(key: str, event: str, value: object) -> None:
    """Its address may be a message behind."""
    at = change(opened(), "number", "width", 12)
    at.query_params["width"] = "8"
    at = trigger(at, key, event, value)
    assert training(at).experiments[0].network.width == 12 and link(at)["width"] == "12"


def test_a_page_draws_nothing_by_the_clock() -> None:
    """What ticks in the browser meets clicks; while it trains the live channel tells."""
    for source in (ROOT / "pages").rglob("*.py"):
        assert "run_every" not in source.read_text(), source


def test_a_reload_finds_its_training_and_a_dead_one_is_no_error() -> None:
    at = press(opened(visitor=OWNER), "step.10")
    again = opened(dict(at.query_params), visitor=OWNER)
    assert training(again) is training(at) and steps(again) == 10
    assert steps(press(again, "step.1")) == 11
    lost = opened(SMALL | {"job": "gone"})
    assert steps(lost) == 0 and not lost.warning and not lost.error
    assert "no longer on the server" in lost.info[0].value
    lost = press(lost, "again")
    assert steps(lost) == 30 and not lost.info
    assert not press(opened(), "step.1").info


def test_two_tabs_of_one_training_do_not_undo_each_other() -> None:
    first = press(opened(visitor=OWNER), "step.10")
    second = opened(dict(first.query_params), visitor=OWNER)
    second = change(second, "number", "learning_rate", 0.2)
    first = press(first, "step.1")
    assert training(first) is training(second) and len(training(first).notes) == 1
    assert link(first)["learning_rate"] == "0.2"
    assert chart(first, "number:train/learning_rate")["value"] == 0.2


def test_who_has_only_the_address_may_look_at_everything_and_steer_nothing() -> None:
    owner = press(press(opened(), "step.10"), "step.10")
    theirs = training(owner)
    epoch, speed = theirs.job.since().epoch, theirs.job.speed
    address = dict(owner.query_params) | {"view.speed": "2"}
    watcher = opened(address)
    assert training(watcher) is theirs
    assert "someone else" in watcher.info[0].value and len(watcher.info) == 1
    assert not {b.key for b in watcher.button} & {"go_on", "go_on_with"}
    assert not chart(watcher, "transport")["steers"]
    assert "step 20" in chart(watcher, "curves")["alt"]
    assert "get.curves.csv" in [b.key for b in watcher.get("download_button")]
    watcher = trigger(watcher, "transport", "shown", 10)
    look = chart(watcher, "transport")["look"]
    assert look["at"] == 10 and look["kept"] is None
    for kind, name, value in (
        ("number", "learning_rate", 0.5),  # a rate alone
        ("selectbox", "a.constraint", "unit_norm"),  # what the owner could go on with
        ("number", "width", 12),  # other networks
    ):
        watcher = change(watcher, kind, name, value)
        assert "go_on_with" not in [b.key for b in watcher.button]
        assert "Your settings differ" in watcher.info[0].value
    watcher = healthy(watcher.button(key="undo_change").click().run())
    assert "differ" not in watcher.info[0].value
    assert theirs.job.state == "paused" and steps(owner) == 20 and not theirs.notes
    assert (theirs.job.since().epoch, theirs.job.speed) == (epoch, speed)
    assert theirs.experiments == arms_from_query(SMALL)


def test_a_click_on_a_button_that_was_the_owners_does_nothing_to_a_watched_training() -> None:
    """A page that is not redrawn yet may still have buttons; so what they call asks again."""
    owner = press(opened(visitor=OWNER), "step.10")
    theirs = training(owner)
    tab = opened(dict(owner.query_params), visitor=OWNER)
    for each in TRANSPORT.values():
        tab.session_state["visitor"] = OWNER
        healthy(tab.run())
        tab.session_state["visitor"] = "another one's secret, of the same length or so"
        steer(tab, *each)
        assert theirs.job.state == "paused" and theirs.job.alive
        assert steps(owner) == 10 and theirs.job.since().epoch == 0


def test_who_watches_may_train_it_and_the_watched_one_goes_on() -> None:
    owner = press(opened(), "step.10")
    theirs = training(owner)
    watcher = opened(dict(owner.query_params))
    watcher = press(watcher, "train_yourself")
    own = training(watcher)
    assert own is not theirs and own.experiments == theirs.experiments
    assert own.job.state == "done" and not watcher.info and steps(watcher) == 30
    assert theirs.job.alive and theirs.job.state == "paused" and steps(owner) == 10
    assert steps(press(owner, "step.1")) == 11


def test_what_the_owner_changes_is_what_a_watcher_sees() -> None:
    owner = press(opened(), "step.10")
    address = dict(owner.query_params)
    owner = change(owner, "number", "learning_rate", 0.2)
    watcher = opened(address)
    assert chart(watcher, "number:train/learning_rate")["value"] == 0.2
    owner = change(owner, "number", "learning_rate", 0.3)
    watcher = healthy(watcher.run())
    assert link(watcher)["learning_rate"] == "0.3" and len(training(owner).notes) == 2


def test_only_its_owner_keeps_a_training_alive() -> None:
    owner = opened()
    watcher = opened(dict(owner.query_params))
    theirs = training(owner)
    job._connected().clear()  # else its connection's own thread may renew the lease in between
    theirs.job.detach()
    touched = theirs.job._touched
    healthy(watcher.run())
    assert theirs.job._touched == touched
    healthy(owner.run())
    assert theirs.job._touched > touched


def test_an_empty_address_that_a_change_of_page_leaves_keeps_the_settings() -> None:
    at = press(opened(), "step.1")
    at.query_params.clear()
    at.session_state["page"] = page_settings.PROPAGATE
    healthy(at.run())
    assert link(at) == SMALL and steps(at) == 1


def test_a_rate_after_the_end_is_asked_about() -> None:
    at = press(opened(), "play")
    at = change(at, "number", "learning_rate", 0.5)
    assert len(at.info) == 1 and not training(at).notes


def test_arms_are_added_removed_and_set_up_by_themselves() -> None:
    at = press(opened(), "add_arm")
    assert link(at)["arms"] == "3" and link(at)["c.activation"] == "relu"
    at = change(at, "selectbox", "c.activation", "tanh")
    assert [a.network.activation for a in training(at).experiments] == ["selu", "relu", "tanh"]
    at = press(at, "add_arm")
    assert at.button(key="add_arm").disabled
    healthy(at.segmented_control(key="train/view.arm").set_value("b").run())
    at = press(at, "remove_arm")
    assert [a.network.activation for a in training(at).experiments] == ["selu", "tanh", "tanh"]


def test_an_arm_learns_with_a_formula_of_its_own() -> None:
    at = opened(SMALL | {"b.activation": "=1.6*tanh(z)"})
    assert training(at).experiments[1].network.activation == "=1.6*tanh(z)"
    healthy(at.segmented_control(key="train/view.arm").set_value("b").run())
    field = at.text_input(key="formula:train/b.activation")
    assert field.value == "1.6*tanh(z)"
    healthy(field.set_value("tanhh(z)").run())
    assert "Did you mean" in at.error[0].value and link(at)["b.activation"] == "=1.6*tanh(z)"
    healthy(at.text_input(key="formula:train/b.activation").set_value("z*sigmoid(z)").run())
    at = press(at, "play")
    assert link(at)["b.activation"] == "=z*sigmoid(z)" and not at.error
    assert [a.network.activation for a in training(at).experiments] == ["selu", "=z*sigmoid(z)"]
    assert steps(at) == 30


def test_another_optimizer_brings_its_usual_rate() -> None:
    at = change(opened(), "selectbox", "optimizer", "adadelta")
    assert link(at)["learning_rate"] == "1.0"


@pytest.mark.parametrize("tab", tabs.TABS)
def test_every_tab_draws_while_it_rests(tab: str) -> None:
    at = opened(SMALL | {"view.tab": tab, "view.layer": "2"})
    at = press(press(at, "step.10"), "step.10")
    assert not at.error and link(at).get("view.tab", "Mean and variance") == tab
    trigger(at, "transport", "shown", 5)


def test_the_boundary_needs_a_plane_and_a_regression_has_another_score() -> None:
    at = press(opened(SMALL | {"data": "diabetes"}), "step.10")
    assert "Boundary" not in [tab.label for tab in at.tabs]
    assert "R²" in chart(at, "curves")["alt"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"data": "gaussian"}, "nothing to learn"),
        ({"width": "4096", "depth": "512", "seeds": "64"}, "Too long"),
        ({"width": "1024", "steps": "1000000"}, "Use fewer steps"),
        ({"kind": "cnn"}, "no images for a CNN"),
        ({"dtype": "float16"}, "float32 or float64"),
        ({"a.dropout": "alpha", "a.activation": "identity"}, "Alpha dropout"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(query: dict[str, str], said: str) -> None:
    at = opened(SMALL | query)
    shown = [each.value for group in (at.error, at.warning) for each in group]
    assert len(shown) == 1 and said in shown[0]


def test_an_accident_is_one_sentence_without_a_trace() -> None:
    with patch("snn_core.train.live.start", side_effect=RuntimeError("secret")):
        at = opened()
    assert "failed on the server" in at.error[0].value and "secret" not in at.error[0].value


def test_a_training_whose_networks_were_let_go_starts_over() -> None:
    at = opened()
    old = at.session_state["training"]
    old.job.stop()
    assert old.job.join(10)
    old.run = None
    new = healthy(at.run()).session_state["training"]
    assert new is not old and new.job.alive and "step 0" in chart(at, "curves")["alt"]


def test_a_full_server_says_so() -> None:
    with patch.object(job, "MOST", 0):
        at = opened()
    assert "limit is 0" in at.error[0].value


KEYS = st.sampled_from(
    [
        *(
            "arms",
            "b.activation",
            "c.depth",
            "b.data",
            "job",
            "view.arm",
            "view.speed",
            "view.tab",
        ),
        *("view.layer", "view.goal", "learning_rate", "steps", "optimizer", "d", "x.y"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(["", "nan", "-1", "1e999", "4", "9" * 500, "gelu", "<b>", "../..", "adam"]),
    st.text(max_size=20).filter(lambda text: "\x00" not in text),
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_no_link_breaks_the_page(query: dict[str, str]) -> None:
    at = opened(SMALL | query)
    for training in list(job._shelf().values()):
        training.job.stop()
    del at


def test_downloads_hold_what_was_recorded() -> None:
    at = press(opened(), "step.10")
    found = {name: make() for _, name, _, make in downloads.files(training(at), ["A", "B"], None)}
    assert set(found) == {
        "curves.csv", "layers.csv", "training.json", "weights_a.safetensors",
        "weights_b.safetensors",
    }  # fmt: skip
    assert json.loads(found["training.json"]) and found["curves.csv"].count("\n") >= 9
    assert isinstance(found["weights_b.safetensors"], bytes)


def test_every_setting_of_a_training_has_a_control_with_its_help() -> None:
    seen = set()
    for query in (
        {},
        {"optimizer": "adam", "schedule": "step"},
        {"schedule": "warmup", "a.constraint": "unit_norm", "residual": "1"},
        {"a.normalization": "batch", "a.dropout": "standard"},
        {"kind": "cnn", "data": "digits", "pool": "max", "depth": "4", "channels": "4",
         "view.tab": "Gradients"},
    ):  # fmt: skip
        at = opened(SMALL | query | {"view.more": "open"})
        for key in (k for k in component_keys(at) if k.startswith("number:train/")):
            seen.add(key.removeprefix("number:train/").removeprefix("a."))
            assert chart(at, key)["help"], key
        for group in (at.selectbox, at.toggle):
            for each in (c for c in group if (c.key or "").startswith("train/")):
                seen.add(each.key.removeprefix("train/").removeprefix("a."))
                assert each.help, each.key
    known = set(controls.TRAINED)
    assert known - {"device"} <= seen


def component_keys(at: AppTest) -> list[str]:
    return [str(each.key) for each in at.get("bidi_component")]


def test_an_arm_is_given_a_setting_of_its_own_and_gives_it_up_again() -> None:
    at = opened(SMALL | {"view.more_arm": "open", "view.arm": "b"})
    healthy(at.selectbox(key="give.b.0").set_value("depth").run())
    assert "number:train/b.depth" in component_keys(at) and link(at)["depth"] == "2"
    at = change(at, "number", "b.depth", 3)
    assert (link(at)["a.depth"], link(at)["b.depth"]) == ("2", "3")
    at = change(at, "number", "depth", 4)
    assert (link(at)["a.depth"], link(at)["b.depth"]) == ("4", "3")
    healthy(at.button(key="share.b.depth").click().run())
    assert link(at)["depth"] == "4" and "b.depth" not in link(at)
    assert "number:train/b.depth" not in component_keys(at)


# Figures


ARMS = arms_from_query(SMALL | {"arms": "3", "c.activation": "tanh", "c.learning_rate": "1.0"})
NAMES = text.names(ARMS)
RUN = start(ARMS)
HISTORY = list(train(RUN))
FIGURES = {
    "curves": lambda h, at: figures.curves(h, NAMES, at=at),
    "heat": lambda h, at: figures.heat(h, NAMES, at),
    "orbits": lambda h, at: figures.orbits(h, NAMES, at),
    "drift": lambda h, at: figures.drift(h, at),
    "gradients": lambda h, at: layer_figures.gradients(h, at),
    "saturation": lambda h, at: layer_figures.saturation(h, at),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("upto", "at"), [(1, None), (2, None), (4, None), (4, 20), (4, 5)])
def test_every_figure_is_one_that_plotly_knows(name: str, upto: int, at: int | None) -> None:
    drawn = numbers(FIGURES[name](HISTORY[:upto], at))
    assert go.Figure(drawn).data
    json.dumps(drawn, allow_nan=False)


def test_pictures_are_figures_too() -> None:
    checkpoint = RUN.checkpoints[-1]
    planes = [decision_boundary(RUN, index, checkpoint, 8) for index in range(3)]
    laws = [histograms(RUN, index, checkpoint, 1) for index in range(3)]
    for drawn in (layer_figures.boundaries(planes, NAMES), layer_figures.histogram(laws, 1)):
        assert go.Figure(numbers(drawn)).data


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_boundary_is_coloured_by_how_much_surer_than_chance_it_is(count: int) -> None:
    random = np.random.default_rng(count)
    odds = random.dirichlet(np.ones(count), (5, 7))
    ticks = np.arange(7.0), np.arange(5.0)
    labels = np.repeat(np.arange(count), 3)
    plane = Boundary(0, *ticks, odds, odds.max(2), random.normal(size=(labels.size, 2)), labels)
    traces = layer_figures.boundaries([plane], NAMES[:1])["data"]
    maps = [t for t in traces if t["type"] == "heatmap"]
    painted = np.zeros((5, 7, count))  # how opaque in the colour of each class
    for each in maps:
        at = (each["z"] - each["zmin"]) / (each["zmax"] - each["zmin"])
        for index, colour in enumerate(layer_figures.CLASSES[:count]):
            own = panels.rgba(colour, 1).rpartition(",")[0]
            stops = [(end, float(tint.rpartition(",")[2].rstrip(")")))
                     for end, tint in each["colorscale"] if tint.startswith(own)]  # fmt: skip
            if stops:
                painted[:, :, index] += np.interp(at, *zip(*stops, strict=True), left=0, right=0)
    sure = np.clip((odds - 1 / count) / (1 - 1 / count), 0, 1)
    assert np.allclose(painted, 0.55 * sure, atol=1e-3)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_dots_of_a_boundary_stand_where_their_rows_are(count: int) -> None:
    random = np.random.default_rng(count)
    odds, ticks = random.dirichlet(np.ones(count), (5, 7)), (np.linspace(-2, 4, 7), np.arange(5.0))
    labels, points = np.repeat(np.arange(count), 30), random.normal(size=(count * 30, 2))
    plane = Boundary(0, *ticks, odds, odds.max(2), points, labels)
    (image,) = layer_figures.boundaries([plane], NAMES[:1])["layout"]["images"]
    assert (image["x"], image["y"], image["sizex"], image["sizey"]) == (-2, 0, 6, 4)
    assert (image["sizing"], image["yanchor"]) == ("stretch", "bottom")  # x is the left by default
    kind, _, drawn = image["source"].partition(",")
    picture = ElementTree.fromstring(unquote(drawn))
    assert kind == "data:image/svg+xml" and picture.get("viewBox") == "-2.000 -4.000 6.000 4.000"
    looks = set()
    for index, colour in enumerate(layer_figures.CLASSES[:count]):
        tint = panels.rgba(colour, 1)
        assert tint in image["source"]  # as the chart looks for it
        (at,) = (i for i, path in enumerate(picture) if path.get("stroke") == tint)
        inks = [path for path in picture if path.get("d") == picture[at].get("d")]
        assert all(path.get("vector-effect") == "non-scaling-stroke" for path in inks)
        looks.add((picture[at].get("stroke-linecap"), len(inks)))
        places = re.findall(r"M(\S+) (\S+)h0", picture[at].get("d", ""))
        found = np.array(places, float) * [1, -1]
        assert np.allclose(found, points[labels == index], atol=6e-4)
    assert len(looks) == count  # not by colour alone


def test_the_curves_are_the_medians_of_the_records() -> None:
    drawn = figures.curves(HISTORY, NAMES)
    lines = [t for t in drawn["data"] if t.get("hovertemplate", "").startswith("B validation")]
    loss, accuracy = lines
    for trace, name in ((loss, "validation_loss"), (accuracy, "validation_accuracy")):
        expected = [np.median(getattr(s.arms[1], name)) for s in HISTORY]
        assert np.allclose(trace["y"], expected) and trace["x"].tolist() == [0, 10, 20, 30]


def test_names_say_what_sets_an_arm_apart() -> None:
    assert NAMES == ["A · SELU", "B · ReLU", "C · tanh, learning rate 1"]
    same = text.names(arms_from_query({"arms": "2"}))
    assert same == ["A · SELU", "B · SELU"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"arms": "4"}, ["A, B, C and D"]),
        ({"arms": "4", "b.activation": "relu"}, ["A, C and D"]),
        ({"arms": "4", "b.activation": "relu", "d.activation": "relu"}, ["A and C", "B and D"]),
        ({"arms": "2", "b.activation": "relu"}, []),
    ],
)
def test_arms_that_are_the_same_are_named_together(query: dict[str, str], said: list[str]) -> None:
    found = text.cautions(arms_from_query({"data": "digits"} | query))
    assert found == [f"Arms {who} are the same network, trained in the same way." for who in said]


def test_changed_settings_are_told_of_in_plain_words() -> None:
    assert "need new networks" in text.changed(False, True, "")
    assert "as many steps as they allow" in text.changed(True, False, "")
    assert text.changed(True, True, " from step 5").endswith("from step 5, or start over.")


@example([1.0, 0.9999999999999999], True, None)  # of the second the logarithm is not quite 0
@given(
    st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=4),
    st.booleans(),
    st.sampled_from([None, (-0.02, 1.04)]),
)
def test_letters_at_the_ends_of_lines_never_lie_over_each_other(
    ends: list[float], log: bool, bounds: tuple[float, float] | None
) -> None:
    bounds = None if log else bounds
    lines = [Curve(arm, np.arange(2.0), np.array([1.0, end])) for arm, end in enumerate(ends)]
    at = letters(lines, np.concatenate([line.y for line in lines]), log, bounds)["y"]
    scaled, wanted = (np.log10(v) if log else np.asarray(v) for v in (at, ends))
    span = np.ptp(bounds) if bounds else max(np.ptp(np.append(wanted, 0.0 if log else 1.0)), 0)
    gap = LETTER * (span if span > ROUNDING else 1.0)
    assert np.diff(np.sort(scaled)).min() > 0.99 * gap
    assert np.abs(scaled - wanted).max() <= 4.01 * gap
    far = np.diff(np.sort(wanted)).min() > gap
    if far and not bounds:
        assert np.allclose(scaled, wanted)
    if bounds:
        assert bounds[0] < at.min() and at.max() < bounds[1]


def test_letters_leave_out_what_is_no_number() -> None:
    x = np.arange(2.0)
    lines = [Curve(0, x, np.array([np.nan] * 2)), Curve(1, x, np.ones(2))]
    assert letters(lines, np.ones(2))["y"].tolist() == pytest.approx([np.nan, 1], nan_ok=True)


@pytest.mark.parametrize("name", ["curves", "drift", "gradients"])
def test_an_axis_of_steps_begins_at_step_0_and_counts_whole_steps(name: str) -> None:
    layout = FIGURES[name](HISTORY[:1], None)["layout"]
    axes = [axis for key, axis in layout.items() if "xaxis" in key]
    stepped = [axis for axis in axes if axis.get("ticksuffix") == " steps"]
    assert stepped and all(axis["minallowed"] == 0 and axis["dtick"] == 1 for axis in stepped)


@pytest.mark.parametrize("name", ["curves", "drift", "gradients", "saturation"])
@pytest.mark.parametrize("upto", [1, 4])
def test_letters_keep_apart_on_the_axis_that_they_stand_on(name: str, upto: int) -> None:
    drawn = FIGURES[name](HISTORY[:upto], None)
    for at in (trace for trace in drawn["data"] if trace["mode"] == "text"):
        lines = [t for t in drawn["data"] if t["mode"] == "lines" and "yaxis" in t]
        panel = [t["y"] for t in lines if t["yaxis"] == at["yaxis"]]
        axis = drawn["layout"][at["yaxis"].replace("y", "yaxis")]
        up = np.log10 if axis["type"] == "log" else np.asarray
        seen, heights = (up(y[np.isfinite(y)]) for y in (np.concatenate(panel), at["y"]))
        span = np.ptp(axis["range"] if "range" in axis else seen)
        assert np.diff(np.sort(heights)).min(initial=np.inf) > 0.99 * LETTER * span


def test_headings_of_small_panels_are_never_cut() -> None:
    arms = arms_from_query(page_settings.TRAIN.opening)
    for drawn in (figures.heat(HISTORY, text.names(arms)), figures.orbits(HISTORY, NAMES)):
        titles = [note["text"] for note in drawn["layout"]["annotations"]]
        assert titles and not any("…" in title or len(title) > 40 for title in titles)
    assert heading("C · ReLU, he_normal") == "C · ReLU"


def test_the_table_names_arms_by_their_letters() -> None:
    html = text.verdicts(HISTORY, ARMS, NAMES, 0.9)
    rows = re.findall(r"<tr><td><b>(\w)</b>", html)
    assert rows == ["A", "B", "C"]
    assert all(f"<b>{escape(name)}.</b>" in html for name in NAMES)


def test_no_word_of_a_verdict_is_taken_for_markup() -> None:
    arms = arms_from_query(SMALL | {"b.activation": "=where(z<0, 0, z)"})
    html = text.verdicts(HISTORY, arms, text.names(arms), 0.9)
    assert "z < 0" not in html and "z &lt; 0" in html
    ElementTree.fromstring(f"<div>{html}</div>")


def test_before_play_it_says_how_long_that_will_take() -> None:
    at = opened()
    assert re.fullmatch(r"about \d+ (s|min)", status(at)["outlook"])
    assert status(press(at, "play"))["outlook"] == ""


def test_what_would_take_too_long_is_refused_and_what_runs_stays() -> None:
    at = press(opened(), "step.10")
    here = training(at)
    at = change(at, "number", "steps", 1_000_000)
    at = change(at, "number", "width", 1024)
    assert "Too long" in at.error[0].value and "last setting that worked" in at.error[0].value
    assert training(at) is here and here.job.alive and steps(at) == 10


def test_the_count_moves_between_slow_records() -> None:
    slow = [replace(s, seconds=20.0 * i) for i, s in enumerate(HISTORY)]
    for how, updates, said in (
        ("running", (13, 10, 10), "arm A at 13"),
        ("running", (20, 17, 10), "arm B at 17"),
        ("paused", (13, 10, 10), ""),
        ("running", (10, 10, 10), ""),
    ):
        done, sentence = text.pace(slow[:2], 30, how, updates)
        assert sentence.startswith("Step 10 of 30") and ("arm " in sentence) == bool(said)
        assert said in sentence
        if said:
            assert np.isclose(done, sum(updates) / 90)
    assert "arm A at 3" in text.pace(slow[:1], 30, "running", (3, 0, 0))[1]
    fast = [replace(s, seconds=0.1 * i) for i, s in enumerate(HISTORY)]
    assert "arm" not in text.pace(fast[:2], 30, "running", (13, 10, 10))[1]


@given(share=st.integers(0, 1000).map(lambda k: k / 1000))
def test_the_next_value_up_is_within_reach(share: float) -> None:
    for name, field in page_settings.DECLARED.items():
        low, high = field.metadata["low"], field.metadata["high"]
        if low is None or not isinstance(field.default, float):
            continue
        value = low + share * (high - low)
        step = slider._step(low, high, value)
        assert step > 0 and (value + step <= high * 1.001 or high - value < 1e-9 * high), name


def test_a_momentum_of_95_and_99_per_cent_is_some_clicks_away() -> None:
    known, value = set(), 0.9
    for _ in range(4):
        value = round(value + slider._step(0.0, 0.999, value), 6)
        known.add(value)
    assert {0.95, 0.99} <= known and max(known) <= 0.999


def test_a_hampered_arm_is_warned_of() -> None:
    arms = arms_from_query({"arms": "2", "data": "moons", "b.constraint": "centralize_unit"})
    (said,) = text.cautions(arms)
    assert said.startswith("Arm B") and "2 inputs" in said
    assert not text.cautions(arms_from_query({"data": "digits", "arms": "1"}))


@given(st.floats(1e-6, 1e6), st.floats(1.0, 1e6))
def test_a_logarithmic_axis_has_ticks_where_its_values_are(least: float, ratio: float) -> None:
    found = log_ticks(np.array([least, least * ratio]))
    if "dtick" in found:  # powers of ten, over many decades
        assert ratio > 1e3
        return
    near = [v for v in found["tickvals"] if least / 1.15 <= v <= 1.15 * least * ratio]
    assert len(near) >= 2 or ratio < 5
    assert near, found
    assert len(set(found["ticktext"])) == len(found["tickvals"])
