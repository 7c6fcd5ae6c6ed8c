"""What is watched of a training: progress, curves, verdicts, and below them the tabs.

While it runs the live channel brings the charts further (`pages.train.live`); two fragments draw
the rest: `pulse` how far it is, `draw`, once a second, the words and whatever else is to be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.train import job, tabs, text
from pages.train.live import curves
from pages.train.look import Look, shown
from pages.ui import notices, session, views
from pages.ui.chart import channel_is_blocked, plotly_view
from pages.ui.departure import depart
from snn_core.export import curves_csv, layers_csv, run_json, weights_safetensors
from snn_core.spec import Experiment
from snn_core.train import (
    Snapshot,
    checkpoint_at,
)
from snn_core.train.live import Training, go_back, history, updates

__all__ = ["PROGRESS", "draw", "files", "go_on", "only", "pulse"]

PROGRESS = "pulse"  # the fragment that draws the progress
PULSE = 0.5  # seconds between two of its runs
CALM = 1.0  # between those of `draw`
GOALS = ("90", "80", "95", "99", "70", "60")  # per cent of validation accuracy, or of R²
MOST_ROWS = 100_000  # of a table of layers; every second, third ... record beyond


def pulse() -> None:
    """Draws how far the training is; where it has come to rest the page follows."""
    training = job.current()
    if training is None:
        return
    job.beat()
    steps = max(arm.training.steps for arm in training.experiments)
    st.progress(*text.pace(history(training), steps, training.job.state, updates(training)))
    _follow(training)


def draw() -> None:
    """Draws the curves, and what there is to read.

    Figures of a training that runs are told with the whole page only, where the channel is there.
    """
    training = job.current()
    if training is None:
        return
    busy, inline = _follow(training), st.session_state.pop("train.inline", False)
    records = history(training)
    if not records:
        return
    with st.container(key="scrub"):  # also while empty, so that what follows keeps its place
        at = None if busy else _scrub(training, records)
    upto = [s for s in records if at is None or s.step <= at]
    look = _look(training, busy, at, whole=inline or not busy or channel_is_blocked())
    regression = text.is_regression(training.experiments[0])
    alt = text.curves_alt(look.records, look.names, regression)
    drawn = curves(look) if look.whole else None
    plotly_view(drawn, "curves", alt, live=busy, question=_question(look, busy))
    changed = text.changes(training.notes)
    sentence, why = text.CURVES
    notices.explained(f"{sentence} {changed}", why)
    _verdicts(look, upto)
    tabs.draw_tabs(look)
    depart()


def _follow(training: Training) -> bool:
    """Returns whether the training runs; where that is news, the page's buttons follow first."""
    busy = job.is_busy(training)
    if busy != st.session_state.get("train.busy"):
        session.touch()  # else it would take the browser's URL, a message behind, for a new link
        depart()  # what is drawn already is not to wait for the page
        st.rerun()  # the pace of these very fragments follows too
    return busy


def _look(training: Training, busy: bool, at: int | None, whole: bool) -> Look:
    memory = st.session_state.setdefault("train.pictures", {})
    named = text.names(training.experiments)
    return Look(training, shown(training, busy), named, at, memory, whole=whole)


def _question(look: Look, busy: bool) -> dict[str, Any]:
    """What the live channel is asked: to send what the charts in sight grow by."""
    view = {"tab": session.view("tab", tabs.names(look))}
    layer = st.session_state.get(session.key("view.layer"))
    return {
        "ask": "train",
        "query": {"job": look.training.job.id},
        "view": view | ({} if layer is None else {"layer": str(layer)}),
        "follow": busy,
    }


def only(fragment: str) -> None:
    """Lets only that fragment run, for now; the whole page where there is none of that name."""
    try:
        st.rerun(fragment)
    except StreamlitAPIException:
        return


def go_on(training: Training, at: int | None, arms: tuple[Experiment, ...] | None = None) -> None:
    """Goes back to the last networks kept up to a step, and on from there if it was running.

    None are the newest networks. Nothing happens to another visitor's training.
    """
    session.touch()
    if not job.steers(training):
        return
    playing = job.is_busy(training)
    if not training.job.alive:
        job.revive(training)
    newest = training.run.step if training.run is not None else 0
    go_back(training, newest if at is None else at, arms)
    st.session_state["train.at"] = None
    if playing:
        training.job.play()


def _scrub(training: Training, records: Sequence[Snapshot]) -> int | None:
    """Draws the slider through the steps of a training that rests; None is the newest."""
    last = records[-1].step
    if last == 0:
        return None
    at = st.session_state.get("train.at")
    at = last if at is None else min(at, last)
    if st.session_state.get("train.slider") != at:
        st.session_state["train.slider"] = at
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.slider(
            "Step shown",
            0,
            last,
            key="train.slider",
            on_change=_scrubbed,
            args=(training,),
            help="Look back: verdicts, table, figures of layers, boundary and histograms are of "
            "this step, or of the last one before it that was recorded.",
        )
        asked = st.session_state.get("train.changed")  # by the page, what is to go on
        if at < last and not asked and job.steers(training):
            st.button(
                f"Go on from step {kept(training, at)}",
                on_click=go_on,
                args=(training, at),
                key="go_on",
                width=190,
                help="Forgets what came after. Another learning rate, optimizer or "
                "constraint may be set first.",
            )
    return None if at == last else at


def _scrubbed(training: Training) -> None:
    """Looks at the last record up to the slider's step, and puts the slider there."""
    records = history(training)
    at = _recorded(records, st.session_state["train.slider"])
    st.session_state["train.slider"] = at
    _look_at(at, records[-1].step)


def _recorded(records: Sequence[Snapshot], at: int) -> int:
    return max((s.step for s in records if s.step <= at), default=0)


def _look_at(at: int, last: int) -> None:
    st.session_state["train.at"] = None if at >= last else at
    st.session_state["train.busy"] = None  # so that what can be downloaded follows


def kept(training: Training, at: int) -> int:
    """Returns the last step up to ``at`` whose networks are kept, where one goes back to."""
    run = training.run
    return checkpoint_at(run, at).step if run is not None and run.checkpoints else 0


def _verdicts(look: Look, upto: Sequence[Snapshot]) -> None:
    """Draws a sentence for every arm and the table of arms, as of the step that is looked at."""
    goal = session.view("goal", GOALS)
    epoch = look.training.job.since().epoch
    key = (look.training.job.id, epoch, upto[-1].step, goal, look.training.job.state)
    known, said = st.session_state.get("train.verdicts", (None, ""))
    if known != key:
        said = text.verdicts(upto, look.training.experiments, look.names, int(goal) / 100)
        st.session_state["train.verdicts"] = (key, said)
    st.markdown(said, unsafe_allow_html=True)  # our own words; Streamlit sanitizes them too
    views.choose(
        "goal",
        "Accuracy to reach",
        GOALS,
        "The table says after how many steps the validation accuracy (of a regression, R²) "
        "first reached this.",
        lambda name: f"{int(name) / 100:g}",
    )


def files(
    training: Training, named: Sequence[str]
) -> list[tuple[str, str, str, Callable[[], str | bytes]]]:
    """Returns what can be downloaded: label, file name, type, and how to make it when asked."""
    arms = training.experiments

    def curves() -> str:
        return curves_csv(history(training), arms, named)

    def layers() -> str:
        records = history(training)
        rows = sum(arm.seeds * (arm.network.depth + 1) for arm in arms) * len(records)
        return layers_csv(records[:: math.ceil(rows / MOST_ROWS)], arms, named)

    def whole() -> str:
        return run_json(history(training), arms, named, training.notes)

    def weights(index: int, at: int | None) -> bytes:
        run = training.run
        assert run is not None
        step = run.step if at is None else at
        return weights_safetensors(checkpoint_at(run, step), index)

    found: list[tuple[str, str, str, Callable[[], str | bytes]]] = [
        ("Curves (CSV)", "curves.csv", "text/csv", curves),
        ("Layers (CSV)", "layers.csv", "text/csv", layers),
        ("Everything (JSON)", "training.json", "application/json", whole),
    ]
    if training.run is not None and training.run.checkpoints:
        at = st.session_state.get("train.at")
        found += [
            (
                f"Weights of {name} (safetensors)",
                f"weights_{name[0].lower()}.safetensors",
                "application/octet-stream",
                partial(weights, index, at),
            )
            for index, name in enumerate(named)
        ]
    return found
