"""The moment map's answers over the live channel: the plane on a coarse grid."""

from __future__ import annotations

from pages.moment_map import figures, plane, text
from pages.ui import page_settings
from pages.ui.live import work
from pages.ui.live.channel import Question, Send
from snn_core import tables
from snn_core.settings import activation_of, from_query

__all__ = ["answer"]


def answer(visitor: str, question: Question | None, send: Send) -> None:
    """Sends the plane; the measured network too where its result is in the cache."""
    if question is None:
        return
    experiment, view = from_query(question.query), question.view

    def number(name: str) -> float:
        low, high, usual = page_settings.MAP.numbers[name]
        try:
            said = float(view.get(name, usual))
        except ValueError:
            said = float("nan")
        return tables.number(name, said, low, high)

    act, axis = activation_of(experiment.network), view.get("axis", "")
    asked = plane.asked(act, number, axis, view.get("domain", ""), moving=True)
    seen = plane.seen(asked)
    p = work.found((plane.fed(experiment, asked.start), False, True))
    drawn = {"chart": "plane", "figure": figures.moment_map(asked, seen, p)}
    send({"n": question.n, "stage": "done", "alt": text.alt(asked, seen)} | drawn)
