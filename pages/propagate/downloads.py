"""What a person takes along of a propagation: numbers, and the figure as a page of its own."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.propagate import figures, text
from pages.ui import results
from pages.ui.chart.delta import numbers
from pages.ui.text import caption
from snn_core.export import propagation_csv, propagation_json
from snn_core.propagate import Propagation

__all__ = ["draw", "figure_page"]

HEIGHT, MARGIN = 480, 120  # pixels


def draw(drawn: Mapping[str, Propagation], scale: str) -> None:
    """Draws the downloads of what is drawn, by its name, the page's own setting first.

    A file is made when asked for, of all measured by then.
    """
    names, first = list(drawn), next(iter(drawn.values()))

    def measured() -> list[Propagation]:
        return [results.fullest(p) for p in drawn.values()]

    with st.popover("Download"):
        pins = " and of all pins" if len(drawn) > 1 else ""
        st.caption(f"Of the setting shown{pins}. PNG: the button at a figure's corner.")
        for label, name, mime, make in (
            ("Numbers (CSV)", "propagation.csv", "text/csv",
             lambda: propagation_csv(measured(), names)),
            ("Numbers and settings (JSON)", "propagation.json", "application/json",
             lambda: propagation_json(measured(), names)),
            ("Figure (HTML, works offline)", "propagation.html", "text/html",
             lambda: figure_page(figures.moments_by_layer(first, scale), first)),
        ):  # fmt: skip
            st.download_button(label, make, name, mime, key=f"get.{name}", on_click="ignore")


def figure_page(figure: dict[str, Any], p: Propagation) -> str:
    """Returns a web page of the figure that needs no server and no network (some 5 MB)."""
    from plotly import graph_objects as go  # late: only a download needs it
    from plotly import io

    drawn = go.Figure(numbers(figure))
    drawn.update_layout(template="none", width=None)
    drawn.update_layout(height=HEIGHT, margin_t=MARGIN)  # for every row of the legend
    body = io.to_html(drawn, include_plotlyjs=True, full_html=False)
    alt, said = html.escape(text.moments_alt(p)), html.escape(caption(p.experiment))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>Mean and variance by layer</title></head>"
        f'<body style="font-family: sans-serif"><p>{alt}</p><div style="overflow-x: auto">'
        f'<div style="min-width: 700px">{body}</div></div><p>{said}</p></body></html>'
    )
