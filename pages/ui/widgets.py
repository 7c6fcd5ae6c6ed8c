"""The rail of controls, made from the spec: a new setting gets its widget, bounds and help.

Where a setting stands is a page's table of groups, when it is shown the table NEEDS; a setting in
neither is shown under "More". A key that begins with an arm's letter is that arm's own setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

import streamlit as st

from pages.ui import desks, formula, state, views
from pages.ui.clicks import once
from pages.ui.fields import Number, number_field, slider, take, together, view_slider, widget
from pages.ui.text import option_name
from snn_core.activations import formula as parsed
from snn_core.activations import is_formula
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS, is_labelled
from snn_core.normalizations import NORMALIZATIONS
from snn_core.spec import SHARED, Experiment, NetworkSpec, TrainingSpec, arm_of
from snn_core.tables import Parameter

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
_OF_PROPAGATION = ("batch", "standardize", "features", "image_size", "image_channels")


def declared(*owners: type) -> dict[str, Field[Any]]:
    """Returns every setting that the owners declare, in their order."""
    owners = owners or (NetworkSpec, Experiment)
    return {f.name: f for owner in owners for f in fields(owner) if f.metadata}


def used(name: str, draft: Mapping[str, Any]) -> bool:
    """Returns whether the setting, or the part whose parameter it is, says anything here."""
    name = name.partition(".")[0]

    def current(other: str) -> desks.Value | None:
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
        _reset()
        _undo()  # after it: a second click in the same place must not take the first one back
    with together():
        _groups(GROUPS, declared())


def arm_rail() -> None:
    """Draws the controls of a training: what the arms share, and the arm that is looked at."""
    _reset()
    known = declared(NetworkSpec, Experiment, TrainingSpec)
    for name in _OF_PROPAGATION:
        del known[name]
    with together():
        _arms(known)
        _groups(TRAINING, {n: f for n, f in known.items() if n not in ARM})


def map_rail() -> None:
    """Draws the controls of the moment map: the activation, and numbers that are looked at."""
    with st.container(horizontal=True, key="actions"):
        _reset()
        _undo()  # after it: a second click in the same place must not take the first one back
    with together():
        _map_fields(declared())


def _map_fields(known: Mapping[str, Field[Any]]) -> None:
    st.header("Activation", anchor=False)
    _control(known["activation"], "activation")
    st.header("Weights of a unit", anchor=False)
    for name in ("omega", "tau"):
        view_slider(name)
    st.header("Inputs", anchor=False)
    for name in ("mean", "variance"):
        view_slider(name)
    more = views.fold("more", "The measured network")
    if more.open:
        with more:
            for name in ("depth", "width", "initializer", "constraint", "batch", "seeds"):
                _control(known[name], name)


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
        "Reset settings" if state.desk() == desks.TRAIN else "Reset",
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
    more = views.fold("more", "More")
    if more.open:
        with more:
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
    more = views.fold("more_arm", "More of this arm: depth, rate ...")
    if more.open:
        with more:
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
        widget(st.toggle, key, meta["label"], value=state.value(key), help=meta["help"])
    else:
        step = meta["step"] if isinstance(setting.default, int) else None
        field = Number(key, meta["label"], meta["low"], meta["high"], meta["help"], step)
        if setting.name in SLIDERS:
            slider(field, setting.default)
        else:
            number_field(field)


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
        options.append(formula.option(current))

    def label(option: str) -> str:
        return formula.OPTION if is_formula(option) else option_name(setting.name, option)

    chosen = parsed(current) if own else table.get(current)
    citation = getattr(chosen, "citation", "")
    about = f"{meta['help']}\n\n{label(chosen.name)}: {citation}" if citation else meta["help"]
    widget(
        st.selectbox, name, meta["label"], options=options, format_func=label, help=about,
        index=options.index(current),
    )  # fmt: skip
    if own:
        formula.draw(name, take)
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


def _parameter(part: str, p: Parameter) -> None:
    name = f"{part}.{p.name}"
    state.settle(name, p.default)
    slider(Number(name, p.label or p.name, p.low, p.high, p.help, None), p.default)


def _has_gpu() -> bool:
    import torch  # late: the frame must not wait for it

    return torch.cuda.is_available()
