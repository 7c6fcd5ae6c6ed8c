"""Settings side by side: pins, what sets them apart, and their verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import comparison_figures, notices, results, state, verdict_card, words
from pages.ui.panels import median
from pages.ui.plotly_view import plotly_view
from snn_core.propagate import Propagation
from snn_core.spec import LETTERS, Experiment, settings
from snn_core.wording import amount

__all__ = ["differences", "draw", "names", "pin_button"]


def pin_button(experiment: Experiment) -> None:
    """Draws the button that keeps the present setting to compare with."""
    full, known = len(state.pins()) == len(LETTERS), experiment in state.pins()
    st.button(
        "Pin",
        on_click=state.pin,
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
    return [comparison_figures.SHOWN, *(letter.upper() for letter in LETTERS[:count])]


def differences(experiments: Sequence[Experiment]) -> list[str]:
    """Returns what sets each setting apart from the others, in words; "" where nothing does."""
    every = [settings(experiment) for experiment in experiments]
    keys = dict.fromkeys(key for values in every for key in values)
    apart = [key for key in keys if len({values.get(key) for values in every}) > 1]
    whole = {key.partition(".")[0] for key in apart}
    found = []
    for values in every:
        parts = []
        for key in dict.fromkeys([*(k for k in apart if "." not in k), *whole]):
            own = [f"{k.partition('.')[2]} {v:g}" for k, v in values.items()
                   if k.startswith(f"{key}.") and k in apart]  # fmt: skip
            if key in apart or own:
                said = words.setting(key, values.get(key, state.default(key)))
                parts.append(f"{said} ({', '.join(own)})" if own else said)
        found.append(", ".join(parts))
    return found


def draw(shown: Propagation, scale: str) -> list[Propagation]:
    """Draws the pins beside the present setting; returns all that is drawn, the present first."""
    pins = state.pins()
    if not pins:
        return [shown]
    st.subheader("Compared", anchor=False)
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
        said = " ".join(_alt(p, name) for p, name in zip(found, named, strict=True))
        plotly_view(
            comparison_figures.compared(found, named, scale), "compared", f"Compared. {said}"
        )
    apart = differences([shown.experiment, *pins])
    _row(named[0], apart[0] or "as the pin", found[0], None)
    for index, pinned in enumerate(pins):
        p = next((p for p in found[1:] if p.experiment == pinned), None)
        _row(named[index + 1], apart[index + 1] or "as now", p, index)
    return found


def _alt(p: Propagation, name: str) -> str:
    return f"{name}: variance {amount(median(p.variance)[-1])} at layer {len(p.layers) - 1}."


def _row(name: str, apart: str, p: Propagation | None, index: int | None) -> None:
    """A setting in words: what sets it apart, its verdict, and what can be done with it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        verdict = verdict_card.short(verdict_card.diagnosis_of(p)) if p is not None else "–"
        st.markdown(f"**{name}** · {words.plain(apart)}. {words.plain(verdict)}")
        if index is not None:
            pinned = state.pins()[index]
            st.button("Open", key=f"open.{index}", on_click=state.open_setting, args=(pinned,),
                      help=f"Sets the page up as {name} is.")  # fmt: skip
            st.button("Remove", key=f"unpin.{index}", on_click=state.unpin, args=(index,),
                      type="tertiary", help=f"Gives up {name}.")  # fmt: skip
