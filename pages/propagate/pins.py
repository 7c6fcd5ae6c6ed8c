"""Settings side by side: pins, what sets them apart, and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.propagate import pin_figures, verdict
from pages.ui import notices, page_settings, results, session
from pages.ui.chart import plotly_view
from pages.ui.panels import median
from pages.ui.text import plain, scrolling, setting_name, value_name
from snn_core.propagate import Propagation
from snn_core.settings import LETTERS, Experiment, settings
from snn_core.wording import amount

__all__ = ["draw", "names", "pin_button", "table"]


def pin_button(experiment: Experiment) -> None:
    """Draws the button that keeps the present setting to compare with."""
    full, known = len(session.pins()) == len(LETTERS), experiment in session.pins()
    st.button(
        "Pin",
        on_click=session.pin,
        args=(experiment,),
        key="pin",
        disabled=full or known,
        help="There are four pins; remove one first."
        if full
        else "This setting is pinned. Change one, and both are drawn."
        if known
        else "Keeps this setting, to compare others with it. Up to four; they are in the link.",
    )


def names(count: int) -> list[str]:
    """Returns what the settings are called: the page's own, then the pins' letters."""
    return [pin_figures.SHOWN, *(letter.upper() for letter in LETTERS[:count])]


def table(experiments: Sequence[Experiment], verdicts: Sequence[str]) -> str:
    """Returns Markdown: a row for every setting with all that isn't alike, and its verdict."""
    every = [settings(experiment) for experiment in experiments]
    keys = dict.fromkeys(key for values in every for key in values)
    used = [{key: _said(key, values) for key in keys} for values in every]
    apart = [key for key in keys if len({values[key] for values in used}) > 1]
    rows = [["Setting", *(setting_name(key) for key in apart), "Verdict"]]
    rows.append(["---"] * len(rows[0]))
    for name, values, said in zip(names(len(every) - 1), used, verdicts, strict=True):
        rows.append([f"**{name}**", *(plain(values[key]) for key in apart), plain(said)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _said(key: str, values: Mapping[str, page_settings.Value]) -> str:
    """A setting's value in words; "–" for a parameter of a part that has none of that name."""
    usual = "–" if "." in key else session.default(key)
    return value_name(key, values.get(key, usual))


def draw(shown: Propagation, scale: str) -> dict[str, Propagation]:
    """Draws the pins beside the present setting; returns all that is drawn, by its name."""
    pins = session.pins()
    called = names(len(pins))
    found = {called[0]: shown}
    if not pins:
        return found
    st.header("Compared", anchor=False)
    for name, pinned in zip(called[1:], pins, strict=True):
        with notices.guarded(f"Pin {name}: "):
            p = results.propagation(pinned)
            found |= {name: p} if p is not None else {}
    if len(found) == len(called):
        alt = " ".join(_alt(p, name) for name, p in found.items())
        figure = pin_figures.compared(list(found.values()), called, scale)
        plotly_view(figure, "compared", f"Compared. {alt}")
    verdicts = {name: verdict.short(verdict.diagnosis_of(p)) for name, p in found.items()}
    with st.container(key="differences"):
        rows = table([shown.experiment, *pins], [verdicts.get(name, "–") for name in called])
        # our own words, the values made plain; Streamlit sanitizes them too
        st.markdown(scrolling("Table of the settings", rows), unsafe_allow_html=True)
    _buttons(pins, called[1:])
    return found


def _alt(p: Propagation, name: str) -> str:
    return f"{name}: variance {amount(median(p.variance)[-1])} at layer {len(p.layers) - 1}."


def _buttons(pins: Sequence[Experiment], named: Sequence[str]) -> None:
    """What can be done with each pin."""
    with st.container(horizontal=True, gap="small"):
        for index, (pinned, name) in enumerate(zip(pins, named, strict=True)):
            st.button(f"Open {name}", key=f"open.{index}", on_click=session.open_setting,
                      args=(pinned,), help=f"Sets the page up as {name} is.")  # fmt: skip
            key = f"unpin.{index}"
            st.button(f"Remove {name}", key=key, on_click=session.unpin, args=(index,),
                      type="tertiary", help=f"Gives up {name}.")  # fmt: skip
