"""Words that the live channel keeps up to date between two runs of the page."""

from __future__ import annotations

from pages.ui import assets

__all__ = ["words"]

_WORDS = assets.component(__file__, "words", "<div class='words'></div>", isolate_styles=False)


def words(key: str, html: str) -> None:
    """Draws HTML of our own making, until the channel sends another for the chart of that key."""
    _WORDS(key=key, data={"name": key, "html": html})
