"""The one chart component: a Plotly figure in a node that stays alive.

`st.plotly_chart` replaces its node whenever the figure changes, so the chart blinks and forgets
its zoom. Here one node per chart is redrawn with ``Plotly.react`` and a constant ``uirevision``.
"""

from __future__ import annotations

import pathlib

import plotly
import streamlit as st
from plotly.basedatatypes import BaseFigure
from streamlit.components import v1

__all__ = ["plotly_view", "preload"]

_HERE = pathlib.Path(__file__).parent
_LIBRARY = pathlib.Path(plotly.__file__).parent / "package_data"
# Streamlit serves a v1 component's folder, compressed and cacheable: plotly.min.js comes from
# the installed package and is neither committed nor sent with the figures.
_SERVED = v1.declare_component("plotlyjs", path=str(_LIBRARY))
_URL = f"component/{_SERVED.name}/plotly.min.js"
# Plotly puts its style sheet into the document's head, which a shadow root would not see.
_VIEW = st.components.v2.component(
    "plotly_view",
    html="<div class='plotly-view'></div>",
    css=(_HERE / "view.css").read_text(),
    js=(_HERE / "view.js").read_text(),
    isolate_styles=False,
)


def plotly_view(figure: BaseFigure, key: str, alt: str, height: int | None = None) -> None:
    """Draws the figure, or redraws the chart of the same key in place.

    ``alt`` is the text alternative and should carry the figure's main numbers. Of the layout's
    ``meta``, ``palette`` lists the colours that follow the theme's chart colours, ``ink`` the one
    that follows its text colour, and ``narrow`` holds the changes for a narrow screen.
    """
    drawn = figure.to_plotly_json()
    if height is not None:
        drawn["layout"]["height"] = height
    _VIEW(
        key=key, data={"library": _URL, "figure": drawn, "alt": alt, "name": key}, height="content"
    )


def preload() -> None:
    """Lets the browser fetch the chart library while Python is still importing."""
    _VIEW(key="plotly_preload", data={"library": _URL}, height="content")
