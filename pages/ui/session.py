"""The settings of the page that runs: each is a value of the session, and the link says them all.

A setting's key is the one that it has in a link, after the page's name: ``propagate/depth``. Where
a widget has that key, Streamlit keeps the setting; there is no other copy. What is not in the
session has its default, or the value that all arms share. Keys that begin with ``view.`` say what
is looked at, not what is computed; ``job`` in a link is a training that is under way, ``page``
names the page, and ``pin.a`` to ``pin.d`` are settings to compare with, each a query of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from pages.ui.page_settings import DECLARED, PageSettings, Value, Values, own_parts
from snn_core.settings import (
    LETTERS,
    Experiment,
    SettingError,
    arm_of,
    arm_settings,
    arms_to_query,
    from_query,
    merged,
    read_query,
    settings,
    to_query,
)

__all__ = [
    "JOB",
    "add_arm",
    "arms",
    "can_undo",
    "change",
    "chosen",
    "default",
    "dismiss",
    "experiment",
    "is_echo",
    "is_unshown",
    "key",
    "letters",
    "link",
    "load_preset",
    "number",
    "open_arms",
    "open_arms_next",
    "open_link",
    "open_setting",
    "own",
    "page",
    "pin",
    "pins",
    "problems",
    "put_back",
    "remember",
    "remove_arm",
    "replace",
    "reset",
    "restore",
    "share",
    "showing",
    "touch",
    "undo",
    "unpin",
    "value",
    "values",
    "view",
    "write_link",
]

Used = Callable[[str, Mapping[str, Value]], bool]
VIEW = "view."
JOB = "job"
PIN = "pin."
LONGEST_PIN = 2000  # characters
MOST_UNDONE = 30
BEHIND = 3.0  # seconds that a browser may be behind the run that drew its widgets


def page() -> PageSettings:
    """Returns what the page that runs declares of its settings."""
    return st.session_state["page"]


def key(name: str) -> str:
    """Returns the session's key of a setting, which is also that of its widget."""
    return f"{page().name}/{name}"


def _own(name: str) -> str:
    """The session's key of something besides the settings that each page has for itself."""
    return f"{page().name}#{name}"


def open_link(at: PageSettings) -> None:
    """Reads the URL into the session when it is not the one this session wrote itself.

    That is so on the first run, and when a person edits the address or goes back in the browser's
    history. A run that a widget started never reads the URL: the browser may still be a message
    behind, and would undo the widget. Nor does an empty URL that a change of page leaves: the page
    is as it was left.
    """
    stays = st.session_state.get("page") == at
    st.session_state["page"] = at
    restore()
    coming = st.session_state.pop(_own("next"), None)
    if coming is not None:
        _put(coming)
    url = st.query_params.to_dict()
    touched = st.session_state.pop("touched", False)
    known = st.session_state.get(_own("link"))
    if known is not None and (touched or url == known or not (url or stays)):
        return
    query = {
        k: v for k, v in url.items() if not k.startswith((VIEW, PIN)) and k not in ("page", JOB)
    }
    opened, found = at.read(query or at.opening)
    pinned, unread = _read_pins({k: v for k, v in url.items() if k.startswith(PIN)})
    seen = url if query else {**at.opening_views, **url}
    names = [VIEW + name for name in (*at.views, *at.numbers) if VIEW + name in seen]
    _put(opened | {name: seen[name][:40] for name in names}, views=True)
    st.session_state[_own("pins")] = pinned
    st.session_state[_own("link")] = url
    found = [*found, *unread]
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
    return query | pinned | _looked_at()


def _looked_at() -> dict[str, str]:
    """What is looked at, where that is not the usual."""
    numbers = {name: usual for name, (*_, usual) in page().numbers.items()}
    usual = st.session_state.get(_own("usual"), {})
    found = {}
    for bare in (*page().views, *numbers):  # in this order, so that a link is always the same
        name = f"{VIEW}{bare}"
        shown = st.session_state.get(key(name))
        if shown is None:
            continue
        if bare in numbers:
            text, common = f"{number(bare):.12g}", f"{numbers[bare]:.12g}"
        else:
            # the usual is unknown before it is drawn: then the link goes on to say it
            text, common = str(shown), usual.get(bare)
        if text != common:
            found[name] = text
    return found


def values(views: bool = False) -> Values:
    """Returns every setting that the session holds, by its key in a link; ``views`` too."""
    start = key("")
    return {
        name.removeprefix(start): st.session_state[name]
        for name in st.session_state
        if isinstance(name, str)
        and name.startswith(start)
        and (views or not name.startswith(start + VIEW))
    }


def value(name: str) -> Value | None:
    """Returns a setting's value: an arm's own, or the shared one, or the default."""
    if name.removeprefix(VIEW) in page().numbers:
        return number(name.removeprefix(VIEW))
    found = st.session_state.get(key(name))
    if found is not None:
        return found
    letter, bare = arm_of(name)
    return merged(values(), letter).get(bare, default(bare)) if letter else default(bare)


def number(name: str) -> float:
    """Returns a number that is looked at; the usual one where a link says none within bounds."""
    low, high, usual = page().numbers[name]
    try:
        found = float(st.session_state.get(key(VIEW + name), usual))
    except ValueError:
        return usual
    return found if low <= found <= high else usual


def default(name: str) -> Value | None:
    """Returns the default of a setting that the spec declares, None for any other key."""
    return getattr(DECLARED.get(name), "default", None)


def touch() -> None:
    """Marks the next run as started by a person's click, whose browser may be a message behind."""
    st.session_state["touched"] = True


def change(name: str, new: Value) -> None:
    """Changes a setting; a new part comes with its own default parameters."""
    touch()
    for parameter in [k for k in values() if k.startswith(f"{name}.")]:
        del st.session_state[key(parameter)]
    _note(name, new)
    st.session_state[key(name)] = new


def replace(new: Mapping[str, Value]) -> None:
    """Replaces all settings, and those numbers that are looked at which are among them."""
    touch()
    _put(new)


def _put(new: Mapping[str, Value], views: bool = False) -> None:
    """Puts settings in place of all that the session holds; widgets that stay take them over."""
    for name in values(views):
        if name not in new:
            _note(name, None)
            del st.session_state[key(name)]
    for name, each in new.items():
        _note(name, each)
        st.session_state[key(name)] = each


# A run may be cut off before it draws its rail, or before that has reached the browser, which then
# tells what its widgets have shown before. Streamlit takes that for the settings.


def _note(name: str, new: Value | None) -> None:
    setting = DECLARED.get(arm_of(name)[1])
    if setting is not None and (setting.metadata["options"] or isinstance(setting.default, bool)):
        st.session_state.setdefault(_own("unshown"), {})[name] = new
        before = st.session_state.get(key(name))
        if before is not None and before != new:
            st.session_state.setdefault(_own("before"), {})[name] = (before, new, math.inf)


def is_unshown(name: str) -> bool:
    """Returns whether the setting has a value that its widget has not been drawn with yet."""
    return name in st.session_state.get(_own("unshown"), {})


def is_echo(name: str) -> bool:
    """Returns whether a widget says what it showed before, too soon after for a hand."""
    before, _, until = st.session_state.get(_own("before"), {}).get(name, (None, None, 0.0))
    return before == st.session_state.get(key(name)) and time.monotonic() < until


def put_back(name: str) -> None:
    """Gives a setting the value that its widget is drawn with, after an echo of another."""
    _, wanted, _ = st.session_state[_own("before")][name]
    st.session_state[key(name)] = default(arm_of(name)[1]) if wanted is None else wanted


def showing(name: str) -> None:
    """Notes that a setting's widget is drawn with its value."""
    if is_unshown(name):
        del st.session_state[_own("unshown")][name]
        waiting = st.session_state.get(_own("before"), {})
        if name in waiting:
            before, wanted, _ = waiting[name]
            waiting[name] = (before, wanted, time.monotonic() + BEHIND)


def chosen(name: str) -> None:
    """Notes that a person has chosen a setting's value: its widget shows it."""
    for each in ("unshown", "before"):
        st.session_state.get(_own(each), {}).pop(name, None)


def restore() -> None:
    """Gives settings back the values that their widgets have not been drawn with yet."""
    for name, wanted in st.session_state.get(_own("unshown"), {}).items():
        if wanted is None:
            st.session_state.pop(key(name), None)
        elif st.session_state.get(key(name)) != wanted:
            st.session_state[key(name)] = wanted


def own(name: str) -> bool:
    """Returns whether the session holds this very key, such as an arm's own value."""
    return key(name) in st.session_state


def share(name: str) -> None:
    """Gives up an arm's own value; the shared one holds again."""
    touch()
    for each in [k for k in values() if k == name or k.startswith(f"{name}.")]:
        del st.session_state[key(each)]
        _note(each, None)


# Undo


def _numbers() -> Values:
    return {f"{VIEW}{name}": number(name) for name in page().numbers}


def remember(shown: Experiment | Sequence[Experiment] | None) -> None:
    """Notes the settings that the page shows, so that `undo` comes back to them; None are bad."""
    st.session_state[_own("good")] = shown is not None
    if shown is None:
        return
    said = settings(shown) if isinstance(shown, Experiment) else own_parts(arm_settings(shown))
    past, now = st.session_state.get(_own("past"), []), said | _numbers()
    if not past or past[-1] != now:
        st.session_state[_own("past")] = [*past, now][-MOST_UNDONE:]


def can_undo() -> bool:
    """Returns whether there are settings to go back to."""
    return len(st.session_state.get(_own("past"), [])) > st.session_state.get(_own("good"), True)


def undo() -> None:
    """Goes back to the settings before the last change."""
    past = st.session_state.get(_own("past"), [])
    if st.session_state.get(_own("good"), True):
        past = past[:-1]
    if past:
        st.session_state[_own("past")] = past
        replace(past[-1])


def load_preset(**parts: str) -> None:
    """Sets other parts of the network, each with its own default parameters."""
    for name, new in parts.items():
        if value(name) != new:
            change(name, new)


def open_setting(experiment: Experiment) -> None:
    """Opens another setting as a whole; what is looked at stays."""
    replace(settings(experiment) | _numbers())


def open_arms(experiments: Sequence[Experiment]) -> None:
    """Opens other arms as a whole."""
    replace(own_parts(arm_settings(experiments)))


def open_arms_next(experiments: Sequence[Experiment]) -> NoReturn:
    """Opens other arms in a run that begins at once: until then widgets hold theirs."""
    touch()
    st.session_state[_own("next")] = own_parts(arm_settings(experiments))
    st.rerun()


def reset() -> None:
    """Puts every setting back to what the page opens with, the numbers looked at too."""
    usual = {f"{VIEW}{name}": each[2] for name, each in page().numbers.items()}
    replace({**page().read(page().opening)[0], **usual, **page().opening_views})


# Pins


def _read_pins(query: Mapping[str, str]) -> tuple[list[Experiment], list[str]]:
    """Returns the settings to compare with, and a sentence for whatever of them is left out."""
    found, problems = [], []
    for name, text in sorted(query.items()):
        if name.removeprefix(PIN) not in LETTERS:
            problems.append(f"{name[:40]} is no pin; there are {PIN}a to {PIN}{LETTERS[-1]}.")
            continue
        if len(text) > LONGEST_PIN:
            problems.append(
                f"{name} is too long: {len(text):,} characters, {LONGEST_PIN:,} at most."
            )
            continue
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
            pinned, unread = read_query(dict(pairs))
        except ValueError:
            problems.append(f"{name} is no setting: it has too many fields.")
            continue
        found.append(pinned)
        problems += [f"{name}: {sentence}" for sentence in unread]
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


# Arms


def letters() -> tuple[str, ...]:
    """Returns the letters of the arms that are there."""
    return LETTERS[: int(value("arms") or 1)]


def add_arm() -> None:
    """Adds an arm like the last one, and looks at it."""
    here = letters()
    last, new = here[-1], LETTERS[len(here)]
    added = {f"{new}.{name}": v for name, v in _settings_of(last).items()}
    replace(values() | added | {"arms": len(here) + 1})
    st.session_state[key(f"{VIEW}arm")] = new


def remove_arm(letter: str) -> None:
    """Takes an arm away; those after it move up."""
    left = [each for each in letters() if each != letter]
    shared = {k: v for k, v in values().items() if not arm_of(k)[0]}
    moved = {
        f"{new}.{name}": v
        for new, old in zip(LETTERS, left, strict=False)
        for name, v in _settings_of(old).items()
    }
    replace(shared | moved | {"arms": len(left)})
    st.session_state[key(f"{VIEW}arm")] = LETTERS[0]


def _settings_of(letter: str) -> Values:
    return {name: v for k, v in values().items() for arm, name in [arm_of(k)] if arm == letter}


# What the settings are, as the core takes them


def experiment(used: Used) -> Experiment:
    """Returns the experiment that is set, of the settings that its network uses.

    Raises ValueError for values that do not go together. Settings that are out of use keep their
    value in the session, so that they are back when they are needed again. A default that does not
    go with the others gives way, and its widget follows.
    """
    return from_query(_query(values(), used))


def arms(used: Used) -> tuple[Experiment, ...]:
    """Returns the experiment of every arm; a ValueError as `experiment`, which names the arm."""
    found = []
    for letter in letters():
        own_values = {k: v for k, v in merged(values(), letter).items() if k != "arms"}
        try:
            found.append(from_query(_query(own_values, used)))
        except SettingError as error:
            raise SettingError(error.settings, f"Arm {letter.upper()}: {error}") from None
    return tuple(found)


def _query(said: Mapping[str, Value], used: Used) -> dict[str, str]:
    return {
        name: str(int(v)) if isinstance(v, bool) else str(v)
        for name, v in said.items()
        if v != default(name) and used(name, said)
    }


# What is looked at


def view(name: str, allowed: Sequence[str]) -> str:
    """Returns what is looked at; the first of the allowed values unless a link says otherwise."""
    st.session_state.setdefault(_own("usual"), {})[name] = allowed[0]
    shown = str(st.session_state.get(key(VIEW + name)))
    return shown if shown in allowed else allowed[0]
