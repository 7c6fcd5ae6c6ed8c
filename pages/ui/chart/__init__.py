"""The one chart component: a Plotly figure in a node that stays alive.

`st.plotly_chart` replaces its node whenever the figure changes, so the chart blinks and forgets
its zoom. Here one node per chart is redrawn with ``Plotly.react`` and a constant ``uirevision``;
of a figure that grows, only what is new is sent.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import plotly
import streamlit as st
from streamlit.components import v1

from pages.ui.chart.delta import Sent, difference, numbers, opened, packed

__all__ = ["feed", "plotly_view", "preload", "resend"]

_HERE = pathlib.Path(__file__).parent
_LIBRARY = pathlib.Path(plotly.__file__).parent / "package_data"
# Streamlit serves a v1 component's folder, compressed and cacheable: plotly.min.js comes from
# the installed package and is neither committed nor sent with the figures.
_SERVED = v1.declare_component("plotlyjs", path=str(_LIBRARY))
_URL = f"component/{_SERVED.name}/plotly.min.js"
# The script of a component is sent with every message to it, so it is served as a file too, and
# what is sent only fetches it. Its hash makes an old one in a browser's cache of no account.
_SCRIPTS = _HERE / "served"
_SCRIPT = v1.declare_component("plotly_view", path=str(_SCRIPTS))
_HASH = hashlib.sha256((_SCRIPTS / "view.js").read_bytes()).hexdigest()[:12]
# Plotly puts its style sheet into the document's head, which a shadow root would not see.
_VIEW = st.components.v2.component(
    "plotly_view",
    # In a tab whoever looks for what the keyboard can reach finds the button, and need not walk
    # through a figure's thousand nodes after every redraw.
    html="<div class='plotly-place'>"
    "<button type='button' class='picture' title='Save this figure as a picture' hidden>PNG"
    "</button><div class='plotly-view'></div></div>",
    css=(_HERE / "view.css").read_text(),
    js=(_HERE / "fetch.js")
    .read_text()
    .replace("VIEW", f"component/{_SCRIPT.name}/view.js?{_HASH}"),
    isolate_styles=False,
)
_SENT = "plotly_view.sent"


def plotly_view(
    figure: dict[str, Any],
    key: str,
    alt: str,
    live: bool = False,
    on_point: Callable[[Mapping[str, object]], None] | None = None,
) -> None:
    """Draws the figure, or redraws the chart of the same key in place.

    ``alt`` is the text alternative and should carry the figure's main numbers. Of the layout's
    ``meta``, ``palette`` lists the colours that follow the theme's chart colours, ``ink`` the one
    that follows its text colour, ``narrow`` holds the changes for a narrow screen, and
    ``caption``, line by line, stands below the figure where it is saved as a picture. Of a
    ``live`` figure only what is new is sent; a browser that has lost its place asks for it all.
    ``on_point`` is called with the ``x``, ``y`` and trace ``name`` of a point that is clicked,
    and with ``x0``, ``x1``, ``y0``, ``y1`` of a box that is drawn (``layout.dragmode``: select).
    """
    data = {"library": _URL, "alt": alt, "name": key, "clicks": on_point is not None}
    if live:
        data |= _growth(key, figure)
    else:
        data["figure"] = packed(figure)
    _VIEW(
        key=key,
        data=data,
        height="content",
        on_lost_change=lambda: resend(key),
        on_point_change=lambda: _clicked(key, on_point),
    )


def _clicked(key: str, on_point: Callable[[Mapping[str, object]], None] | None) -> None:
    point = st.session_state[key].get("point")
    if on_point is not None and isinstance(point, Mapping):
        on_point(point)


def _growth(key: str, drawn: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Sent] = st.session_state.setdefault(_SENT, {})
    patch = difference(known[key], drawn) if key in known else None
    if patch is None:
        known[key] = opened(drawn)
        return {"figure": numbers(drawn), "token": known[key].token}
    return {"patch": patch, "token": known[key].token, "look": known[key].looks}


def feed(
    growing: Mapping[str, Callable[[], dict[str, Any]]],
    pictures: Mapping[str, Callable[[], dict[str, Any] | None]],
    place: int = 0,
) -> None:
    """Sends what is new to charts that stand elsewhere on the page, all in one message.

    Of live figures that are ``growing``, only what is new is sent; ``pictures`` are sent whole, or
    not where they are None. Charts that `plotly_view` has not drawn are left out. A run that feeds
    charts several times does so from one ``place`` after the other.
    """
    known = st.session_state.get(_SENT, {})
    news = {key: _growth(key, make()) for key, make in growing.items() if key in known}
    for key, make in pictures.items():
        figure = make()
        if figure is not None:
            news[key] = {"figure": packed(figure)}
    _VIEW(key=f"plotly_feed.{place}", data={"feed": news}, height="content")


def resend(key: str = "") -> None:
    """Lets the next look send the figure in full, all live figures where no key is given."""
    known = st.session_state.get(_SENT, {})
    for each in [key] if key else list(known):
        known.pop(each, None)


def preload() -> None:
    """Lets the browser fetch the chart library while Python is still importing.

    The link alone is there first, by a third of a second: components are code that has to come.
    """
    place = "plotly_preload_place"
    hidden = f"<style>.st-key-{place} {{ display: none; }}</style>"
    with st.container(key=place):
        link = f'<link rel="preload" as="script" href="{_URL}">'
        st.markdown(link + hidden, unsafe_allow_html=True)
        _VIEW(key="plotly_preload", data={"library": _URL}, height="content")
