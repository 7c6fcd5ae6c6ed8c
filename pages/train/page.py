"""Train: arms side by side, and what learning does to mean, variance, omega and tau.

The page draws a training as it stands. While it runs the live channel brings the figures and the
words further (`pages.train.live`), and the page runs again when it has come to rest.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from pages.train import downloads, job, live, tabs, text
from pages.train.look import Look, shown
from pages.train.transport import transport
from pages.ui import controls, layout, notices, page_settings, session, setting, views
from pages.ui.chart import plotly_view
from pages.ui.text import plain
from pages.ui.words import words
from snn_core.cost import refuse_training
from snn_core.diagnosis import repaired, verdict
from snn_core.jobs import Failure
from snn_core.settings import LETTERS, Experiment
from snn_core.train import Snapshot, checkpoint_at
from snn_core.train.live import Training, fits, go_back, history, only_rates_differ, set_rates

FIRST = 0.5  # seconds that the page waits for the first record, so that it opens with one


def main() -> None:
    """Reads the setting, finds or starts the training, draws its controls and its curves."""
    session.open_link(page_settings.TRAIN)
    layout.heading("Train", text.INTRODUCTION)
    left, right = layout.columns()
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
            look = _look(training) if training is not None else None
            asked = look is not None and _questions(look, arms)
    if look is not None:
        with place:
            question = _question(look)
            _transport(look, asked, question)
            _results(look, question)
        with right, st.container(key="details"):
            _take_away(look.training, look.at)


def _arms() -> tuple[Experiment, ...] | None:
    """Returns the arms that are set up, None where they do not go together."""
    try:
        return session.arms(setting.used)
    except ValueError:
        return None


# The training


def _training() -> Training | None:
    """Returns the session's training of the arms that are set up, or the last one that ran."""
    named = st.query_params.get(session.JOB, "")
    training = job.current() or job.adopt(named)
    try:
        arms = session.arms(setting.used)
        if training is None or training.experiments != arms:
            refuse_training(arms)
        if training is None or job.is_forgotten(training) or _to_restart(training, arms):
            begun = named if training is None else job.is_forgotten(training)
            st.session_state["train.lost"] = bool(begun)
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
    if mine and _goes_on_with(training, arms):
        set_rates(training, arms)
        st.toast(f"New learning rate from step {history(training)[-1].step + 1} on; same weights.")
    st.session_state["train.seen"] = training.experiments
    job.hold()
    session.write_link(session.link(arms), training.job.id if training.job.alive else "")
    return training


def _to_restart(training: Training, arms: tuple[Experiment, ...]) -> bool:
    """Whether to start over: asked for, or nothing would be lost by it."""
    if st.session_state.pop("train.restart", False):
        return True
    untouched = job.steers(training) and len(history(training)) <= 1
    return training.experiments != arms and untouched


def _goes_on_with(training: Training, arms: tuple[Experiment, ...]) -> bool:
    """Whether it takes over what has changed without being asked: rates alone."""
    goes_on = training.job.state in ("paused", "running", "queued")
    changed = training.experiments != arms
    return changed and goes_on and only_rates_differ(training.experiments, arms)


def _begin(arms: tuple[Experiment, ...]) -> Training:
    """Starts the arms with the record of step 0, so that the page opens with a result."""
    playing = st.session_state.pop("train.playing", False)
    training = job.begin(arms)
    if playing:
        training.job.play()
    else:
        training.job.step(1)
        training.job.wait(FIRST)
    return training


def _look(training: Training) -> Look:
    """What is drawn of it: at rest also of an earlier step, until a newer one is made."""
    busy = job.is_busy(training)
    records = shown(training, busy)
    at, last = st.session_state.get("train.at", (0, -1))
    epoch = training.job.since().epoch
    at = None if busy or not records or (epoch, records[-1].step) != last else at
    memory = st.session_state.setdefault("train.pictures", {})
    return Look(training, records, text.names(training.experiments), at, memory)


# What is asked and told beside the result


def _questions(look: Look, arms: tuple[Experiment, ...] | None) -> bool:
    """Says what stands in the way, and asks what to do; returns whether the settings differ."""
    training = look.training
    if training.job.failure is not None:
        _failed(training.job.failure)
    changed = arms not in (None, training.experiments)
    if not job.steers(training):
        _watching(training, changed)
    elif arms is not None and changed:
        _changed(training, look, arms)
    elif st.session_state.get("train.lost") and not job.is_busy(training):
        if len(look.records) > 1:
            st.session_state["train.lost"] = False
        else:
            st.info(text.LOST)
            st.button("Train it again", on_click=_restart, args=(True,), key="again")
    return changed


def _failed(failure: Failure) -> None:
    if failure.kind in ("ValueError", "SettingError"):
        st.error(plain(failure.message))
        return
    logging.getLogger(__name__).error("training failed\n%s", failure.trace)
    st.error("The training failed on the server; the reason is in its log. Try smaller networks.")


def _changed(training: Training, look: Look, arms: tuple[Experiment, ...]) -> None:
    """The settings are not those of the training: asks what to do."""
    busy, at = job.is_busy(training), _kept(training, look.step if look.records else 0)
    room = busy or max(arm.training.steps for arm in arms) > at
    fitting = training.run is not None and fits(training, arms)
    where = "" if busy else f" from step {at}"
    with st.container(key="changed"):
        st.info(text.changed(fitting, room, where))
        with st.container(horizontal=True):
            if fitting and room:
                args = (training, None if busy else at, arms)
                label = f"Go on{where} with them"
                st.button(label, on_click=_go_on, args=args, key="go_on_with")
            label = "Start over with them"
            st.button(label, on_click=_restart, args=(busy,), key="restart")
            _keep_settings(training)


def _watching(training: Training, changed: bool) -> None:
    """Says that the training is another visitor's, and offers an own one."""
    st.info(
        "You are watching a training that someone else has begun; only they can steer it."
        + (" Your settings differ from those of this training." if changed else "")
    )
    with st.container(horizontal=True):
        st.button(
            "Train it yourself" + (" with your settings" if changed else ""),
            on_click=_restart,
            args=(True,),
            key="train_yourself",
            type="primary",
            help="Begins a training of your own from step 0; the one you watch goes on as it is.",
        )
        if changed:
            _keep_settings(training)


def _keep_settings(training: Training) -> None:
    arms = (training.experiments,)
    label = "Undo the change"
    st.button(label, on_click=session.open_arms, key="undo_change", type="tertiary", args=arms)


# Steering, where the page does it rather than the channel


def _transport(look: Look, asked: bool, question: Mapping[str, object]) -> None:
    training, back = look.training, None
    mine = job.steers(training)
    if look.records and look.records[-1].step > 0 and not job.is_busy(training):
        last = look.records[-1].step
        goes_on = mine and look.step < last and not asked
        kept = _kept(training, look.step) if goes_on else None
        back = {"at": look.step, "last": last, "kept": kept}
    act, look_at = partial(_act, training), partial(_look_at, training)
    speed = transport(live.status(training), question, mine, act, back, look_at)
    if mine:
        training.job.speed = speed


def _look_at(training: Training, wanted: int) -> None:
    """Looks at the last record up to a step."""
    steps = [s.step for s in history(training)]
    at = max((step for step in steps if step <= wanted), default=0)
    last = (training.job.since().epoch, steps[-1])
    st.session_state["train.at"] = (None if at == steps[-1] else at, last)


def _act(training: Training, what: str, count: int) -> None:
    """Does what a button says. A training that is over gets a thread again, to go on with.

    Nothing happens to another visitor's training.
    """
    if not job.steers(training):
        return
    if what == "go_on":
        _go_on(training, count)
    elif what == "new_weights":
        _restart(job.is_busy(training))
        controls.new_weights()
    elif what == "reset" and not training.job.alive:
        _restart(False)
    else:
        if what in ("play", "step") and not training.job.alive:
            job.revive(training)
        live.act(training, what, count)
        if what in ("step", "reset"):
            training.job.wait(FIRST)


def _restart(playing: bool) -> None:
    session.touch()
    st.session_state["train.restart"] = True
    st.session_state["train.playing"] = playing


def _go_on(training: Training, at: int | None, arms: tuple[Experiment, ...] | None = None) -> None:
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
    if playing:
        training.job.play()


# The result


def _results(look: Look, question: Mapping[str, object]) -> None:
    """Draws the curves, the verdicts and the tabs, as of the step that is looked at."""
    training, records, at = look.training, look.records, look.at
    if not records:
        return
    busy = job.is_busy(training)
    alt = text.curves_alt(records, look.names, text.is_regression(training.experiments[0]))
    plotly_view(live.curves(look), "curves", alt, live=busy, question=question)
    sentence, why = text.CURVES
    notices.explained(f"{sentence} {text.changes(training.notes)}", why)
    tabs.draw_tabs(look)
    upto = [s for s in records if at is None or s.step <= at]
    goal = session.view("goal", live.GOALS)
    words("verdicts", live.verdicts(training, upto, goal))
    if not busy:
        _repairs(training, upto)
    views.choose(
        "goal",
        "Accuracy to reach",
        live.GOALS,
        "The table says after how many steps the validation accuracy (of a regression, R²) "
        "first reached this.",
        lambda name: f"{int(name) / 100:g}",
    )


def _repairs(training: Training, records: Sequence[Snapshot]) -> None:
    """Draws a button for every arm whose verdict has a repair: the arm, repaired, beside it."""
    arms = training.experiments
    with st.container(horizontal=True):
        for index, (letter, arm) in enumerate(zip(LETTERS, arms, strict=False)):
            for repair in verdict(records, index, arm).repairs[:1]:
                mended = repaired(arm, repair)
                if mended in arms:
                    continue
                beside = len(arms) < len(LETTERS)
                after = (*arms, mended) if beside else (*arms[:index], mended, *arms[index + 1 :])
                where = f"as arm {LETTERS[len(arms)].upper()}" if beside else "in its place"
                st.button(
                    f"Arm {letter.upper()}: {repair.label[0].lower()}{repair.label[1:]}",
                    key=f"repair.{letter}",
                    help=f"{repair.why} Trains all arms anew, with the repaired one {where}.",
                    on_click=_train_anew,
                    args=(after,),
                )


def _train_anew(arms: tuple[Experiment, ...]) -> None:
    session.open_arms(arms)
    st.session_state["train.restart"] = True


def _question(look: Look) -> dict[str, object]:
    """What the live channel is asked: to send what there is beyond what is drawn."""
    news = look.training.job.since()
    view = {
        "drawn": f"{news.epoch}.{news.version}",
        "goal": session.view("goal", live.GOALS),
        "tab": session.view("tab", tabs.names(look)),
        "layer": str(st.session_state.get(session.key("view.layer"), 1)),
    }
    query = {"job": look.training.job.id}
    return {"ask": "train", "query": query, "view": view, "follow": True}


def _kept(training: Training, at: int) -> int:
    """Returns the last step up to ``at`` whose networks are kept, where one goes back to."""
    run = training.run
    return checkpoint_at(run, at).step if run is not None and run.checkpoints else 0


def _take_away(training: Training, at: int | None) -> None:
    """Draws the link, the glossary and the downloads; files are made when they are asked for."""
    arms = training.experiments
    with st.container(horizontal=True):
        steered = "This training was changed on its way; the link starts at step 0 with the last "
        steered += "settings, so its numbers differ."
        notices.share(session.link(arms), steered if training.notes else "")
        with st.popover("Symbols"):
            st.markdown(text.SYMBOLS)
        with st.popover("Download"):
            st.caption("What has been recorded so far; the weights are those of the step shown.")
            for label, name, mime, make in downloads.files(training, text.names(arms), at):
                st.download_button(label, make, name, mime, key=f"get.{name}", on_click="ignore")


main()
