"""The rail of controls, made from the spec: a new setting gets its widget, bounds and help.

Where a setting stands is the table GROUPS, when it is shown the table NEEDS; a setting in neither
is shown under "More".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Any

import streamlit as st

from pages.ui import state, words
from snn_core.datasets import DATASETS
from snn_core.normalizations import NORMALIZATIONS
from snn_core.spec import Experiment, NetworkSpec
from snn_core.tables import Parameter

__all__ = ["GROUPS", "NEEDS", "declared", "rail", "used"]

GROUPS: dict[str, tuple[str, ...]] = {
    "Network": (
        "kind", "depth", "width", "channels", "kernel", "padding", "pool", "pool_every",
        "channel_growth", "dense", "activation",
    ),
    "Weights": ("initializer", "weight_factor", "constraint"),
    "Input": ("data", "standardize", "features", "image_size", "image_channels"),
}  # fmt: skip
_CNN = {"kind": ("cnn",)}
_SYNTHETIC = {"data": tuple(name for name, d in DATASETS.items() if d.load is None)}
NEEDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "channels": _CNN,
    "kernel": _CNN,
    "padding": _CNN,
    "pool": _CNN,
    "pool_every": _CNN | {"pool": ("max", "average")},
    "channel_growth": _CNN | {"pool": ("max", "average")},
    "dense": _CNN,
    "features": {"kind": ("mlp",)} | _SYNTHETIC,
    "image_size": _CNN | _SYNTHETIC,
    "image_channels": _CNN | _SYNTHETIC,
    "normalization_position": {"normalization": tuple(n for n in NORMALIZATIONS if n != "none")},
    "dropout_rate": {"dropout": ("alpha", "standard")},
    "residual_scale": {"residual": (True,)},
}
SLIDERS = ("depth", "width", "channels", "batch", "seeds")  # also typed, to the last unit
EXACT = ".exact"


def declared() -> dict[str, Field[Any]]:
    """Returns every setting that the spec declares, in its order."""
    owners = (NetworkSpec, Experiment)
    return {f.name: f for owner in owners for f in fields(owner) if f.metadata}


def used(name: str, draft: Mapping[str, Any]) -> bool:
    """Returns whether the setting, or the part whose parameter it is, says anything here."""
    name = name.partition(".")[0]

    def current(other: str) -> state.Value | None:
        return draft.get(other, state.default(other))

    return all(current(other) in allowed for other, allowed in NEEDS.get(name, {}).items())


def rail() -> None:
    """Draws the controls of every setting in use, in the order a person thinks in."""
    known, draft = declared(), st.session_state["draft"]
    grouped = {name for names in GROUPS.values() for name in names}
    with st.container(horizontal=True, key="actions"):
        st.button(
            "New weights",
            on_click=state.new_weights,
            key="new_weights",
            help="Draws other weights and another batch: the next seed.",
        )
        st.button(
            "Reset",
            on_click=state.reset,
            key="reset",
            type="tertiary",
            help="Every setting back to its default.",
        )
    for title, names in GROUPS.items():
        st.subheader(title, anchor=False)
        for name in (n for n in names if used(n, draft)):
            _control(known[name])
    with st.expander("More", key="more"):
        for name in (n for n in known if n not in grouped and used(n, draft)):
            _control(known[name])


def _control(setting: Field[Any]) -> None:
    """Draws one setting by what it declares, and its part's parameters and notes under it."""
    meta = setting.metadata
    if setting.name == "device" and not _has_gpu() and state.value("device") == "cpu":
        return
    if meta["options"] is not None:
        _choice(setting)
    elif isinstance(setting.default, bool):
        _widget(st.toggle, setting.name, meta["label"], help=meta["help"])
    elif setting.name in SLIDERS:
        _slider(setting)
    else:
        step = meta["step"] if isinstance(setting.default, int) else None
        _number(setting.name, meta["label"], meta["low"], meta["high"], meta["help"], step)


def _widget(
    make: Callable[..., object], name: str, label: str, twin: str = "", **options: object
) -> None:
    """Draws a widget that is a view of the draft: it shows its value and writes it back.

    A number field also takes its value as Streamlit's default, to which an emptied one returns.
    Two widgets of one setting have a different ``twin`` each. A change of one draws the other
    afresh, under a new key: in its next message the browser may still report the other's old
    value, and that must not count as a change.
    """
    drawn = st.session_state.setdefault("drawn", {}).get(name + twin, 0)
    key = f"set.{name}{twin}" + (f".{drawn}" if drawn else "")
    current = state.value(name)
    if st.session_state.get(key, _MISSING) != current:
        st.session_state[key] = current
    make(label, key=key, on_change=_changed, args=(name, key, twin), **options)


_MISSING = object()


def _changed(name: str, key: str, twin: str) -> None:
    new = st.session_state[key]
    if name in SLIDERS:
        other = name if twin else name + EXACT
        drawn = st.session_state["drawn"]
        st.session_state["drawn"] = drawn | {other: drawn.get(other, 0) + 1}
    state.change(name, new)


def _choice(setting: Field[Any]) -> None:
    name, meta = setting.name, setting.metadata
    options = meta["options"]
    table = options if isinstance(options, Mapping) else {}
    options = [o for o in options if o == state.value(name) or _fits(table.get(o))]

    def label(option: str) -> str:
        return getattr(table.get(option), "label", "") or words.OPTIONS.get(option, option)

    chosen = table.get(state.value(name))
    citation = getattr(chosen, "citation", "")
    about = f"{meta['help']}\n\n{label(chosen.name)}: {citation}" if citation else meta["help"]
    _widget(st.selectbox, name, meta["label"], options=options, format_func=label, help=about)
    for text in (getattr(chosen, "note", ""), getattr(chosen, "description", "")):
        if text:
            st.caption(text)
    parameters = getattr(chosen, "parameters", ())
    if parameters:
        with st.container(horizontal=True, gap="small", key=f"parameters.{name}"):
            for parameter in parameters:
                _parameter(name, parameter)


def _fits(entry: object) -> bool:
    """Returns whether a table's entry is for the kind of network that is set up."""
    kind = state.value("kind")
    return kind in getattr(entry, "kinds", (kind,))


def _parameter(part: str, p: Parameter) -> None:
    name = f"{part}.{p.name}"
    st.session_state["draft"].setdefault(name, p.default)
    _number(name, p.label or p.name, p.low, p.high, p.help, None)


def _slider(setting: Field[Any]) -> None:
    """A slider over round numbers on a logarithmic scale, and beside it the exact number."""
    name, meta = setting.name, setting.metadata
    low, high = meta["low"], meta["high"]
    stops = sorted({*round_numbers(low, high), state.value(name)})
    about = f"{meta['help']} {low} to {high}: the slider goes through round numbers, the field "
    about += "beside it takes any."
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small"):
        _widget(st.select_slider, name, meta["label"], options=stops, help=about)
        _widget(
            st.number_input, name, f"{meta['label']}, exactly", EXACT, value=state.value(name),
            min_value=low, max_value=high, step=1,
            label_visibility="collapsed", width=92,
        )  # fmt: skip


def _number(name: str, label: str, low: float, high: float, help: str, whole: int | None) -> None:
    """Draws a number field; ``whole`` is the step of whole numbers, None for any number."""
    kind = int if whole else float
    step = whole or _step(low, high, state.value(name))
    _widget(
        st.number_input, name, label, value=kind(state.value(name)), help=help or None,
        step=kind(step),
        min_value=kind(low), max_value=kind(high), format=None if whole else "%.6g",
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


def _has_gpu() -> bool:
    import torch  # late: the frame must not wait for it

    return torch.cuda.is_available()
