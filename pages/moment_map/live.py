"""What the moment map answers over the live channel: the plane, more coarsely while it moves."""

from __future__ import annotations

from collections.abc import Mapping

from pages.moment_map import plane, proofs
from pages.ui import page_settings
from pages.ui.live import work
from pages.ui.live.channel import Question, Send
from snn_core.spec import activation_of, from_query
from snn_core.tables import number

__all__ = ["answer"]


def answer(visitor: str, question: Question | None, send: Send) -> None:
    """Answers a question with the plane; a network beside it where its result is kept."""
    if question is None:
        return
    experiment, view = from_query(question.query), question.view
    theorem, domain = proofs.domain_of(view.get("domain", ""))
    asked = plane.Asked(
        activation_of(experiment.network),
        _number(view, "omega"),
        _number(view, "tau"),
        (_number(view, "mean"), _number(view, "variance")),
        plane.is_log(view.get("axis", ""), domain),
        (_range(view, "mean"), _range(view, "variance")),
        tuple(domain),
        theorem,
        moving=True,
    )
    shown = plane.seen(asked)
    p = work.found((plane.fed(experiment, asked.start), False, True))
    drawn = {"chart": "plane", "figure": plane.figure(asked, shown, p)}
    send({"n": question.n, "stage": "done", "alt": plane.alt(asked, shown)} | drawn)


def _range(view: Mapping[str, str], side: str) -> tuple[float, float]:
    return _number(view, f"{side}_low"), _number(view, f"{side}_high")


def _number(view: Mapping[str, str], name: str) -> float:
    low, high, usual = page_settings.MAP.numbers[name]
    try:
        said = float(view.get(name, usual))
    except ValueError:
        said = float("nan")
    return number(name, said, low, high)
