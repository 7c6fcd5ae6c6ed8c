"""The current settings of every page: a draft each in the session, and the link that says it.

A draft maps settings' keys, as in a link, to values; widgets are views of it. This module is the
only writer of the URL. Keys that begin with ``view.`` say what is looked at, not what is computed,
``job`` is a training that is under way, and ``page`` names the page. A key that begins with an
arm's letter (``b.activation``) is that arm's own; without it, it holds for every arm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import streamlit as st

from snn_core.datasets import DATASETS, is_labelled
from snn_core.spec import (
    LETTERS,
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    arm_of,
    arm_settings,
    arms_to_query,
    from_query,
    merged,
    read_arms,
    read_query,
    settings,
    to_query,
)

__all__ = [
    "Desk",
    "PROPAGATE",
    "TRAIN",
    "add_arm",
    "arms",
    "change",
    "default",
    "desk",
    "dismiss",
    "experiment",
    "has",
    "held",
    "hold",
    "letters",
    "link",
    "look",
    "new_weights",
    "open_link",
    "problems",
    "put",
    "remove_arm",
    "reset",
    "settle",
    "share",
    "touch",
    "value",
    "view",
    "write_link",
]

Value = bool | int | float | str
Draft = dict[str, Value]
Used = Callable[[str, Mapping[str, Value]], bool]
VIEW = "view."
JOB = "job"


def _read_one(query: Mapping[str, str]) -> tuple[Draft, list[str]]:
    opened, found = read_query(query)
    return settings(opened), found


def _read_arms(query: Mapping[str, str]) -> tuple[Draft, list[str]]:
    """The arms of a link; where their data can't be learned, data that can."""
    opened, found = read_arms(query)
    draft, data = arm_settings(opened), opened[0].data
    if not is_labelled(DATASETS[data]):
        images = any(arm.network.kind == "cnn" for arm in opened)
        draft = {k: v for k, v in draft.items() if not k.startswith("data.")}
        draft["data"] = "digits" if images else "moons"
        if query.get("data") == data:
            found = [*found, f"{data} is drawn from a law and has nothing to learn."]
    return draft, found


@dataclass(frozen=True)
class Desk:
    """A page's link: its name, what may be looked at, how it is read, and what an empty one means.

    An ``opening`` is a setting of the page's own; it stands in the link in full, since a link is
    always relative to the library's defaults.
    """

    page: str
    views: tuple[str, ...]
    read: Callable[[Mapping[str, str]], tuple[Draft, list[str]]]
    opening: Mapping[str, str] = field(default_factory=dict)


PROPAGATE = Desk("propagate", ("axis", "layer", "tab"), _read_one)
TRAIN = Desk(
    "train",
    ("arm", "goal", "layer", "speed", "tab"),
    _read_arms,
    {
        "arms": "3",
        "data": "pendigits",
        "depth": "8",
        "width": "32",
        "seeds": "4",
        "learning_rate": "0.02",
        "b.constraint": "centralize_unit",
        "c.activation": "relu",
        "c.initializer": "he_normal",
        "c.normalization": "batch",
    },
)


def desk() -> Desk:
    """Returns the desk of the page that runs."""
    return st.session_state["desk"]


def _own(name: str) -> str:
    """The session's key of something that each page has for itself."""
    return f"{desk().page}.{name}"


def open_link(at: Desk) -> None:
    """Reads the URL into the page's draft when it is not the one this session wrote itself.

    That is so on the first run, and when a person edits the address or goes back in the browser's
    history. A run that a widget started never reads the URL: the browser may still be a message
    behind, and would undo the widget. Nor does an empty URL, which coming back from another page
    leaves: the page is as it was left.
    """
    st.session_state["desk"] = at
    url = st.query_params.to_dict()
    touched = st.session_state.pop("touched", False)
    known = _own("link") in st.session_state
    if known and (touched or not url or url == st.session_state[_own("link")]):
        return
    query = {k: v for k, v in url.items() if not k.startswith(VIEW) and k not in ("page", JOB)}
    draft, found = at.read(query or at.opening)
    st.session_state[_own("draft")] = draft
    names = [VIEW + name for name in at.views]
    st.session_state[_own("view")] = {k: url[k][:40] for k in names if k in url}
    st.session_state[_own("link")] = url
    if found or _own("problems") not in st.session_state:
        st.session_state[_own("problems")] = found


def write_link(query: Mapping[str, str], job: str = "") -> None:
    """Writes the URL of what is shown and of what is looked at; ``job`` is one under way."""
    whole = dict(query) | ({JOB: job} if job else {})
    if st.query_params.to_dict() != whole:
        st.query_params.from_dict(whole)
    st.session_state[_own("link")] = whole


def link(shown: Experiment | Sequence[Experiment]) -> dict[str, str]:
    """Returns the query that opens the same page again: only what differs from the defaults."""
    query = to_query(shown) if isinstance(shown, Experiment) else arms_to_query(shown)
    return query | st.session_state.get(_own("view"), {})


def problems() -> list[str]:
    """Returns what the link asked for in vain, a sentence each."""
    return st.session_state.get(_own("problems"), [])


def dismiss() -> None:
    """Forgets the link's problems."""
    touch()
    st.session_state[_own("problems")] = []


def touch() -> None:
    """Marks the next run as started by a widget."""
    st.session_state["touched"] = True


def _draft() -> Draft:
    return st.session_state[_own("draft")]


def value(key: str) -> Value | None:
    """Returns a setting's value in the draft, or its default; an arm's own, or the shared one."""
    letter, name = arm_of(key)
    return merged(_draft(), letter).get(name, default(name))


def change(key: str, new: Value) -> None:
    """Changes a setting; a new part comes with its own default parameters."""
    touch()
    kept = {k: v for k, v in _draft().items() if not k.startswith(f"{key}.")}
    st.session_state[_own("draft")] = kept | {key: new}


def has(key: str) -> bool:
    """Returns whether the draft says this very key."""
    return key in _draft()


def settle(key: str, usual: Value) -> None:
    """Gives a part's parameter its default where the draft says nothing of it."""
    letter, name = arm_of(key)
    if name not in merged(_draft(), letter):
        _draft()[key] = usual


def share(key: str) -> None:
    """Gives up an arm's own value; the shared one holds again."""
    touch()
    gone = (key, f"{key}.")
    st.session_state[_own("draft")] = {
        k: v for k, v in _draft().items() if k != gone[0] and not k.startswith(gone[1])
    }


def put(new: Draft) -> None:
    """Replaces the whole draft."""
    touch()
    st.session_state[_own("draft")] = dict(new)


def reset() -> None:
    """Puts every setting back to what the page opens with."""
    put(desk().read(desk().opening)[0])


def hold(held: bool) -> None:
    """Remembers, for the next run, whether a hand still moves the slider that started it."""
    st.session_state["held"] = held


def held() -> bool:
    """Returns whether a hand moves the slider that started this run; asked once a run."""
    return st.session_state.pop("held", False)


def new_weights() -> None:
    """Moves to the next seed: the same setting, other weights and other input."""
    change("seed", (value("seed") + 1) % 2**31)


def letters() -> tuple[str, ...]:
    """Returns the letters of the arms that are there."""
    return LETTERS[: int(_draft().get("arms", 1))]


def add_arm() -> None:
    """Adds an arm like the last one, and looks at it."""
    here = letters()
    last, new = here[-1], LETTERS[len(here)]
    own = {f"{new}.{name}": v for name, v in _settings_of(last).items()}
    put(_draft() | own | {"arms": len(here) + 1})
    look("arm", new, LETTERS[0])


def remove_arm(letter: str) -> None:
    """Takes an arm away; those after it move up."""
    left = [each for each in letters() if each != letter]
    shared = {k: v for k, v in _draft().items() if not arm_of(k)[0]}
    own = {
        f"{new}.{name}": v
        for new, old in zip(LETTERS, left, strict=False)
        for name, v in _settings_of(old).items()
    }
    put(shared | own | {"arms": len(left)})
    look("arm", LETTERS[0], LETTERS[0])


def _settings_of(letter: str) -> Draft:
    return {name: v for k, v in _draft().items() for arm, name in [arm_of(k)] if arm == letter}


def experiment(used: Used) -> Experiment:
    """Returns the experiment of the draft, of the settings that its network uses.

    Raises ValueError for values that do not go together. Settings that are out of use keep their
    value in the draft, so that they are back when they are needed again.
    """
    found = from_query(_query(_draft(), used))
    _take_over(found, "")
    return found


def arms(used: Used) -> tuple[Experiment, ...]:
    """Returns the experiment of every arm; a ValueError as `experiment`, which names the arm."""
    found = []
    for letter in letters():
        values = {k: v for k, v in merged(_draft(), letter).items() if k != "arms"}
        try:
            arm = from_query(_query(values, used))
        except SettingError as error:
            raise SettingError(error.settings, f"Arm {letter.upper()}: {error}") from None
        _take_over(arm, letter)
        found.append(arm)
    return tuple(found)


def _take_over(built: Experiment, letter: str) -> None:
    """Where a default gave way to what the draft says, the draft, and so its widget, follows."""
    said = merged(_draft(), letter)
    fitted = {k: v for k, v in settings(built).items() if k not in said and "." not in k}
    if fitted:
        prefix = f"{letter}." if len(letters()) > 1 else ""
        put(_draft() | {prefix + k: v for k, v in fitted.items()})
        st.rerun()


def _query(values: Mapping[str, Value], used: Used) -> dict[str, str]:
    return {
        name: str(int(v)) if isinstance(v, bool) else str(v)
        for name, v in values.items()
        if used(name, values)
    }


def default(name: str) -> Value | None:
    """Returns the default of a setting that the spec declares, None for any other key."""
    for kind in (NetworkSpec, Experiment, TrainingSpec):
        for each in fields(kind):
            if each.name == name and each.metadata:
                return each.default
    return None


def view(name: str, allowed: Sequence[str]) -> str:
    """Returns what is looked at; the first of the allowed values unless a link says otherwise."""
    shown = st.session_state[_own("view")].get(VIEW + name)
    return shown if shown in allowed else allowed[0]


def look(name: str, chosen: str, usual: str) -> None:
    """Remembers what is looked at, for the link too."""
    touch()
    views = {k: v for k, v in st.session_state[_own("view")].items() if k != VIEW + name}
    st.session_state[_own("view")] = views if chosen == usual else views | {VIEW + name: chosen}
