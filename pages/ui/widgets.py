"""The rail of controls, made from the spec: a new setting gets its widget, bounds and help.

Where a setting stands is a page's table of groups, when it is shown the table NEEDS; a setting in
neither is shown under "More". A key that begins with an arm's letter is that arm's own setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import partial
from typing import Any

import streamlit as st

from pages.ui import map_words, own_formula, state, words
from pages.ui.clicks import once
from pages.ui.live_slider import live_slider, reading
from snn_core.activations import formula, is_formula
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS, is_labelled
from snn_core.normalizations import NORMALIZATIONS
from snn_core.spec import SHARED, USUAL_RATES, Experiment, NetworkSpec, TrainingSpec, arm_of
from snn_core.tables import Parameter, number

__all__ = [
    "ARM",
    "GROUPS",
    "NEEDS",
    "TRAINING",
    "arm_rail",
    "declared",
    "map_rail",
    "rail",
    "used",
    "view_number",
    "view_slider",
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
ARM = (
    "activation", "initializer", "constraint", "constraint_manner", "normalization",
    "normalization_position", "dropout", "dropout_rate",
)  # fmt: skip
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
# Numbers that a slider follows too; every one of a part's parameters has one besides.
SLIDERS = (
    "depth", "width", "channels", "batch", "seeds", "weight_factor", "bias", "dropout_rate",
    "residual_scale",
)  # fmt: skip
PREFIX = ("depth",)  # a network of fewer layers is the beginning of a deeper one
STEPS = 60  # of a slider over numbers that are not whole
EXACT = ".exact"
_OF_PROPAGATION = ("batch", "standardize", "features", "image_size", "image_channels")


def declared(*owners: type) -> dict[str, Field[Any]]:
    """Returns every setting that the owners declare, in their order."""
    owners = owners or (NetworkSpec, Experiment)
    return {f.name: f for owner in owners for f in fields(owner) if f.metadata}


def used(name: str, draft: Mapping[str, Any]) -> bool:
    """Returns whether the setting, or the part whose parameter it is, says anything here."""
    name = name.partition(".")[0]

    def current(other: str) -> state.Value | None:
        return draft.get(other, state.default(other))

    return all(current(other) in allowed for other, allowed in NEEDS.get(name, {}).items())


def _used(key: str) -> bool:
    """Whether the setting says anything in the draft as it is, for an arm's own its arm."""
    letter, name = arm_of(key)
    prefix = f"{letter}." if letter else ""
    return all(
        state.value(prefix + other) in allowed for other, allowed in NEEDS.get(name, {}).items()
    )


def rail() -> None:
    """Draws the controls of a propagation, in the order a person thinks in."""
    with st.container(horizontal=True, key="actions"):
        st.button(
            "New weights",
            on_click=once("new_weights", state.new_weights),
            key="new_weights",
            help="Draws other weights and another batch: the next seed.",
        )
        most, seeds = int(declared()["seeds"].metadata["high"]), int(state.value("seeds"))
        st.button(
            "More seeds",
            on_click=once("more_seeds", state.change),
            args=("seeds", min(2 * seeds, most)),
            key="more_seeds",
            disabled=seeds >= most,
            help=f"Twice as many networks: {min(2 * seeds, most)} instead of {seeds}.",
        )
        _undo()
        _reset()
    _groups(GROUPS, declared())


def arm_rail() -> None:
    """Draws the controls of a training: what the arms share, and the arm that is looked at."""
    _reset()
    known = declared(NetworkSpec, Experiment, TrainingSpec)
    for name in _OF_PROPAGATION:
        del known[name]
    _arms(known)
    _groups(TRAINING, {n: f for n, f in known.items() if n not in ARM})


def map_rail() -> None:
    """Draws the controls of the moment map: the activation, and numbers that are looked at."""
    with st.container(horizontal=True, key="actions"):
        _reset()
    known = declared()
    st.header("Activation", anchor=False)
    _control(known["activation"], "activation")
    st.header("Weights of a unit", anchor=False)
    for name in ("omega", "tau"):
        view_slider(name)
    st.header("Inputs", anchor=False)
    for name in ("mean", "variance"):
        view_slider(name)
    with st.expander("The network beside it", key="more"):
        for name in ("depth", "width", "initializer", "constraint", "batch", "seeds"):
            _control(known[name], name)


def view_slider(name: str) -> None:
    """Draws the slider of a number that is looked at, by its name on the desk."""
    low, high, usual = state.desk().numbers[name]
    label, about = map_words.KNOB[name]
    _slider(Number(f"view.{name}", label, low, high, about, None), usual)


def view_number(name: str, label: str, help: str = "") -> None:
    """Draws the field of a number that is looked at."""
    low, high, _ = state.desk().numbers[name]
    _number(Number(f"view.{name}", label, low, high, help, None))


def _undo() -> None:
    if state.can_undo():
        st.button(
            "Undo",
            on_click=once("undo", state.undo),
            key="undo",
            type="tertiary",
            help="Back to the setting before the last click that changed it as a whole.",
        )


def _reset() -> None:
    st.button(
        "Reset settings" if state.desk() == state.TRAIN else "Reset",
        on_click=state.reset,
        key="reset",
        type="tertiary",
        help="Every setting back to what the page opens with.",
    )


def _groups(groups: Mapping[str, tuple[str, ...]], known: Mapping[str, Field[Any]]) -> None:
    grouped = {name for names in groups.values() for name in names}
    for title, names in groups.items():
        st.header(title, anchor=False)
        for name in (n for n in names if _used_by_any(n)):
            _control(known[name], name)
            _exceptions(name)
    with st.expander("More", key="more"):
        for name in (n for n in known if n not in grouped and _used_by_any(n)):
            _control(known[name], name)
            _exceptions(name)


def _used_by_any(name: str) -> bool:
    """A shared setting is shown where it says something for at least one arm."""
    return _used(name) or any(_used(f"{letter}.{name}") for letter in state.letters())


def _exceptions(name: str) -> None:
    """Says which arms have their own value of a shared setting."""
    own = [x.upper() for x in state.letters() if state.has(f"{x}.{name}")]
    if own:
        st.caption(f"Arm {' and '.join(own)} has its own." if len(own) == 1 else
                   f"Arms {', '.join(own)} have their own.")  # fmt: skip


def _arms(known: Mapping[str, Field[Any]]) -> None:
    st.header("Arms", anchor=False)
    here = state.letters()
    chosen = state.view("arm", here)
    if st.session_state.get("arm") != chosen:
        st.session_state["arm"] = chosen
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Arm", here, default=chosen, key="arm", required=True,
            format_func=str.upper, on_change=_look_at_arm,
            label_visibility="collapsed",
        )  # fmt: skip
        st.button("Add", on_click=once("add_arm", state.add_arm), key="add_arm",
                  disabled=len(here) == 4,
                  help="Adds an arm like the last one; there can be four.")  # fmt: skip
        st.button("Remove", on_click=once("remove_arm", state.remove_arm), args=(chosen,),
                  key="remove_arm", disabled=len(here) == 1,
                  help=f"Takes arm {chosen.upper()} away.")  # fmt: skip
    for name in (n for n in ARM if _used(f"{chosen}.{n}")):
        _control(known[name], f"{chosen}.{name}")
    with st.expander(f"More of arm {chosen.upper()}: depth, rate ...", key="more_arm"):
        st.caption("What is changed here is this arm's own; the rest is shared by all arms.")
        others = (n for n in known if n not in ARM and n not in SHARED)
        for name in (n for n in others if _used(f"{chosen}.{n}")):
            _control(known[name], f"{chosen}.{name}")
            if state.has(f"{chosen}.{name}"):
                st.button("As all arms", key=f"share.{chosen}.{name}", type="tertiary",
                          on_click=state.share, args=(f"{chosen}.{name}",))  # fmt: skip


def _look_at_arm() -> None:
    state.look("arm", st.session_state["arm"], "a")


def _control(setting: Field[Any], key: str) -> None:
    """Draws one setting by what it declares, and its part's parameters and notes under it."""
    meta = setting.metadata
    if setting.name == "device" and not _has_gpu() and state.value("device") == "cpu":
        return
    if meta["options"] is not None:
        _choice(setting, key)
    elif isinstance(setting.default, bool):
        _widget(st.toggle, key, meta["label"], value=state.value(key), help=meta["help"])
    else:
        step = meta["step"] if isinstance(setting.default, int) else None
        field = Number(key, meta["label"], meta["low"], meta["high"], meta["help"], step)
        if setting.name in SLIDERS:
            _slider(field, setting.default)
        else:
            _number(field)


def _widget(
    make: Callable[..., object], name: str, label: str, twin: str = "", **options: object
) -> None:
    """Draws a widget that is a view of the draft: it shows its value and writes it back.

    It takes its value also as Streamlit's default, to which an emptied number field returns. And
    where the next run begins before this one's messages were sent, they are lost, and the browser
    learns no more than the default: it would report that as a person's wish.
    ``twin`` names a second widget of a setting. When the first one changes, this is drawn afresh,
    under a new key: in its next message the browser may still report its old value, and that must
    not count as a change.
    """
    drawn = st.session_state.setdefault("drawn", {}).get(name + twin, 0)
    key = f"set.{name}{twin}" + (f".{drawn}" if drawn else "")
    current = state.value(name)
    state.tell(key, current)
    make(label, key=key, on_change=_changed, args=(name, key), **options)
    wished = state.wish(key, current)
    if wished != current:
        _take(name, wished)
        st.rerun()


def _changed(name: str, key: str) -> None:
    _take(name, st.session_state[key])


def _redraw(widget: str) -> None:
    """Lets a widget be drawn afresh, whatever the browser still reports of the old one."""
    drawn = st.session_state.setdefault("drawn", {})
    st.session_state["drawn"] = drawn | {widget: drawn.get(widget, 0) + 1}


def _take(name: str, new: state.Value) -> None:
    """Takes over a value that a person has set, and what goes with it."""
    letter, own = arm_of(name)
    state.change(name, new)
    if own == "optimizer":  # a rate that suits one rule is far off for another
        state.change(f"{letter}.learning_rate" if letter else "learning_rate", USUAL_RATES[new])


def _choice(setting: Field[Any], name: str) -> None:
    meta = setting.metadata
    options = meta["options"]
    table = options if isinstance(options, Mapping) else {}
    usable = ONLY.get(state.desk().page, {}).get(setting.name, tuple(options))
    options = [
        o for o in options if o == state.value(name) or o in usable and _fits(table.get(o), name)
    ]
    current = str(state.value(name))
    own = meta["own"] is not None and is_formula(current)
    if meta["own"]:
        options.append(own_formula.option(current))

    def label(option: str) -> str:
        return own_formula.OPTION if is_formula(option) else words.option(setting.name, option)

    chosen = formula(current) if own else table.get(current)
    citation = getattr(chosen, "citation", "")
    about = f"{meta['help']}\n\n{label(chosen.name)}: {citation}" if citation else meta["help"]
    _widget(
        st.selectbox, name, meta["label"], options=options, format_func=label, help=about,
        index=options.index(current),
    )  # fmt: skip
    if own:
        own_formula.draw(name, _take)
    for text in (getattr(chosen, "note", ""), getattr(chosen, "description", "")):
        if text:
            st.caption(text)
    parameters = getattr(chosen, "parameters", ())
    for parameter in parameters:
        _parameter(name, parameter)


def _fits(entry: object, key: str) -> bool:
    """Returns whether a table's entry is for the kind of network that is set up."""
    letter, _ = arm_of(key)
    kind = state.value(f"{letter}.kind" if letter else "kind")
    return kind in getattr(entry, "kinds", (kind,))


@dataclass(frozen=True)
class Number:
    """A number to set; ``whole`` is the step of whole numbers, None for any number."""

    name: str
    label: str
    low: float
    high: float
    help: str
    whole: int | None


def _parameter(part: str, p: Parameter) -> None:
    name = f"{part}.{p.name}"
    state.settle(name, p.default)
    _slider(Number(name, p.label or p.name, p.low, p.high, p.help, None), p.default)


def _slider(n: Number, usual: float) -> None:
    """A slider over handy values, which the figure follows, and beside it the exact number."""
    current: Any = state.value(n.name)
    stops = round_numbers(int(n.low), int(n.high)) if n.whole else handy(n.low, n.high, usual)
    key = f"slide.{n.name}"
    bounds = f"{n.low:g} to {n.high:g}; the field beside it takes any."
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small"):
        live_slider(
            key,
            n.label,
            sorted({*stops, current}),
            current,
            partial(_slid, n, key),
            f"{n.help} {bounds}".strip(),
            live=state.desk() in (state.PROPAGATE, state.MAP),
            prefix=n.name if n.name in PREFIX else "",
        )
        _number(replace(n, label=f"{n.label}, exactly"), EXACT)


def _slid(n: Number, key: str) -> None:
    """Takes over what a slider reports; a report is checked like any other input."""
    said = reading(key)
    if said is None:
        return
    value, held = said
    try:
        value = number(n.name, value, n.low, n.high, integer=n.whole is not None)
    except ValueError:
        return
    _redraw(n.name + EXACT)
    _take(n.name, value)
    if held:
        state.hold()


def _number(n: Number, twin: str = "") -> None:
    """Draws a number field; a slider's stands beside it, without a label of its own in sight."""
    kind = int if n.whole else float
    current: Any = state.value(n.name)
    step = n.whole or _step(n.low, n.high, current)
    beside: dict[str, Any] = {"label_visibility": "collapsed", "width": 104} if twin else {}
    _widget(
        st.number_input, n.name, n.label, twin, value=kind(current), step=kind(step),
        min_value=kind(n.low), max_value=kind(n.high), format=None if n.whole else "%.6g",
        help=None if twin else n.help or None, **beside,
    )  # fmt: skip


def _step(low: float, high: float, current: float) -> float:
    """Returns a power of ten that moves the value by some percent."""
    scale = abs(current) or (high - low) / 10
    return 10.0 ** math.floor(math.log10(scale) - 0.5) if scale > 0 else 0.1


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
    step = _nice((high - low) / STEPS)
    count = math.floor((high - low) / step + 1e-9)
    return sorted({low, *(round(low + step * k, 10) for k in range(count + 1)), usual})


def _nice(step: float) -> float:
    """Returns the next larger of 1, 2 and 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step * 0.999)


def _has_gpu() -> bool:
    import torch  # late: the frame must not wait for it

    return torch.cuda.is_available()
