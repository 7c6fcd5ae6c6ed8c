"""A person's own activation: the option that stands for it, and the field it is typed into."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.ui import session
from pages.ui.text import plain
from snn_core.activations import LONGEST, SELU_FORMULA, formula, is_formula

__all__ = ["OPTION", "draw", "option"]

OPTION = "Own formula…"
HELP = (
    "A function of z, a unit's weighted sum. Numbers, pi, e, + − * / and powers (z^2); exp, "
    "expm1, log, log1p, sqrt, abs, sign, sin, cos, tanh, atan, sinh, cosh, sigmoid, softplus, "
    "erf, relu, min(a, b), max(a, b), clip(a, low, high), and where(z > 0, a, b): a where the "
    "comparison holds and b elsewhere. It has to be finite for z from −8 to 8, without jumps. "
    "Predictions are by numerical integration."
)
_LAST = "last_formula"


def option(current: object) -> str:
    """Returns the formula to choose: the present one, or else the last one, at first SELU's."""
    if is_formula(current):
        st.session_state[_LAST] = current
    return st.session_state.get(_LAST, SELU_FORMULA)


def draw(name: str, take: Callable[[str, str], None]) -> None:
    """Draws the field of the setting's formula, with a sentence where it is refused.

    What is refused stays in the field, and the last good formula in use. ``take`` sets a new one.
    """
    key, current = f"formula:{session.key(name)}", str(session.value(name))
    shown = current.removeprefix("=")
    _, problem = _read(st.session_state.get(key, shown))
    if not problem and st.session_state.get(key) != shown:
        st.session_state[key] = shown
    st.text_input(
        "f(z) =", key=key, max_chars=LONGEST, help=HELP, on_change=_typed, args=(name, key, take)
    )
    if problem:
        st.error(f"{plain(problem)} The last good formula is still in use.")


def _typed(name: str, key: str, take: Callable[[str, str], None]) -> None:
    new, problem = _read(st.session_state[key])
    session.touch()
    if not problem and new != session.value(name):
        take(name, new)


def _read(typed: str) -> tuple[str, str]:
    """Returns the formula's canonical spelling, or what is wrong with it."""
    try:
        return formula(f"={typed.strip().removeprefix('=')}").name, ""
    except ValueError as error:
        return "", str(error).split(" Known:")[0]
