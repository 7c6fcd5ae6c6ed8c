"""The rails of controls: where a setting stands is a page's table of groups.

A setting in none of them is shown under "More".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st

from pages.ui import session, views
from pages.ui.drawer import drawer
from pages.ui.page_settings import ARM, DECLARED
from pages.ui.setting import control, is_used
from snn_core.settings import SHARED, TrainingSpec

__all__ = [
    "GROUPS",
    "PROPAGATION",
    "TRAINED",
    "TRAINING",
    "actions",
    "arm_rail",
    "new_weights",
    "rail",
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
_OF_PROPAGATION = ("batch", "standardize", "features", "image_size", "image_channels")
PROPAGATION = [name for name in DECLARED if name not in vars(TrainingSpec())]
TRAINED = [name for name in DECLARED if name not in _OF_PROPAGATION]


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
        most, seeds = int(DECLARED["seeds"].metadata["high"]), int(session.value("seeds") or 1)
        st.button(
            "More seeds",
            on_click=session.change,
            args=("seeds", min(2 * seeds, most)),
            key="more_seeds",
            disabled=seeds >= most,
            help=f"Twice as many networks: {min(2 * seeds, most)} instead of {seeds}.",
        )
    _groups(GROUPS, PROPAGATION)


def new_weights() -> None:
    """Moves to the next seed: the same setting, other weights and other input."""
    session.change("seed", (int(session.value("seed") or 0) + 1) % 2**31)


def arm_rail() -> None:
    """Draws the controls of a training: what the arms share, and the arm that is looked at."""
    actions("Reset settings")
    _arms()
    _groups(TRAINING, [name for name in TRAINED if name not in ARM])


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


def _groups(groups: Mapping[str, tuple[str, ...]], known: Iterable[str]) -> None:
    grouped = {name for names in groups.values() for name in names}
    for title, names in groups.items():
        st.header(title, anchor=False)
        _shared(names)
    more = views.fold("more", "More")
    if more.open:
        with more:
            _shared(name for name in known if name not in grouped)


def _shared(names: Iterable[str]) -> None:
    """Draws shared settings, each where it says something for at least one arm, and says which
    arms have their own value."""
    for name in names:
        if not (is_used(name) or any(is_used(f"{x}.{name}") for x in session.letters())):
            continue
        control(name)
        own = [x.upper() for x in session.letters() if session.own(f"{x}.{name}")]
        if own:
            st.caption(f"Arm {own[0]} has its own." if len(own) == 1 else
                       f"Arms {', '.join(own)} have their own.")  # fmt: skip


def _arms() -> None:
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
    for name in (n for n in ARM if is_used(f"{chosen}.{n}")):
        control(f"{chosen}.{name}")
    more = views.fold("more_arm", "More of this arm: depth, rate ...")
    if more.open:
        with more:
            _own_settings(chosen)


def _own_settings(letter: str) -> None:
    """Draws the settings that an arm does not share with the others, and how it gets one."""
    others = [n for n in TRAINED if n not in ARM and n not in SHARED and is_used(f"{letter}.{n}")]
    own = [n for n in others if session.own(f"{letter}.{n}")]
    st.selectbox(
        f"Give arm {letter.upper()} its own",
        [n for n in others if n not in own],
        index=None,
        key=f"give.{letter}.{len(own)}",
        format_func=lambda name: DECLARED[name].metadata["label"],
        placeholder="setting",
        on_change=_give,
        args=(letter, f"give.{letter}.{len(own)}"),
        help="All other settings are shared by all arms.",
    )
    for name in own:
        control(f"{letter}.{name}")
        st.button("As all arms", key=f"share.{letter}.{name}", type="tertiary",
                  on_click=session.share, args=(f"{letter}.{name}",))  # fmt: skip


def _give(letter: str, key: str) -> None:
    """Gives an arm its own value of a setting, at first the shared one."""
    name = st.session_state[key]
    if name is not None:
        current = session.value(f"{letter}.{name}")
        if current is not None:
            session.change(f"{letter}.{name}", current)
