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
from snn_core.spec import LETTERS, Experiment, settings
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
    rows = [
        ["Setting", *(setting_name(key) for key in apart), "Verdict"],
        ["---"] * (len(apart) + 2),
        *(
            [f"**{name}**", *(plain(values[key]) for key in apart), plain(verdict)]
            for name, values, verdict in zip(
                names(len(every) - 1), used, verdicts, strict=True
            )
        ),
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _said(key: str, values: Mapping[str, page_settings.Value]) -> str:
    """A setting's value in words; "–" for a parameter of a part that has none of that name."""
    usual = "–" if "." in key else session.default(key)
    return value_name(key, values.get(key, usual))


def draw(shown: Propagation, scale: str) -> list[Propagation]:
    """Draws the pins beside the present setting; returns all that is drawn, the present first."""
    pins = session.pins()
    if not pins:
        return [shown]
    st.header("Compared", anchor=False)
    found = [shown]
    for index, pinned in enumerate(pins):
        try:
            p = results.propagation(pinned)
        except (ValueError, MemoryError, RuntimeError) as error:
            st.error(f"Pin {LETTERS[index].upper()}: {notices.sentence(error)}")
            continue
        if p is not None:
            found.append(p)
    named = names(len(pins))
    if len(found) == len(pins) + 1:
        alt = " ".join(_alt(p, name) for p, name in zip(found, named, strict=True))
        plotly_view(pin_figures.compared(found, named, scale), "compared", f"Compared. {alt}")
    said = {p.experiment: verdict.short(verdict.diagnosis_of(p)) for p in found}
    every = [shown.experiment, *pins]
    with st.container(key="differences"):
        rows = table(every, [said.get(experiment, "–") for experiment in every])
        # our own words, the values made plain; Streamlit sanitizes them too
        st.markdown(scrolling("Table of the settings", rows), unsafe_allow_html=True)
    _buttons(pins, named[1:])
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
