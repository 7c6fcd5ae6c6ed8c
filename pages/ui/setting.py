"""One setting's control, made from the spec: a new setting gets its widget, bounds and help.

When it is shown says the table NEEDS. A key that begins with an arm's letter is that arm's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

import streamlit as st

from pages.ui import formula, session, slider
from pages.ui.page_settings import DECLARED, Value
from pages.ui.slider import Number
from pages.ui.text import option_name
from snn_core.activations import formula as parsed
from snn_core.activations import is_formula
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS, is_labelled
from snn_core.normalizations import NORMALIZATIONS
from snn_core.settings import USUAL_RATES, arm_of

__all__ = ["NEEDS", "SLIDERS", "control", "is_used", "used"]

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


def used(name: str, said: Mapping[str, Any]) -> bool:
    """Returns whether the setting, or the part whose parameter it is, says anything here."""
    needs = NEEDS.get(name.partition(".")[0], {})
    return all(said.get(other, session.default(other)) in needs[other] for other in needs)


def is_used(key: str) -> bool:
    """Returns whether the session's others let it say anything; for an arm's own, its arm's."""
    _, name = arm_of(key)
    arm, needs = key.removesuffix(name), NEEDS.get(name, {})
    return all(session.value(arm + other) in needs[other] for other in needs)


def control(name: str) -> None:
    """Draws one setting by what it declares, and its part's parameters and notes under it."""
    setting = DECLARED[arm_of(name)[1]]
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
        number = Number(name, meta["label"], meta["low"], meta["high"], meta["help"], step, usual)
        slider.draw(number, _take)


def _key(name: str) -> str:
    """Returns the key of the widget that holds a setting; where none did, it has its value now."""
    key = session.key(name)
    if key not in st.session_state:
        st.session_state[key] = session.value(name)
    session.showing(name)
    return key


def _chosen(name: str) -> None:
    """A widget has another value, which is the setting; what goes with it follows.

    A browser may still report a widget that has left the page; of that the session knows nothing.
    """
    session.touch()  # else it would take the browser's address, a message behind, for a new link
    if session.is_unshown(name):
        session.restore()
    elif session.is_echo(name):
        session.put_back(name)
    elif session.own(name):
        _take(name, st.session_state[session.key(name)])
        session.chosen(name)


def _take(name: str, new: Value) -> None:
    _, own = arm_of(name)
    session.change(name, new)
    if own == "optimizer":  # a rate that suits one rule is far off for another
        session.change(name.removesuffix(own) + "learning_rate", USUAL_RATES[str(new)])


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
    for p in getattr(chosen, "parameters", ()):
        about = (p.label or p.name, p.low, p.high, p.help, None, p.default)
        slider.draw(Number(f"{name}.{p.name}", *about), _take)


def _options(setting: Field[Any], name: str, current: str) -> list[str]:
    """Returns what can be chosen here, for this kind of network; the present one always."""
    options = setting.metadata["options"]
    table = options if isinstance(options, Mapping) else {}
    usable = ONLY.get(session.page().name, {}).get(setting.name, tuple(options))
    kind = session.value(name.removesuffix(setting.name) + "kind")

    def fits(option: str) -> bool:
        return option in usable and kind in getattr(table.get(option), "kinds", (kind,))

    found = [option for option in options if option == current or fits(option)]
    return [*found, formula.option(current)] if setting.metadata["own"] else found


def _has_gpu() -> bool:
    import torch  # late: the frame must not wait for it

    return torch.cuda.is_available()
