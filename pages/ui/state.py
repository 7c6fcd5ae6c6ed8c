"""The current settings of every page: a draft each in the session, and the link that says it.

A draft maps settings' keys, as in a link, to values; widgets are views of it. This module is the
only writer of the URL; `desks` says what each page's holds. Keys that begin with ``view.`` say
what is looked at, not what is computed, ``job`` is a training that is under way, and ``page``
names the page. ``pin.a`` to ``pin.d`` are settings to compare with, each a query of its own. A
key that begins with an arm's letter (``b.activation``) is that arm's own; without it, it holds
for every arm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.ui.desks import Desk, Draft, Value
from snn_core.spec import (
    LETTERS,
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    arm_of,
    arms_to_query,
    from_query,
    merged,
    read_query,
    settings,
    to_query,
)

__all__ = [
    "HAND",
    "add_arm",
    "arms",
    "can_undo",
    "change",
    "default",
    "desk",
    "dismiss",
    "experiment",
    "forget",
    "has",
    "held",
    "hold",
    "jump",
    "jump_to",
    "letters",
    "link",
    "look",
    "new_weights",
    "number",
    "only",
    "open_link",
    "open_setting",
    "pin",
    "pins",
    "problems",
    "put",
    "remove_arm",
    "reset",
    "settle",
    "share",
    "tell",
    "touch",
    "undo",
    "unpin",
    "value",
    "view",
    "wish",
    "write_link",
]

Used = Callable[[str, Mapping[str, Value]], bool]
VIEW = "view."
JOB = "job"
HAND = "hand"  # the fragment that follows a slider while it moves
PIN = "pin."
LONGEST_PIN = 2000  # characters
MOST_UNDONE = 30


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
    if st.session_state.get("desk") != at:  # Streamlit forgets the widgets of a page that is left
        st.session_state.pop(f"{at.page}.told", None)
    st.session_state["desk"] = at
    url = st.query_params.to_dict()
    touched = st.session_state.pop("touched", False)
    known = _own("link") in st.session_state
    if known and (touched or not url or url == st.session_state[_own("link")]):
        return
    query = {
        k: v for k, v in url.items() if not k.startswith((VIEW, PIN)) and k not in ("page", JOB)
    }
    draft, found = at.read(query or at.opening)
    st.session_state[_own("draft")] = draft
    pinned, unread = _read_pins({k: v for k, v in url.items() if k.startswith(PIN)})
    st.session_state[_own("pins")] = pinned
    found = [*found, *unread]
    names = [VIEW + name for name in (*at.views, *at.numbers)]
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
    pinned = {
        f"{PIN}{letter}": urlencode(to_query(each))
        for letter, each in zip(LETTERS, pins(), strict=False)
    }
    return query | pinned | st.session_state.get(_own("view"), {})


def _read_pins(query: Mapping[str, str]) -> tuple[list[Experiment], list[str]]:
    """Returns the settings to compare with, and a sentence for whatever of them is left out."""
    found, problems = [], []
    for key, text in sorted(query.items()):
        if key.removeprefix(PIN) not in LETTERS:
            problems.append(f"{key[:40]} is no pin; there are {PIN}a to {PIN}{LETTERS[-1]}.")
            continue
        if len(text) > LONGEST_PIN:
            problems.append(
                f"{key} is too long: {len(text):,} characters, {LONGEST_PIN:,} at most."
            )
            continue
        try:
            fields = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
            pinned, unread = read_query(dict(fields))
        except ValueError:
            problems.append(f"{key} is no setting: it has too many fields.")
            continue
        found.append(pinned)
        problems += [f"{key}: {sentence}" for sentence in unread]
    return found, problems


def pins() -> list[Experiment]:
    """Returns the settings that the page's own is compared with, in the order of their letters."""
    return st.session_state.get(_own("pins"), [])


def pin(experiment: Experiment) -> None:
    """Keeps a setting to compare with, where there is room and it is not kept already."""
    touch()
    known = pins()
    if experiment not in known and len(known) < len(LETTERS):
        st.session_state[_own("pins")] = [*known, experiment]


def unpin(index: int) -> None:
    """Gives up a setting to compare with; those after it move up."""
    touch()
    st.session_state[_own("pins")] = [e for at, e in enumerate(pins()) if at != index]


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


def tell(key: str, current: object) -> None:
    """Gives a widget its value before it is drawn, where that has changed since, or was emptied.

    Otherwise what the browser reports stays: where the run before was broken off, Streamlit has
    forgotten the widget, and its report comes without a callback. `wish` then tells.
    """
    told = st.session_state.setdefault(_own("told"), {})
    emptied = key in st.session_state and st.session_state[key] is None
    if emptied or told.get(key, _NEVER) != current:
        st.session_state[key] = current
    told[key] = current


def forget(keys: Sequence[str]) -> None:
    """Forgets what widgets that are gone were told; should they come back, they are told anew."""
    told = st.session_state.setdefault(_own("told"), {})
    for key in keys:
        told.pop(key, None)


def wish(key: str, current: Any) -> Any:  # noqa: ANN401  whatever the widget holds
    """Returns the value of a widget drawn with ``current``: another is a person's wish."""
    found = st.session_state.get(key)
    return current if found is None else found


_NEVER = object()


def value(key: str) -> Value | None:
    """Returns a setting's value in the draft, or its default; an arm's own, or the shared one."""
    if key.removeprefix(VIEW) in desk().numbers:
        return number(key)
    letter, name = arm_of(key)
    return merged(_draft(), letter).get(name, default(name))


def number(key: str) -> float:
    """Returns a number that is looked at; the usual one where a link says none within bounds."""
    low, high, usual = desk().numbers[key.removeprefix(VIEW)]
    try:
        found = float(st.session_state[_own("view")].get(VIEW + key.removeprefix(VIEW), usual))
    except ValueError:
        return usual
    return found if low <= found <= high else usual


def change(key: str, new: Value) -> None:
    """Changes a setting; a new part comes with its own default parameters."""
    touch()
    if key.removeprefix(VIEW) in desk().numbers:
        usual = desk().numbers[key.removeprefix(VIEW)][2]
        look(key.removeprefix(VIEW), f"{new:.12g}", f"{usual:.12g}")
        return
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


def jump(new: Draft) -> None:
    """Replaces the whole draft so that `undo` brings this one back."""
    before = st.session_state.get(_own("before"), [])
    st.session_state[_own("before")] = [*before, (_draft(), _numbers())][-MOST_UNDONE:]
    put(new)


def undo() -> None:
    """Goes back to the draft and the numbers before the last jump, where there was one."""
    *rest, last = st.session_state.get(_own("before"), []) or [(_draft(), _numbers())]
    st.session_state[_own("before")] = rest
    put(last[0])
    _put_numbers(last[1])


def _numbers() -> dict[str, str]:
    """What the link says of the page's numbers; those it does not name have their usual value."""
    view = st.session_state[_own("view")]
    return {k: v for k, v in view.items() if k.removeprefix(VIEW) in desk().numbers}


def _put_numbers(new: Mapping[str, str]) -> None:
    view, old = st.session_state[_own("view")], _numbers()
    st.session_state[_own("view")] = {k: v for k, v in view.items() if k not in old} | dict(new)


def can_undo() -> bool:
    """Returns whether there was a jump to take back."""
    return bool(st.session_state.get(_own("before")))


def jump_to(**parts: str) -> None:
    """Jumps to other parts of the network, each with its own default parameters."""
    changed = {k: v for k, v in parts.items() if value(k) != v}
    kept = {k: v for k, v in _draft().items() if k.partition(".")[0] not in changed}
    jump(kept | changed)


def open_setting(experiment: Experiment) -> None:
    """Jumps to another setting as a whole."""
    jump(settings(experiment))


def reset() -> None:
    """Puts every setting and every number back to what the page opens with."""
    jump(desk().read(desk().opening)[0])
    _put_numbers({})


def only(fragment: str) -> None:
    """Lets only that fragment run, for now. To be called at the end of a callback.

    Where there is no such fragment yet, the whole page runs.
    """
    try:
        st.rerun(fragment)
    except StreamlitAPIException:
        return


def hold() -> None:
    """Lets only the fragment HAND run: a hand moves a slider. To be called from its callback."""
    st.session_state["held"] = True
    only(HAND)


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
