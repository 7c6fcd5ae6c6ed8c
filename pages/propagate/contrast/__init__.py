"""Two networks side by side, and a batch that travels through their layers once."""

from __future__ import annotations

from collections.abc import Callable

from pages.propagate.contrast.comparison import compared
from pages.ui import assets
from snn_core.propagate import Propagation

__all__ = ["compared", "contrast"]

_CONTRAST = assets.component(__file__, "contrast")


def contrast(
    left: Propagation, right: Propagation, on_hide: Callable[[], None], key: str = "contrast"
) -> None:
    """Draws both networks; ``on_hide`` is called when a person wants them away.

    Both results are of one depth and have their detail.
    """
    _CONTRAST(key=key, data=compared(left, right), on_hide_change=on_hide)
