"""Words that the live channel keeps up to date between two runs of the page."""

from __future__ import annotations

import pathlib

from streamlit.components.v2 import component

from pages.ui import assets

__all__ = ["words"]

_HERE = pathlib.Path(__file__).parent
_WORDS = component(
    "words",
    html="<div class='words'></div>",
    css=(_HERE / "words.css").read_text(),
    js=(_HERE / "words.js").read_text().replace("LIVE", assets.url("live.js")),
    isolate_styles=False,
)


def words(key: str, html: str) -> None:
    """Draws HTML of our own making, until the channel sends another for the chart of that key."""
    _WORDS(key=key, data={"name": key, "html": html})
