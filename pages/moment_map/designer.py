"""The designer: an activation with a wanted fixed point, and its code."""

from __future__ import annotations

import streamlit as st

from pages.ui import notices, session, slider, views
from pages.ui.text import plain
from snn_core.activations import Activation
from snn_core.export.design import FRAMEWORKS, design_code
from snn_core.theory.moments.affine import normalized
from snn_core.theory.moments.designer import Design, design
from snn_core.wording import amount, percent

__all__ = ["draw"]

COLOUR = {"attracting": "green", "repelling": "red", "neutral": "orange"}  # of a fixed point
NAMES = {"torch": "PyTorch", "keras": "Keras"}


def draw(act: Activation) -> None:
    """Draws the wanted point, the SELU that has it, and the current activation normalized."""
    st.markdown(
        "Choose a fixed point to get the α and λ of the SELU that has it, at the plane's ω and τ."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name in ("wanted_mean", "wanted_variance", "keep"):
            with st.container(width=150):
                slider.view(name)
    names = ("wanted_mean", "wanted_variance", "omega", "tau", "keep")
    wanted = [session.number(name) for name in names]
    try:
        found = design(*wanted)
    except ValueError as error:
        st.warning(plain(str(error)))
    else:
        _found(found)
    st.markdown("**Any activation can be scaled and shifted to keep mean 0 and variance 1**")
    _affine(act)


def _found(found: Design) -> None:
    kind = found.point.kind
    notices.explained(
        f":{COLOUR[kind]}-badge[{kind}] **α = {amount(found.alpha, 10)}, "
        f"λ = {amount(found.scale, 10)}**",
        f"{plain(found.verdict)} The largest singular value is "
        f"{amount(found.point.spectral_norm)}. Alpha dropout that keeps "
        f"{percent(found.dropout.keep)} of the units has a = {amount(found.dropout.a, 8)}, "
        f"b = {amount(found.dropout.b, 8)}, α' = {amount(found.dropout.alpha_prime, 8)}.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Use it above",
            key="use_design",
            on_click=_use,
            args=(found,),
            disabled=not _fits(found),
            help="Sets the page's activation to this SELU."
            if _fits(found)
            else "α or λ is beyond the controls' bounds.",
        )
        views.choose(
            "framework", "Code for", list(FRAMEWORKS), "To copy into a program.",
            lambda name: NAMES.get(name, name),
        )  # fmt: skip
    with st.expander("Code", key="design_code"):
        st.code(design_code(found, session.view("framework", list(FRAMEWORKS))), language="python")


def _fits(found: Design) -> bool:
    values = dict(found.activation.values)
    return all(p.low <= values[p.name] <= p.high for p in found.activation.parameters)


def _use(found: Design) -> None:
    session.load_preset(activation="selu")
    session.change("activation.alpha", found.alpha)
    session.change("activation.scale", found.scale)


def _affine(act: Activation) -> None:
    found = normalized(act)
    size = amount(abs(found.eigenvalue))
    says = {
        "attracting": f"each layer multiplies a deviation of the variance by {size}",
        "repelling": f"each layer multiplies a deviation of the variance by {size}, so it grows",
        "neutral": "a deviation of the variance keeps its size",
    }[found.kind]
    b = f"{'+' if found.b >= 0 else '−'} {amount(abs(found.b), 8)}"
    st.markdown(
        f":{COLOUR[found.kind]}-badge[{found.kind}] {plain(act.label)}: **{amount(found.a, 8)} · "
        f"f(z) {b}** keeps mean 0 and variance 1 at ω = 0 and τ = 1; {says}."
    )
