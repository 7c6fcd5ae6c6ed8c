"""The rail of controls, made from the spec: a new setting gets its widget, bounds and help.

Where a setting stands is a page's table of groups, when it is shown the table NEEDS; a setting in
neither is shown under "More". A key that begins with an arm's letter is that arm's own setting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from functools import partial
from typing import Any

import streamlit as st

from pages.ui import formula, session, views
from pages.ui.drawer import drawer
from pages.ui.page_settings import ARM, KNOB, Value
from pages.ui.slider import number_slider, told
from pages.ui.text import option_name
from snn_core.activations import formula as parsed
from snn_core.activations import is_formula
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS, is_labelled
from snn_core.normalizations import NORMALIZATIONS
from snn_core.spec import SHARED, USUAL_RATES, Experiment, NetworkSpec, TrainingSpec, arm_of
from snn_core.tables import Parameter, number

__all__ = [
    "GROUPS",
    "NEEDS",
    "TRAINING",
    "Number",
    "actions",
    "arm_rail",
    "control",
    "declared",
    "draw_number",
    "new_weights",
    "rail",
    "used",
    "view_number",
]

_SHAPE = (
    "kind", "depth", "width", "channels", "kernel", "padding", "pool", "pool_every",
    "channel_growth", "dense",
)  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "Network": (*_SHAPE, "activation"),
    "Weights": ("initializer", "weight_factor", "constraint"),
    "Input": ("data", "standardize", "features", "image_size", "image_channels"),
}
TRAINING: dict[str, tuple[str, ...]] = {
    "Task": ("data",),
    "Networks": (*_SHAPE, "seeds"),
    "Training": ("optimizer", "learning_rate", "momentum", "batch_size", "steps"),
}
_CNN = {"kind": ("cnn",)}
_SYNTHETIC = {"data": tuple(name for name, d in DATASETS.items() if d.load is None)}
_POOLED = _CNN | {"pool": ("max", "average")}
NEEDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "channels": _CNN,
    "kernel": _CNN,
    "padding": _CNN,
    "pool": _CNN,
    "pool_every": _POOLED,
    "channel_growth": _POOLED,
    "dense": _CNN,
    "features": {"kind": ("mlp",)} | _SYNTHETIC,
    "image_size": _CNN | _SYNTHETIC,
    "image_channels": _CNN | _SYNTHETIC,
    "normalization_position": {"normalization": tuple(n for n in NORMALIZATIONS if n != "none")},
    "dropout_rate": {"dropout": ("alpha", "standard")},
    "residual_scale": {"residual": (True,)},
    "constraint_manner": {"constraint": tuple(c for c in CONSTRAINTS if c != "none")},
    "momentum": {"optimizer": ("sgd",)},
    "nesterov": {"optimizer": ("sgd",)},
    "rate_every": {"schedule": ("step",)},
    "rate_factor": {"schedule": ("step",)},
    "warmup_steps": {"schedule": ("warmup",)},
}
# Of a setting's options, those that a page can use.
ONLY: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "data": tuple(name for name, d in DATASETS.items() if is_labelled(d)),
        "dtype": ("float32", "float64"),
    }
}
# Numbers that have a slider too; every one of a part's parameters has one besides.
SLIDERS = (
    "depth", "width", "channels", "batch", "seeds", "weight_factor", "bias", "dropout_rate",
    "residual_scale",
)  # fmt: skip
STOPS = 60  # of a slider over numbers that are not whole
_OF_PROPAGATION = ("batch", "standardize", "features", "image_size", "image_channels")


def declared(*owners: type) -> dict[str, Field[Any]]:
    """Returns every setting that the owners declare, in their order."""
    owners = owners or (NetworkSpec, Experiment)
    return {f.name: f for owner in owners for f in fields(owner) if f.metadata}


def used(name: str, said: Mapping[str, Any]) -> bool:
    """Returns whether the setting, or the part whose parameter it is, says anything here."""
    name = name.partition(".")[0]

    def current(other: str) -> Value | None:
        return said.get(other, session.default(other))

    return all(current(other) in allowed for other, allowed in NEEDS.get(name, {}).items())


def _used(key: str) -> bool:
    """Whether the setting says anything as the others are, for an arm's own its arm."""
    letter, name = arm_of(key)
    prefix = f"{letter}." if letter else ""
    return all(
        session.value(prefix + other) in allowed for other, allowed in NEEDS.get(name, {}).items()
    )


def rail() -> None:
    """Draws the controls of a propagation, in the order a person thinks in."""
    actions()
    with st.container(horizontal=True, gap="small", key="draws"):
        st.button(
            "New weights",
            on_click=new_weights,
            key="new_weights",
            help="Draws other weights and another batch: the next seed.",
        )
        most, seeds = int(declared()["seeds"].metadata["high"]), int(session.value("seeds") or 1)
        st.button(
            "More seeds",
            on_click=session.change,
            args=("seeds", min(2 * seeds, most)),
            key="more_seeds",
            disabled=seeds >= most,
            help=f"Twice as many networks: {min(2 * seeds, most)} instead of {seeds}.",
        )
    _groups(GROUPS, declared())


def new_weights() -> None:
    """Moves to the next seed: the same setting, other weights and other input."""
    session.change("seed", (int(session.value("seed") or 0) + 1) % 2**31)


def arm_rail() -> None:
    """Draws the controls of a training: what the arms share, and the arm that is looked at."""
    actions("Reset settings")
    known = declared(NetworkSpec, Experiment, TrainingSpec)
    for name in _OF_PROPAGATION:
        del known[name]
    _arms(known)
    _groups(TRAINING, {n: f for n, f in known.items() if n not in ARM})


def actions(reset: str = "Reset") -> None:
    """Draws the drawer's handle, and what can be done with all settings at once."""
    drawer()
    with st.container(horizontal=True, gap="medium", key="actions"):
        st.button(
            "Undo",
            on_click=session.undo,
            key="undo",
            type="tertiary",
            icon=":material/undo:",
            disabled=not session.can_undo(),
            help="Back to the settings before the last change.",
        )
        st.button(
            reset,
            on_click=session.reset,
            key="reset",
            type="tertiary",
            icon=":material/restart_alt:",
            help="Every setting back to what the page opens with.",
        )


def _groups(groups: Mapping[str, tuple[str, ...]], known: Mapping[str, Field[Any]]) -> None:
    grouped = {name for names in groups.values() for name in names}
    for title, names in groups.items():
        st.header(title, anchor=False)
        for name in (n for n in names if _used_by_any(n)):
            control(known[name], name)
            _exceptions(name)
    more = views.fold("more", "More")
    if more.open:
        with more:
            for name in (n for n in known if n not in grouped and _used_by_any(n)):
                control(known[name], name)
                _exceptions(name)


def _used_by_any(name: str) -> bool:
    """A shared setting is shown where it says something for at least one arm."""
    return _used(name) or any(_used(f"{letter}.{name}") for letter in session.letters())


def _exceptions(name: str) -> None:
    """Says which arms have their own value of a shared setting."""
    own = [x.upper() for x in session.letters() if session.own(f"{x}.{name}")]
    if own:
        st.caption(f"Arm {' and '.join(own)} has its own." if len(own) == 1 else
                   f"Arms {', '.join(own)} have their own.")  # fmt: skip


def _arms(known: Mapping[str, Field[Any]]) -> None:
    st.header("Arms", anchor=False)
    here = session.letters()
    chosen = session.view("arm", here)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Arm", here, key=views.holding("arm", chosen), required=True, persist_state="session",
            format_func=str.upper, on_change=session.touch, label_visibility="collapsed",
        )  # fmt: skip
        st.button("Add", on_click=session.add_arm, key="add_arm", disabled=len(here) == 4,
                  help="Adds an arm like the last one; there can be four.")  # fmt: skip
        st.button("Remove", on_click=session.remove_arm, args=(chosen,),
                  key="remove_arm", disabled=len(here) == 1,
                  help=f"Takes arm {chosen.upper()} away.")  # fmt: skip
    for name in (n for n in ARM if _used(f"{chosen}.{n}")):
        control(known[name], f"{chosen}.{name}")
    more = views.fold("more_arm", "More of this arm: depth, rate ...")
    if more.open:
        with more:
            _own_settings(known, chosen)


def _own_settings(known: Mapping[str, Field[Any]], letter: str) -> None:
    """Draws the settings that an arm does not share with the others, and how it gets one."""
    others = [n for n in known if n not in ARM and n not in SHARED and _used(f"{letter}.{n}")]
    own = [n for n in others if session.own(f"{letter}.{n}")]
    st.selectbox(
        f"Give arm {letter.upper()} its own",
        [n for n in others if n not in own],
        index=None,
        key=f"give.{letter}.{len(own)}",
        format_func=lambda name: known[name].metadata["label"],
        placeholder="setting",
        on_change=_give,
        args=(letter, f"give.{letter}.{len(own)}"),
        help="All other settings are shared by all arms.",
    )
    for name in own:
        control(known[name], f"{letter}.{name}")
        st.button("As all arms", key=f"share.{letter}.{name}", type="tertiary",
                  on_click=session.share, args=(f"{letter}.{name}",))  # fmt: skip


def _give(letter: str, key: str) -> None:
    """Gives an arm its own value of a setting, at first the shared one."""
    name = st.session_state[key]
    if name is not None:
        current = session.value(f"{letter}.{name}")
        if current is not None:
            session.change(f"{letter}.{name}", current)


# One setting


def control(setting: Field[Any], name: str) -> None:
    """Draws one setting by what it declares, and its part's parameters and notes under it."""
    meta = setting.metadata
    if setting.name == "device" and not _has_gpu() and session.value("device") == "cpu":
        return
    if meta["options"] is not None:
        _choice(setting, name)
    elif isinstance(setting.default, bool):
        st.toggle(
            meta["label"], key=_key(name), persist_state="session", help=meta["help"],
            on_change=_chosen, args=(name,),
        )  # fmt: skip
    else:
        step = meta["step"] if isinstance(setting.default, int) else None
        usual = float(session.default(setting.name) or 0) if setting.name in SLIDERS else None
        draw_number(
            Number(name, meta["label"], meta["low"], meta["high"], meta["help"], step, usual)
        )


def _key(name: str) -> str:
    """Returns the key of the widget that holds a setting; where none did, it has its value now."""
    key = session.key(name)
    if key not in st.session_state:
        st.session_state[key] = session.value(name)
    return key


def _chosen(name: str) -> None:
    """A widget has another value, which is the setting; what goes with it follows.

    A browser may still report a widget that has left the page; of that the session knows nothing.
    """
    session.touch()  # else it would take the browser's address, a message behind, for a new link
    if session.own(name):
        _take(name, st.session_state[session.key(name)])


def _take(name: str, new: Value) -> None:
    letter, own = arm_of(name)
    session.change(name, new)
    if own == "optimizer":  # a rate that suits one rule is far off for another
        rate = f"{letter}.learning_rate" if letter else "learning_rate"
        session.change(rate, USUAL_RATES[str(new)])


def _choice(setting: Field[Any], name: str) -> None:
    meta, current = setting.metadata, str(session.value(name))
    table = meta["options"] if isinstance(meta["options"], Mapping) else {}
    own = meta["own"] is not None and is_formula(current)

    def label(option: str) -> str:
        return formula.OPTION if is_formula(option) else option_name(setting.name, option)

    chosen = parsed(current) if own else table.get(current)
    citation = getattr(chosen, "citation", "")
    about = f"{meta['help']}\n\n{label(current)}: {citation}" if citation else meta["help"]
    st.selectbox(
        meta["label"], _options(setting, name, current), key=_key(name), format_func=label,
        help=about, persist_state="session", on_change=_chosen, args=(name,),
    )  # fmt: skip
    if own:
        formula.draw(name, _take)
    for text in (getattr(chosen, "note", ""), getattr(chosen, "description", "")):
        if text:
            st.caption(text)
    for parameter in getattr(chosen, "parameters", ()):
        _parameter(name, parameter)


def _options(setting: Field[Any], name: str, current: str) -> list[str]:
    """Returns what can be chosen here, for this kind of network; the present one always."""
    options = setting.metadata["options"]
    table = options if isinstance(options, Mapping) else {}
    usable = ONLY.get(session.page().name, {}).get(setting.name, tuple(options))
    letter, _ = arm_of(name)
    kind = session.value(f"{letter}.kind" if letter else "kind")
    found = [
        o
        for o in options
        if o == current or o in usable and kind in getattr(table.get(o), "kinds", (kind,))
    ]
    return [*found, formula.option(current)] if setting.metadata["own"] else found


def _parameter(part: str, p: Parameter) -> None:
    name, label = f"{part}.{p.name}", p.label or p.name
    draw_number(Number(name, label, p.low, p.high, p.help, None, p.default), p.default)


def _has_gpu() -> bool:
    import torch  # late: the frame must not wait for it

    return torch.cuda.is_available()


# Numbers


@dataclass(frozen=True)
class Number:
    """A number to set. ``whole`` is the step of whole numbers, None for any number; ``usual`` is
    the value about which a slider goes, None for a number without one."""

    name: str
    label: str
    low: float
    high: float
    help: str
    whole: int | None
    usual: float | None = None


def draw_number(n: Number, default: float | None = None) -> None:
    """Draws a number, with a slider where it has a usual value; ``default`` where none is said."""
    said = session.value(n.name)
    current = float((default if said is None else said) or 0)
    if n.usual is None:
        stops = []
    elif n.whole:
        stops = [float(stop) for stop in round_numbers(int(n.low), int(n.high))]
    else:
        stops = handy(n.low, n.high, n.usual)
    name, key = n.name, f"number:{session.key(n.name)}"
    number_slider(
        key,
        name,
        n.label,
        int(current) if n.whole else current,
        (n.low, n.high),
        n.whole or _step(n.low, n.high, current),
        partial(_told, n, key),
        sorted({*stops, current}) if stops else (),
        f"{n.help} {n.low:g} to {n.high:g}.".strip(),
        n.whole is not None,
    )


def _told(n: Number, key: str) -> None:
    """Takes over what a person has set; it is checked like any other input."""
    session.touch()
    try:
        _take(n.name, number(n.name, told(key), n.low, n.high, integer=n.whole is not None))
    except ValueError:
        return


def _step(low: float, high: float, current: float) -> float:
    """Returns a power of ten that moves the value by some percent.

    Where that would step over the upper bound, 1, 2 or 5 times one that does not: 0.9, 0.95,
    0.97, 0.99 below 0.999.

    >>> _step(0.0, 0.999, 0.9), _step(0.0, 0.999, 0.97)
    (0.05, 0.02)
    """
    scale = abs(current) or (high - low) / 10
    usual = 10.0 ** math.floor(math.log10(scale) - 0.5) if scale > 0 else 0.1
    room = high - current
    if not 0 < room < usual:
        return usual
    size = 10.0 ** math.floor(math.log10(room))
    return max(size * factor for factor in (1, 2, 5) if size * factor <= room * 1.001)


def round_numbers(low: int, high: int) -> list[int]:
    """Returns the bounds and, between them, powers of two and their halfway marks.

    >>> round_numbers(1, 20)
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    powers = [2**k for k in range(high.bit_length())]
    marks = {low, high, *powers, *(3 * p // 2 for p in powers if p > 1)}
    return sorted(n for n in marks if low <= n <= high)


def handy(low: float, high: float, usual: float) -> list[float]:
    """Returns values in even steps over what is mostly wanted: the bounds, or about the usual.

    >>> handy(0.0, 1.0, 0.1)[:3], handy(-10.0, 10.0, 0.0)[::60]
    ([0.0, 0.02, 0.04], [-1.0, 1.0])
    """
    if high - low > 4.0:
        reach = 3.0 * abs(usual) or 1.0
        low, high = max(low, -reach if low < 0.0 else 0.0), min(high, reach)
    step = _nice((high - low) / STOPS)
    count = math.floor((high - low) / step + 1e-9)
    return sorted({low, *(round(low + step * k, 10) for k in range(count + 1)), usual})


def _nice(step: float) -> float:
    """Returns the next larger of 1, 2 and 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step * 0.999)


def view_number(name: str, label: str = "", help: str = "", slider: bool = False) -> None:
    """Draws a number that is looked at, by its name among the page's; its label is KNOB's."""
    low, high, usual = session.page().numbers[name]
    known_label, known_help = KNOB.get(name, ("", ""))
    draw_number(
        Number(
            f"view.{name}", label or known_label, low, high, help or known_help, None,
            usual if slider else None,
        )
    )  # fmt: skip
