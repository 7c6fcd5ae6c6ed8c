"""What Train is sent over the live channel while it trains: what its charts grow by.

A follower is a browser that has a training in sight. One thread looks at all trainings that are
followed, in turn, and sends each follower what is new to it: of figures that grow the new numbers
only, of the others the newest picture. At rest it sends nothing; the page draws then.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pages.train import figures, job, tabs, text
from pages.train.look import Look, shown
from pages.ui.chart.delta import Sent, difference, opened
from pages.ui.live.channel import Question, Send
from snn_core.train.live import Training

__all__ = ["answer"]

EVERY = 0.06  # seconds between two looks at one training
IDLE = 0.2  # at one that rests
ROOM = 1.0  # times what a look took that the training has to itself before the next


@dataclass(eq=False)
class Follower:
    """A browser that follows a training: what it looks at, and what it has been sent."""

    training: Training
    question: Question
    send: Send
    sent: dict[str, Sent] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    told: tuple[int, int] = (-1, -1)  # epoch and number of the records it knows of
    due: float = 0.0


@functools.cache
def _followers() -> dict[str, Follower]:
    return {}


_changed = threading.Condition()


def answer(visitor: str, question: Question | None, send: Send) -> None:
    """Follows the training that the question names, in place of another; None: nobody is there.

    Raises ValueError where this server has no such training.
    """
    with _changed:
        _followers().pop(visitor, None)
        if question is None:
            return
        training = job.known(question.query.get("job", ""))
        if training is None:
            raise ValueError("There is no such training on this server any more.")
        _followers()[visitor] = Follower(training, question, send)
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
    news = training.job.since()
    if not busy:  # the page draws what stands; what follows begins anew
        follower.sent.clear()
        follower.told = (-1, -1)
        return False
    if (news.epoch, news.next) == follower.told or not news.items:
        return True
    if news.epoch != follower.told[0]:
        follower.sent.clear()
    follower.told = (news.epoch, news.next)
    view = follower.question.view
    layer = view.get("layer", "1")
    now = Look(
        training,
        shown(training, busy),
        text.names(training.experiments),
        None,
        follower.memory,
        int(layer) if layer.isdecimal() else 1,
    )
    tab = view.get("tab", "")
    growing = {"curves": functools.partial(curves, now)} | tabs.growing(now, tab)
    for key, make in growing.items():
        follower.send({"n": follower.question.n, "chart": key} | _growth(follower, key, make()))
    for key, picture in tabs.pictures(now, tab).items():
        figure = picture()
        if figure is not None:
            found = {"stage": "whole", "chart": key, "figure": figure}
            follower.send({"n": follower.question.n} | found)
    return True


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
