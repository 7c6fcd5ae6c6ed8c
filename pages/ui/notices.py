"""What every page may have to say: a sentence and why, what a link asked in vain, a link."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlencode

import streamlit as st

from pages.ui import session
from pages.ui.text import folded, plain

__all__ = ["explained", "guarded", "link_problems", "sentence", "share"]


def explained(sentence: str, *rest: str) -> None:
    """Draws one sentence; behind "Why" stands whatever else there is to know, as Markdown."""
    # our own words, a person's made plain; Streamlit sanitizes them too
    st.markdown(folded(sentence, *rest), unsafe_allow_html=True)


def link_problems() -> None:
    """Says what the link asked for in vain, until it is dismissed."""
    found = session.problems()
    if found:
        st.warning(
            "This link could not be followed in full; what is left out has its default.\n\n"
            + "\n".join(f"- {plain(sentence.split(' Known:')[0])}" for sentence in found[:5])
            + (f"\n- and {len(found) - 5} more." if len(found) > 5 else "")
        )
        st.button("Dismiss", on_click=session.dismiss, key="dismiss")


@contextmanager
def guarded(what: str = "") -> Iterator[None]:
    """Says in a sentence what the core refuses or fails in, in place of the rest of the block."""
    try:
        yield
    except (ValueError, MemoryError, RuntimeError) as error:
        st.error(what + sentence(error))


def sentence(error: Exception) -> str:
    """What went wrong, for a person: a refusal says it itself, an accident goes to the log."""
    if isinstance(error, ValueError):
        return plain(str(error))
    logging.getLogger(__name__).error("the core failed", exc_info=error)
    return "This setting failed on the server; the reason is in its log. Try a smaller network."


def share(query: Mapping[str, str], but: str = "") -> None:
    """Draws the button that shows the link of the page with that query.

    ``but`` says where its numbers will differ from those shown.
    """
    here = (st.context.url or "").partition("?")[0]
    root = here.rstrip("/").removesuffix(f"/{session.page().name}")
    whole = urlencode({"page": session.page().name, **query})
    with st.popover("Share"):
        same = "" if but else " with the same numbers"
        st.caption(f"Copy this link: it opens the same setting{same}. {but}".strip())
        st.code(f"{root}/?{whole}", language=None, wrap_lines=True)
        alone = urlencode({**query, "embed": "true"})
        st.link_button("Figure only", f"{here}?{alone}", help="To embed it, or to show it alone.")
