"""The one chart component: a Plotly figure in a node that stays alive.

`st.plotly_chart` replaces its node whenever the figure changes, so the chart blinks and forgets
its zoom. Here one node per chart is redrawn with ``Plotly.react`` and a constant ``uirevision``;
of a figure that grows, only what is new is sent.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pages.ui import assets
from pages.ui.chart.delta import Sent, difference, numbers, opened, packed

__all__ = ["feed", "plotly_view", "preload", "resend"]

_HERE = pathlib.Path(__file__).parent
_LIBRARY = assets.url(assets.PLOTLY.name)
# Plotly puts its style sheet into the document's head, which a shadow root would not see.
_VIEW = st.components.v2.component(
    "plotly_view",
    # In a tab whoever looks for what the keyboard can reach finds the button, and need not walk
    # through a figure's thousand nodes after every redraw.
    html="<div class='plotly-place'>"
    "<button type='button' class='picture' title='Save this figure as a picture' hidden>PNG"
    "</button><div class='plotly-view'></div><p class='blocked' hidden>The live channel can't be "
    "opened from here, so the figure follows a moment after each change.</p></div>",
    css=(_HERE / "view.css").read_text(),
    js=(_HERE / "fetch.js").read_text().replace("VIEW", assets.url("view.js")),
    isolate_styles=False,
)
_SENT = "plotly_view.sent"


def plotly_view(
    figure: dict[str, Any],
    key: str,
    alt: str,
    live: bool = False,
    id: str = "",
    question: Mapping[str, Any] | None = None,
    on_point: Callable[[Mapping[str, object]], None] | None = None,
) -> None:
    """Draws the figure, or redraws the chart of the same key in place.

    ``alt`` is the text alternative and should carry the figure's main numbers. Of the layout's
    ``meta``, ``palette`` lists the colours that follow the theme's chart colours, ``ink`` the one
    that follows its text colour, and ``narrow`` holds the changes for a narrow screen. Of a
    ``live`` figure only what is new is sent; a browser that has lost its place asks for it all.
    A figure that the live channel may have brought already has the same ``id`` there; the page's
    main figure says by ``question`` what the channel is asked for while a slider moves.
    ``on_point`` is called with the ``x``, ``y`` and trace ``name`` of a point that is clicked,
    and with ``x0``, ``x1``, ``y0``, ``y1`` of a box that is drawn (``layout.dragmode``: select).
    """
    data = {"library": _LIBRARY, "alt": alt, "name": key, "clicks": on_point is not None}
    data |= {"id": id} | ({"question": question} if question else {})
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
        link = f'<link rel="preload" as="script" href="{_LIBRARY}">'
        st.markdown(link + hidden, unsafe_allow_html=True)
        _VIEW(key="plotly_preload", data={"library": _LIBRARY}, height="content")
