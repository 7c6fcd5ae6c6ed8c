"""Two networks side by side, and a batch that travels through their layers once."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from streamlit.components.v2 import component

from pages.propagate.contrast.comparison import compared
from snn_core.propagate import Propagation

__all__ = ["compared", "contrast"]

_HERE = pathlib.Path(__file__).parent
_CONTRAST = component(
    "contrast",
    html=(_HERE / "contrast.html").read_text(),
    css=(_HERE / "contrast.css").read_text(),
    js=(_HERE / "contrast.js").read_text(),
)


def contrast(
    left: Propagation, right: Propagation, on_hide: Callable[[], None], key: str = "contrast"
) -> None:
    """Draws both networks; ``on_hide`` is called when a person wants them away.

    Both results are of one depth and have their detail.
    """
    _CONTRAST(key=key, data=compared(left, right), on_hide_change=on_hide)
