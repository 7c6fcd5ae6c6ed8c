"""The one chart component: a Plotly figure in a node that stays alive.

`st.plotly_chart` replaces its node whenever the figure changes, so the chart blinks and forgets
its zoom. Here one node per chart is redrawn with ``Plotly.react`` and a constant ``uirevision``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from pages.ui import assets
from pages.ui.chart.delta import packed

__all__ = ["plotly_view"]

_LIBRARY = assets.url(assets.PLOTLY.name)
# Plotly puts its style sheet into the document's head, which a shadow root would not see.
_VIEW = assets.component(
    __file__,
    "plotly_view",
    # In a tab whoever looks for what the keyboard can reach finds the button, and need not walk
    # through a figure's thousand nodes after every redraw.
    html="<div class='plotly-place'>"
    "<button type='button' class='picture' title='Save this figure as a picture' hidden>PNG"
    "</button><div class='plotly-view'></div><p class='blocked' hidden>The live channel can't be "
    "opened from here, so the figure follows a moment after each change.</p></div>",
    isolate_styles=False,
)


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
    that follows its text colour, ``narrow`` holds the changes for a narrow screen, and
    ``caption``, line by line, stands below the figure where it is saved as a picture. A
    ``live`` figure is brought further by the channel.
    A figure that the live channel may have brought already has the same ``id`` there; the page's
    main figure says by ``question`` what the channel is asked for while a slider moves.
    ``on_point`` is called with the ``x``, ``y`` and trace ``name`` of a point that is clicked,
    and with ``x0``, ``x1``, ``y0``, ``y1`` of a box that is drawn (``layout.dragmode``: select).
    """
    data = {"library": _LIBRARY, "alt": alt, "name": key, "clicks": on_point is not None}
    data |= {"id": id} | ({"question": question} if question else {})
    data |= {"live": live, "figure": packed(figure)}
    _VIEW(
        key=key,
        data=data,
        height="content",
        on_point_change=lambda: _clicked(key, on_point),
        on_returned_change=_returned,
    )


def _returned() -> None:
    """The page runs: the server may be another one, which reads the address. This one does not."""
    st.session_state["touched"] = True


def _clicked(key: str, on_point: Callable[[Mapping[str, object]], None] | None) -> None:
    point = st.session_state[key].get("point")
    if on_point is not None and isinstance(point, Mapping):
        on_point(point)
