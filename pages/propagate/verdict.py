"""The verdict on a propagation: a sentence, the reason, and what would repair it in one click."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.propagate import text, training
from pages.ui import notices, page_settings, results, session
from pages.ui.page_link import MAP, TRAIN, page_link
from pages.ui.panels import median
from pages.ui.text import plain
from snn_core.diagnosis import Diagnosis, diagnose, repaired
from snn_core.propagate import Propagation
from snn_core.settings import Experiment, to_query

__all__ = ["diagnosis_of", "draw", "short"]

# Kinds that are red; the words say the same, so that colour is never alone.
WORST = ("vanishes", "explodes", "dies", "overflows", "forgets")


def diagnosis_of(p: Propagation) -> Diagnosis:
    """Returns the verdict; it is kept, since it is asked for again and again."""
    key = ("diagnosis", p.experiment, p.gradient_variance is None)
    return results.kept(key, lambda: diagnose(p))


def short(found: Diagnosis) -> str:
    """Returns the kind and the headline, for a table."""
    return f"{found.title}: {found.headline}"


def draw(p: Propagation) -> None:
    """Draws the card, with a button for every repair that is known."""
    found = diagnosis_of(p)
    numbers = " ".join(part for part in (found.reason, *found.sentences) if part)
    colour = "green" if found.is_fine else "red" if found.kind in WORST else "orange"
    with st.container(border=True, key="verdict"):
        label = plain(found.title)
        notices.explained(
            f":{colour}-badge[{label}] **{plain(found.headline)}**",
            plain(numbers),
            text.moments(p),
            " ".join(text.reasons(p)),
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for index, repair in enumerate(found.repairs):
                st.button(
                    repair.label,
                    key=f"repair.{index}",
                    help=repair.why,
                    type="primary" if index == 0 else "secondary",
                    on_click=session.open_setting,
                    args=(repaired(p.experiment, repair),),
                )
            page_link(
                MAP,
                "See it in the moment map",
                _to_map(p),
                "Opens the map of one layer with this activation, and with the weights' sums and "
                "the input's moments of these networks.",
            )
            _train(p.experiment, found)


def _train(experiment: Experiment, found: Diagnosis) -> None:
    """Draws the link to Train, with the first repair beside the network as it is set."""
    query, said = training.link(experiment, found.repairs)
    if not query:
        st.caption(plain(said))
        return
    beside = f", arm B after this repair: {found.repairs[0].label}" if "arms" in query else ""
    opens = f"Opens Train with this network as arm A{beside}. {said}"
    page_link(TRAIN, "Train this network", query, opens.strip())


def _to_map(p: Propagation) -> dict[str, str]:
    """The link of the moment map with what was measured: the weights' sums, the input."""
    looked = {
        "omega": p.omega.ravel(),
        "tau": p.tau.ravel(),
        "mean": p.mean[:, 0],
        "variance": p.variance[:, 0],
    }
    query = to_query(p.experiment)
    for name, values in looked.items():
        low, high, _ = page_settings.MAP.numbers[name]
        value = float(median(values))
        if np.isfinite(value):
            query[f"view.{name}"] = f"{min(max(value, low), high):.3g}"
    return query
