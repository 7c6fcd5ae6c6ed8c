"""Train: arms side by side, and what learning does to mean, variance, omega and tau."""

from __future__ import annotations

import logging
import time

import streamlit as st

from pages.train import job, progress, text
from pages.ui import controls, layout, notices, page_settings, session, views
from pages.ui.clicks import once
from pages.ui.text import plain
from snn_core.cost import refuse_training
from snn_core.spec import Experiment
from snn_core.train.live import (
    Training,
    fits,
    history,
    only_rates_differ,
    seconds_left,
    set_rates,
    step,
)

SPEEDS = {"max": float("inf"), "10": 10.0, "5": 5.0, "2": 2.0, "1": 1.0}
DOUBLE_CLICK = 0.4  # seconds
FIRST = 0.5  # seconds that the page waits for the first record, so that it opens with one


def main() -> None:
    """Reads the setting, finds or starts the training, draws its controls and its curves."""
    session.open_link(page_settings.TRAIN)
    layout.heading("Train", text.INTRODUCTION)
    left, right = layout.columns()
    # The fragment that moves comes after the rail: its clock starts once the browser has it, and
    # while the rest of the page was still under way its looks and a person's click would collide.
    arms = _arms()
    session.remember(arms)
    with left, st.container(key="controls"):
        for caution in text.cautions(arms or ()):
            st.warning(caution)
        controls.arm_rail()
    with right, st.container(key="hero"):
        place = st.container()
        with st.container(key="notices"):
            notices.link_problems()
            training = _training()
    if training is not None:
        with place:
            if job.steers(training):
                _transport(training)
            else:
                _watching(training)
            _watched(training)
    with right:
        if training is not None:
            with st.container(key="details"):
                _take_away(training)


def _arms() -> tuple[Experiment, ...] | None:
    """Returns the arms that are set up, None where they do not go together."""
    try:
        return session.arms(controls.used)
    except ValueError:
        return None


def _watched(training: Training) -> None:
    """Draws what moves, in fragments that run at their own pace from now on."""
    st.session_state["train.busy"] = job.is_busy(training)
    st.session_state["train.inline"] = True
    st.fragment(
        progress.pulse, run_every=job.pace(training, progress.PULSE), key=progress.PROGRESS
    )()
    st.fragment(progress.draw, run_every=job.pace(training, progress.CALM), key="watch")()


def _training() -> Training | None:
    """Returns the session's training of the arms that are set up, or the last one that ran."""
    training = job.current() or job.adopt(st.query_params.get(session.JOB, ""))
    try:
        arms = session.arms(controls.used)
        if training is None or training.experiments != arms:
            refuse_training(arms)
        if training is None or job.is_forgotten(training) or _to_restart(training, arms):
            training = _begin(arms)
    except ValueError as error:
        kept = " The figures still show the last setting that worked." if training else ""
        st.error(notices.sentence(error) + kept)
        return training
    mine = job.steers(training)
    # who watches has not set up anything yet: what the training is now counts, not its address
    seen = st.session_state.get("train.seen", None if mine else arms)
    if seen == arms != training.experiments:  # another tab of the same training has changed it
        st.session_state["train.seen"] = training.experiments
        session.open_arms_next(training.experiments)
    st.session_state["train.changed"] = not mine and training.experiments != arms
    if training.experiments != arms and mine:
        _changed(training, arms)
    st.session_state["train.seen"] = training.experiments
    failure = training.job.failure
    if failure is not None:
        _failed(failure.kind, failure.message, failure.trace)
    session.write_link(session.link(arms), training.job.id if training.job.alive else "")
    return training


def _to_restart(training: Training, arms: tuple[Experiment, ...]) -> bool:
    """Whether to start over: asked for, or nothing would be lost by it."""
    if st.session_state.pop("train.restart", False):
        return True
    untouched = job.steers(training) and len(history(training)) <= 1
    return training.experiments != arms and untouched


def _begin(arms: tuple[Experiment, ...]) -> Training:
    """Starts the arms with the record of step 0, so that the page opens with a result."""
    playing = st.session_state.pop("train.playing", False)
    st.session_state["train.at"] = None
    training = job.begin(arms)
    if playing:
        training.job.play()
    else:
        training.job.step(1)
        training.job.wait(FIRST)
    return training


def _failed(kind: str, message: str, trace: str) -> None:
    if kind in ("ValueError", "SettingError"):
        st.error(plain(message))
        return
    logging.getLogger(__name__).error("training failed\n%s", trace)
    st.error("The training failed on the server; the reason is in its log. Try smaller networks.")


def _changed(training: Training, arms: tuple[Experiment, ...]) -> None:
    """The settings are not those of the training: applies rates, asks about the rest."""
    goes_on = training.job.state in ("paused", "running", "queued")
    if only_rates_differ(training.experiments, arms) and goes_on:
        set_rates(training, arms)
        st.toast(f"New learning rate from step {history(training)[-1].step + 1} on; same weights.")
        return
    st.session_state["train.changed"] = True
    busy, at = job.is_busy(training), progress.kept(training, _shown_step(training))
    room = busy or max(arm.training.steps for arm in arms) > at
    fitting = training.run is not None and fits(training, arms)
    where = "" if busy else f" from step {at}"
    going = fitting and room
    with st.container(key="changed"):
        st.info(text.changed(fitting, room, where))
        with st.container(horizontal=True):
            if going:
                st.button(
                    f"Go on{where} with them",
                    on_click=once("go_on_with", progress.go_on),
                    args=(training, None if busy else at, arms),
                    key="go_on_with",
                )
            st.button(
                "Start over with them",
                on_click=once("restart", _restart),
                args=(busy,),
                key="restart",
            )
            _keep_settings(training)


def _shown_step(training: Training) -> int:
    at = st.session_state.get("train.at")
    records = history(training)
    return at if at is not None else records[-1].step if records else 0


def _restart(playing: bool) -> None:
    session.touch()
    st.session_state["train.restart"] = True
    st.session_state["train.playing"] = playing


# Controls


def _watching(training: Training) -> None:
    """Says that the training is another visitor's, and offers an own one."""
    changed = st.session_state["train.changed"]
    st.info(
        "You are watching a training that someone else has begun; only they can steer it."
        + (" Your settings differ from those of this training." if changed else "")
    )
    with st.container(horizontal=True):
        st.button(
            "Train it yourself" + (" with your settings" if changed else ""),
            on_click=once("train_yourself", _restart),
            args=(True,),
            key="train_yourself",
            type="primary",
            help="Begins a training of your own from step 0; the one you watch goes on as it is.",
        )
        if changed:
            _keep_settings(training)


def _keep_settings(training: Training) -> None:
    st.button(
        "Undo the change",
        on_click=session.open_arms,
        key="undo_change",
        type="tertiary",
        args=(training.experiments,),
    )


def _transport(training: Training) -> None:
    busy, over = job.is_busy(training), training.job.state in ("done", "failed")
    speed = session.view("speed", list(SPEEDS))
    training.job.speed = SPEEDS[speed]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="transport"):
        if busy:
            st.button(
                "Pause",
                on_click=once("play", _act),
                args=(training, "pause"),
                key="play",
                shortcut="P",
                type="primary",
                width=110,
            )
        else:
            st.button(
                "Play",
                on_click=once("play", _act),
                args=(training, "play"),
                key="play",
                shortcut="P",
                type="primary",
                width=110,
                disabled=over,
                help="It has ended. Start over, go back to an earlier step, or allow more steps."
                if over
                else None,
            )
        # of one width, so that no button moves when it comes and goes
        with st.container(width=80, key="outlook"):
            ahead = not busy and not over and training.job.failure is None
            st.caption(f"about {text.duration(seconds_left(training))}" if ahead else "\u00a0")
        for count, key in ((1, "1"), (10, "2"), (100, "3")):
            st.button(
                f"+{count}",
                on_click=once(f"step.{count}", _act),
                args=(training, "step", count),
                shortcut=key,
                key=f"step.{count}",
                disabled=training.job.playing or over,
                help=f"Makes {count} update{'s' if count > 1 else ''} and pauses.",
            )
        st.button(
            "Back to step 0",
            on_click=once("back", _act),
            args=(training, "reset"),
            key="back",
            shortcut="B",
            help="The same weights as at first, and the same order of the data.",
        )
        st.button(
            "New weights",
            on_click=once("new_weights", _new_weights),
            args=(training,),
            key="new_weights",
            shortcut="N",
            help="Back to step 0 with the next seed: other weights, another "
            "order of the data, another split of it.",
        )
        st.button(
            "Stop",
            on_click=once("stop", _act),
            args=(training, "stop"),
            key="stop",
            type="tertiary",
            shortcut="X",
            disabled=not training.job.alive,
            help="Frees the server; what has been shown stays. Play starts again from "
            "the last step that is kept.",
        )
        views.choose(
            "speed",
            "Speed",
            list(SPEEDS),
            "Updates of the curves a second, at most.",
            _speed,
            width=130,
        )


def _speed(name: str) -> str:
    return "as fast as it can" if name == "max" else f"{name} updates/s"


def _act(training: Training, what: str, count: int = 0) -> None:
    """What a button does. A training that is over gets a thread again where it is to go on.

    Nothing happens to another visitor's training.
    """
    session.touch()
    if not job.steers(training):
        return
    now, busy = time.monotonic(), job.is_busy(training)
    if what == "play" and busy:
        # pressed on a button that is not redrawn yet: a wish to pause, unless it is a double click
        if now - st.session_state.get("train.played", now) < DOUBLE_CLICK:
            return
        what = "pause"
    if what == "pause":
        training.job.pause()
    elif what == "stop":
        training.job.stop()
    elif what == "reset":
        _reset(training)
    else:
        st.session_state["train.at"] = None
        if not training.job.alive:
            job.revive(training)
        if what == "play":
            st.session_state["train.played"] = now
            training.job.play()
        else:
            step(training, count)
            training.job.wait(FIRST)
    if busy and not job.is_busy(training):
        progress.only(progress.PROGRESS)  # says so at once; the rest of the page follows


def _reset(training: Training) -> None:
    st.session_state["train.at"] = None
    if training.job.alive:
        training.job.reset()
        training.job.step(1)
        training.job.wait(FIRST)
    else:
        st.session_state["train.restart"] = True


def _new_weights(training: Training) -> None:
    _restart(job.is_busy(training))
    controls.new_weights()


def _take_away(training: Training) -> None:
    """Draws the link, the glossary and the downloads; files are made when they are asked for."""
    arms = training.experiments
    named = text.names(arms)
    with st.container(horizontal=True):
        steered = "This training was changed on its way; the link starts at step 0 with the last "
        steered += "settings, so its numbers differ."
        notices.share(session.link(arms), steered if training.notes else "")
        with st.popover("Symbols"):
            st.markdown(text.SYMBOLS)
        with st.popover("Download"):
            st.caption("What has been recorded so far; the weights are those of the step shown.")
            for label, name, mime, make in progress.files(training, named):
                st.download_button(label, make, name, mime, key=f"get.{name}", on_click="ignore")


main()
