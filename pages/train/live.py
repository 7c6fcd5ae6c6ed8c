"""What Train is sent over the live channel, and what it is told: Play, Pause, steps and Stop.

A follower is a browser that has a training in sight. One thread looks at all trainings that are
followed, in turn, and sends each follower what is new to it: how the training stands, of figures
that grow the new numbers only, of others the newest picture, and, at their own pace, the words.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pages.train import figures, job, tabs, text
from pages.train.look import Look, shown
from pages.ui.chart.delta import Sent, difference, opened
from pages.ui.live.channel import Question, Send
from snn_core.train import Snapshot
from snn_core.train.live import Training, history, reset, seconds_left, step, updates

__all__ = ["GOALS", "act", "answer", "curves", "status", "steer", "verdicts"]

EVERY = 0.06  # seconds between two looks at one training
IDLE = 0.2  # at one that rests
ROOM = 1.0  # times what a look took that the training has to itself before the next
GOALS = ("90", "80", "95", "99", "70", "60")  # per cent of validation accuracy, or of R²
MOST_STEPS = 100  # of one click
CALM = 1.0  # between two changes of the words, which are to be read


@dataclass(eq=False)
class Follower:
    """A browser that follows a training: what it looks at, and what it has been sent."""

    training: Training
    question: Question
    send: Send
    told: tuple[int, int]  # epoch and version of the records it knows of
    status: dict[str, object] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    due: float = 0.0
    spoken: float = 0.0  # when it was sent words

    def tell(self, chart: str, **news: object) -> None:
        """Sends what is new of a chart."""
        self.send({"n": self.question.n, "chart": chart, "stage": "live"} | news)


@functools.cache
def _followers() -> dict[str, Follower]:
    return {}


_changed = threading.Condition()


def steer(visitor: str, question: Question | None, send: Send) -> None:
    """Does what the question asks of a training, for who began it.

    Raises ValueError for what is not this visitor's, or what only the page can do: bring a
    training that is over back to life.
    """
    if question is None:
        return
    said = question.query
    training = job.known(said.get("job", ""))
    if training is None or not training.job.alive or not job.steers(training, question.secret):
        raise ValueError("This training can't be steered from here.")
    count = said.get("count", "")
    act(training, said.get("what", ""), int(count) if count.isdecimal() else 0)
    send({"n": question.n, "stage": "done"})
    with _changed:
        for follower in _followers().values():
            if follower.training is training:
                follower.due = 0.0
        _changed.notify_all()


def act(training: Training, what: str, count: int = 0) -> None:
    """Does to a training that is alive what one of its buttons says."""
    match what:
        case "play":
            training.job.play()
        case "pause":
            training.job.pause()
        case "stop":
            training.job.stop()
        case "step":
            step(training, min(max(count, 1), MOST_STEPS))
        case "reset":
            reset(training)


def answer(visitor: str, question: Question | None, send: Send) -> None:
    """Follows the training that the question names, in place of another; None: nobody is there.

    Raises ValueError where this server has no such training.
    """
    with _changed:
        _followers().pop(visitor, None)
        if question is None:
            return
        if not question.query:  # the page was left
            send({"n": question.n, "stage": "done"})
            return
        training = job.known(question.query.get("job", ""))
        if training is None:
            raise ValueError("There is no such training on this server any more.")
        epoch, _, version = question.view.get("drawn", "").partition(".")
        told = (
            (int(epoch), int(version)) if epoch.isdecimal() and version.isdecimal() else (-1, -1)
        )
        _followers()[visitor] = Follower(training, question, send, told)
        _start()
        _changed.notify_all()


@functools.cache
def _start() -> threading.Thread:
    """Starts the thread that looks, once."""
    thread = threading.Thread(target=_serve, name="follow", daemon=True)
    thread.start()
    return thread


def _serve() -> None:
    while True:
        with _changed:
            while not _followers():
                _changed.wait()
            each = min(_followers().values(), key=lambda follower: follower.due)
            late = each.due - time.monotonic()
            if late > 0:
                _changed.wait(min(late, IDLE))
                continue
        begun = time.monotonic()
        try:
            busy = look(each)
        except Exception:  # one who can't be told must not keep the others from it
            logging.getLogger(__name__).exception("a training could not be followed")
            busy = False
        now = time.monotonic()
        each.due = now + (max(EVERY - (now - begun), ROOM * (now - begun)) if busy else IDLE)


def look(follower: Follower) -> bool:
    """Sends a follower what is new to it; returns whether the training runs."""
    training = follower.training
    busy = job.is_busy(training)
    stands = status(training)
    if stands != follower.status:
        follower.status = stands
        follower.tell("transport", status=stands, at=time.monotonic())
    news = training.job.since()
    if (news.epoch, news.version) == follower.told or not news.items:
        return busy
    if news.epoch != follower.told[0]:
        follower.sent.clear()
    follower.told = (news.epoch, news.version)
    view, names = follower.question.view, text.names(training.experiments)
    layer = int(view["layer"]) if view.get("layer", "").isdecimal() else 1
    now = Look(training, shown(training, busy), names, None, follower.memory, layer)
    alt = text.curves_alt(now.records, names, text.is_regression(training.experiments[0]))
    follower.tell("curves", **_growth(follower, "curves", curves(now)), alt=alt)
    drawn = tabs.drawn(now, view.get("tab", ""))
    if drawn is not None:
        key, figure, grows = drawn
        whole = {"stage": "whole", "figure": figure}
        follower.tell(key, **(_growth(follower, key, figure) if grows else whole))
    if not busy or time.monotonic() > follower.spoken + CALM:
        said = verdicts(training, now.records, view.get("goal", ""))
        follower.tell("verdicts", html=said)
        follower.spoken = time.monotonic()
    return busy


def status(training: Training) -> dict[str, object]:
    """Returns how a training stands, as its transport shows it."""
    records, news = history(training), training.job.since()
    state = news.state
    busy, over = state in ("running", "queued"), state in ("done", "failed")
    steps = max(arm.training.steps for arm in training.experiments)
    share, said = text.pace(records, steps, state, updates(training))
    ahead = not busy and not over and training.job.failure is None
    return {
        "job": training.job.id,
        "busy": busy,
        "playing": training.job.playing,
        "alive": training.job.alive,
        "over": over,
        "epoch": news.epoch,
        "records": news.next,
        "share": round(share, 3),
        "said": said,
        "outlook": f"about {text.duration(seconds_left(training))}" if ahead else "",
    }


def verdicts(training: Training, records: Sequence[Snapshot], goal: str) -> str:
    """Returns a sentence for every arm and the table of arms, as HTML; the goal in per cent."""
    share = int(goal if goal in GOALS else GOALS[0]) / 100
    names = text.names(training.experiments)
    return text.verdicts(records, training.experiments, names, share)


def curves(now: Look) -> dict[str, Any]:
    """Returns the figure of losses and accuracies."""
    regression = text.is_regression(now.training.experiments[0])
    changed = [int(str(note["step"])) for note in now.training.notes]
    return figures.curves(now.records, now.names, regression, now.at, changed)


def _growth(follower: Follower, key: str, drawn: dict[str, Any]) -> dict[str, Any]:
    """What makes the figure that was sent the new one; the whole where that is not enough."""
    known = follower.sent.get(key)
    patch = difference(known, drawn) if known is not None else None
    if patch is None:
        known = follower.sent[key] = opened(drawn)
        return {"stage": "whole", "figure": drawn, "token": known.token}
    assert known is not None
    return {"stage": "grow", "patch": patch, "token": known.token, "look": known.looks}
