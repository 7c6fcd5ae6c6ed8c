"""What Propagate answers over the live channel: the figure, theory first, then with the seeds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pages.propagate import figures, tabs, text
from pages.ui.live import work
from pages.ui.live.channel import Question, Send
from pages.ui.live.work import Propagating
from snn_core.propagate import Propagation, Stopped
from snn_core.settings import from_query

__all__ = ["answer", "messages"]

BETWEEN = 0.4  # seconds from one figure that grows to the next


def answer(visitor: str, question: Question | None, send: Send) -> None:
    """Answers a question with figures of its number; None: the visitor has left."""
    if question is None:
        return work.leave(visitor)
    experiment = from_query(question.query)
    moving = "moving" in question.view  # then what the tab needs can wait until the hand rests
    key = (experiment, False, False) if moving else tabs.needs(experiment, tabs.of(question.view))
    known = work.found(key)
    older = "older" in question.view  # than what was asked before, which is no longer wanted
    if known is None and not older:
        work.ask(visitor, key, _telling(question, send))
        return
    work.leave(visitor)
    if known is None:
        return
    for message in messages(known, question):
        send(message)


def _telling(question: Question, send: Send) -> Callable[[Propagating], None]:
    """Returns who is told how far the propagation is: sends what is worth a redraw."""
    lock, told = threading.Lock(), {"at": 0.0, "seeds": -1}

    def tell(each: Propagating) -> None:
        last = each.result is not None
        now, seeds = time.monotonic(), each.key[0].seeds if last else len(each.passes)
        if each.failure is not None:
            if not isinstance(each.failure, Stopped):
                sentence = str(each.failure) if isinstance(each.failure, ValueError) else ""
                send({"n": question.n, "stage": "refused", "sentence": sentence})
            return
        with lock:  # the theory, the first seeds and the last, and in between at a pace
            if seeds <= told["seeds"] or each.predicted is None:
                return
            if each.closed and not last:
                return
            if not last and told["seeds"] > 0 and now - told["at"] < BETWEEN:
                return
            told.update(at=now, seeds=seeds)
        if each.result is not None:
            for message in messages(each.result, question):
                send(message)
        elif (p := each.so_far()) is not None:
            stage = "seeds" if len(p.mean) else "theory"
            send({"n": question.n, "stage": stage} | _moments(p, question))

    return tell


def messages(p: Propagation, question: Question) -> list[dict[str, Any]]:
    """Returns what is sent of a result: the figure at the top, and that of the open tab."""
    tab = tabs.of(question.view)
    found = [{"n": question.n, "stage": "done"} | _moments(p, question)]
    enough = p.gradient_variance is not None or not tab.backward
    if tab.chart is not None and enough and (p.detail is not None or not tab.detail):
        chart, figure, alt = tab.chart(p, question.view)
        same = figures.identity(p.experiment, question.view.get("axis", "auto"))
        shown = {"chart": chart, "figure": figure, "alt": alt, "id": same}
        found.append({"n": question.n, "stage": "tab"} | shown)
    return found


def _moments(p: Propagation, question: Question) -> dict[str, Any]:
    axis = question.view.get("axis", "auto")
    whole = len(p.mean) == p.experiment.seeds
    return {
        "chart": "moments",
        "figure": figures.moments_by_layer(p, axis),
        "alt": text.moments_alt(p) if len(p.mean) else "",
        "id": figures.identity(p.experiment, axis) if whole else "",
    }
