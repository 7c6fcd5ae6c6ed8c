"""The current setting: one draft in the session, and the link that says the same.

The draft maps settings' keys, as in a link, to values; widgets are views of it. This module is the
only writer of the page's URL. Keys that begin with ``view.`` say what is looked at, not what is
computed, and ``page`` names the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import streamlit as st

from snn_core.spec import Experiment, NetworkSpec, from_query, read_query, settings, to_query

__all__ = [
    "change",
    "default",
    "dismiss",
    "experiment",
    "link",
    "look",
    "new_weights",
    "open_link",
    "problems",
    "reset",
    "touch",
    "value",
    "view",
    "write_link",
]

Value = bool | int | float | str
VIEW = "view."
VIEWS = ("view.axis", "view.layer", "view.tab")


def open_link() -> None:
    """Reads the URL into the draft when it is not the one this session wrote itself.

    That is so on the first run, and when a person edits the address or goes back in the browser's
    history. A run that a widget started never reads the URL: the browser may still be a message
    behind, and would undo the widget.
    """
    url = st.query_params.to_dict()
    touched = st.session_state.pop("touched", False)
    if "link" in st.session_state and (touched or url == st.session_state["link"]):
        return
    query = {k: v for k, v in url.items() if not k.startswith(VIEW) and k != "page"}
    opened, found = read_query(query)
    st.session_state["draft"] = settings(opened)
    st.session_state["view"] = {k: url[k][:40] for k in VIEWS if k in url}
    st.session_state["link"] = url
    if found or "problems" not in st.session_state:
        st.session_state["problems"] = found


def write_link(shown: Experiment) -> None:
    """Writes the URL of the experiment and of what is looked at: only what differs."""
    query = link(shown)
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    st.session_state["link"] = query


def link(shown: Experiment) -> dict[str, str]:
    """Returns the query that opens the same page again."""
    return to_query(shown) | st.session_state.get("view", {})


def problems() -> list[str]:
    """Returns what the link asked for in vain, a sentence each."""
    return st.session_state.get("problems", [])


def dismiss() -> None:
    """Forgets the link's problems."""
    touch()
    st.session_state["problems"] = []


def touch() -> None:
    """Marks the next run as started by a widget."""
    st.session_state["touched"] = True


def value(name: str) -> Value | None:
    """Returns a setting's value in the draft, or its default."""
    return st.session_state["draft"].get(name, default(name))


def change(name: str, new: Value) -> None:
    """Changes a setting; a new part comes with its own default parameters."""
    touch()
    draft = {k: v for k, v in st.session_state["draft"].items() if not k.startswith(f"{name}.")}
    st.session_state["draft"] = draft | {name: new}


def reset() -> None:
    """Puts every setting back to its default."""
    touch()
    st.session_state["draft"] = {}


def new_weights() -> None:
    """Moves to the next seed: the same setting, other weights and other input."""
    change("seed", (value("seed") + 1) % 2**31)


def experiment(used: Callable[[str, Mapping[str, Value]], bool]) -> Experiment:
    """Returns the experiment of the draft, of the settings that its network uses.

    Raises ValueError for values that do not go together. Settings that are out of use keep their
    value in the draft, so that they are back when they are needed again.
    """
    draft = st.session_state["draft"]
    query = {
        name: str(int(v)) if isinstance(v, bool) else str(v)
        for name, v in draft.items()
        if used(name, draft)
    }
    return from_query(query)


def default(name: str) -> Value | None:
    """Returns the default of a setting that the spec declares, None for any other key."""
    for kind in (NetworkSpec, Experiment):
        for field in fields(kind):
            if field.name == name:
                return field.default
    return None


def view(name: str, allowed: Sequence[str]) -> str:
    """Returns what is looked at; the first of the allowed values unless a link says otherwise."""
    shown = st.session_state["view"].get(VIEW + name)
    return shown if shown in allowed else allowed[0]


def look(name: str, chosen: str, usual: str) -> None:
    """Remembers what is looked at, for the link too."""
    touch()
    views = {k: v for k, v in st.session_state["view"].items() if k != VIEW + name}
    st.session_state["view"] = views if chosen == usual else views | {VIEW + name: chosen}
