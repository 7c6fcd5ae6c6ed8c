"""Proofs at a click: the paper's theorems, one more, and any claim on the person's own box."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import controls, notices, results, session, views
from pages.ui.text import plain
from snn_core.activations import Activation
from snn_core.export import certificate_json
from snn_core.theory.certificates import (
    CLAIMS,
    ENTRY,
    THEOREM_1,
    THEOREM_2,
    THEOREM_3,
    Certificate,
    Domain,
    certify,
    entry_theorem,
    sharp_contraction,
    sharp_image,
    theorem_1,
    theorem_2,
    theorem_3,
)

__all__ = ["domain_of", "draw", "looked_at", "own_box"]

PATIENCE = 0.3  # seconds without a sign of life
SECONDS = 20.0  # that a proof may take
BOXES = 200_000
ABOUT = (
    "Each proof is made now, and is about the **Gaussian moment map** above, not about a network.",
    "The map takes pre-activations to be Gaussian, and all inputs to have the same mean and "
    "variance. The proof computes in intervals that certainly hold the true numbers, and splits "
    "the domain into boxes until the claim is certain on each.",
)
CLAIM_WORDS = {
    "contracts_into_itself": "maps the box into itself and contracts it (as theorem 1)",
    "into_itself": "maps the box into itself",
    "contracts": "brings any two points of the box closer together",
    "variance_falls": "lowers every variance (as theorem 2)",
    "variance_grows": "raises every variance (as theorem 3)",
}


@dataclass(frozen=True)
class Card:
    """A theorem about SELU: title, what it says in words and in symbols, where, and its proof."""

    title: str
    says: str
    symbols: str
    domains: tuple[Domain, ...]
    prove: Callable[..., Certificate]


CARDS = {
    "theorem_1": Card(
        "Theorem 1: a fixed point that attracts",
        "One layer's map takes a domain around mean 0 and variance 1 into itself and brings any "
        "two points of it closer together. Repeated, it therefore leads to one point.",
        "μ, ω ∈ [−0.1, 0.1], ν ∈ [0.8, 1.5], τ ∈ [0.95, 1.1]: g maps the (μ, ν) of this domain "
        "into it, and its Jacobian's largest singular value is below 1",
        (THEOREM_1,),
        theorem_1,
    ),
    "theorem_2": Card(
        "Theorem 2: a large variance falls",
        "A variance between 3 and 16 is smaller after one layer of the map: it does not explode.",
        "μ ∈ [−1, 1], ω ∈ [−0.1, 0.1], ν ∈ [3, 16], τ ∈ [0.8, 1.25]: ν̃ < ν",
        (THEOREM_2,),
        theorem_2,
    ),
    "theorem_3": Card(
        "Theorem 3: a small variance grows",
        "A variance between 0.02 and 0.16 (0.24 if τ is at least 0.9) is larger after one layer "
        "of the map: it does not vanish.",
        "μ, ω ∈ [−0.1, 0.1]; ν ∈ [0.02, 0.16], τ ∈ [0.8, 1.25] or ν ∈ [0.02, 0.24], "
        "τ ∈ [0.9, 1.25]: ν̃ > ν",
        THEOREM_3,
        theorem_3,
    ),
    "entry": Card(
        "Entry theorem: from far away too",
        "From every start within these bounds the map reaches theorem 1's domain, even if ω and τ "
        "change from layer to layer. This closes the gap between theorems 1, 2 and 3; it is not "
        "in the paper.",
        "μ ∈ [−1, 1], ν ∈ [0.02, 16]; in every layer any ω ∈ [−0.1, 0.1], τ ∈ [0.95, 1.1]",
        (ENTRY,),
        entry_theorem,
    ),
}
SIDES = ("mean", "variance", "omega", "tau")
SYMBOL = {"mean": "μ", "variance": "ν", "omega": "ω", "tau": "τ"}


def draw(act: Activation) -> None:
    """Draws the cards of the theorems, and what can be asked of the present activation."""
    notices.explained(*ABOUT)
    wanted = st.session_state.pop("prove", None)  # any other click ends a proof
    for name, card in CARDS.items():
        with st.container(border=True, key=f"card_{name}"):
            st.markdown(f"**{card.title}** (SELU)  \n{card.says}")
            st.caption(card.symbols)
            with st.container(horizontal=True):
                _button(name, "Prove it")
                _show_button(name)
            _result(name, wanted, card.prove)
            if name == "theorem_1" and name in st.session_state["proofs"]:
                st.markdown(results.kept(("sharp", name), _sharp))
    with st.container(border=True, key="card_own"):
        st.markdown(f"**Your own box, for {plain(act.label)}**")
        chosen = views.choose(
            "claim", "Claim: one layer", list(CLAIMS),
            "For every point of the box. Drag on the plane above to draw it.",
            lambda claim: CLAIM_WORDS[claim], width=420,
        )  # fmt: skip
        _sides()
        box = {side: _range(side) for side in SIDES}
        _button("own", "Prove it for this box")
        named = f"own {act.name} {act.values} {chosen} {box}"
        if wanted == "own":
            wanted = named
        _result(named, wanted, lambda **budget: certify(act, **box, claim=chosen, **budget))


def _sharp() -> str:
    """Returns how much sharper than theorem 1 the truth is, with bounds that are proved."""
    image, stretch = sharp_image("selu"), sharp_contraction("selu")
    assert image is not None and stretch is not None
    down, up = (lambda x: math.floor(x * 1e6) / 1e6), (lambda x: math.ceil(x * 1e6) / 1e6)
    said = (
        "Sharper, and proved too: from this domain the next mean is in "
        f"[{down(image.mean_low.low):.6f}, {up(image.mean_high.high):.6f}], the next variance in "
        f"[{down(image.variance_low.low):.6f}, {up(image.variance_high.high):.6f}], and no "
        f"singular value is above {up(stretch.high):.6f}. (The paper prints −0.03106 as the least "
        "mean of a fixed point; the map itself goes lower by 5×10⁻⁷.)"
    )
    return said.replace("[-", "[−")


def _sides() -> None:
    for pair in (SIDES[:2], SIDES[2:]):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            for side in pair:
                for end in ("low", "high"):
                    label = f"{side} {SYMBOL[side]}, {'from' if end == 'low' else 'to'}"
                    with st.container(width=150):
                        controls.view_number(f"{side}_{end}", label)


def _range(side: str) -> tuple[float, float]:
    return session.number(f"{side}_low"), session.number(f"{side}_high")


def own_box() -> tuple[tuple[float, float], tuple[float, float]]:
    """Returns the box of means and variances that the page asks about."""
    return _range("mean"), _range("variance")


def domain_of(name: str) -> tuple[str, list[tuple[tuple[float, float], tuple[float, float]]]]:
    """Returns the legend of a theorem's domain, the first's for no name, and its boxes."""
    name = name if name in CARDS else next(iter(CARDS))
    boxes = [(each.mean, each.variance) for each in CARDS[name].domains]
    return f"{CARDS[name].title.partition(':')[0].lower()}'s domain", boxes


def looked_at() -> str:
    """Returns the name of the theorem whose domain is drawn."""
    return session.view("domain", list(CARDS))


def _show_button(name: str) -> None:
    key, shown = f"show.{name}", looked_at() == name
    st.button(
        "Shown above" if shown else "Show on the plane",
        key=key,
        on_click=_show,
        args=(name,),
        type="tertiary",
        disabled=shown,
        help="Draws the theorem's domain of mean and variance on the plane.",
    )


def _show(name: str) -> None:
    session.touch()
    st.session_state[session.key("view.domain")] = name


def _button(name: str, label: str) -> None:
    key = f"prove.{name}"
    st.button(label, key=key, on_click=_ask, args=(name,), type="primary")


def _ask(name: str) -> None:
    st.session_state["prove"] = name
    _show(name)


def _result(name: str, wanted: str | None, prove: Callable[..., Certificate]) -> None:
    """Draws the result that is known of a claim; makes it first where it is wanted."""
    known: dict[str, Certificate] = st.session_state.setdefault("proofs", {})
    if name == wanted:
        try:
            known[name] = _made(prove)
        except ValueError as error:
            st.error(plain(str(error)))
            return
        for old in list(known)[: -2 * len(CARDS)]:
            del known[old]
    if name in known:
        _say(name, known[name])


def _made(prove: Callable[..., Certificate]) -> Certificate:
    """Makes the proof; shows how far it is, and a button to stop it, where it takes longer."""
    place = st.empty()
    shown: list[DeltaGenerator] = []

    def show(done: float, text: str) -> None:
        if not shown:
            row = place.container(horizontal=True, vertical_alignment="center")
            shown.append(row.progress(0.0, text))
            row.button("Stop", key="stop_proof", on_click=session.touch)
        shown[0].progress(min(done, 1.0), text)  # an interruption ends the proof here

    with results.turn(_lane(), show):
        begun = time.monotonic()

        def tell(boxes: int) -> None:
            spent = time.monotonic() - begun
            if spent > PATIENCE:
                text = f"{boxes:,} boxes so far; gives up after {SECONDS:g} s"
                show(spent / SECONDS, text)

        found = prove(boxes=BOXES, seconds=SECONDS, tell=tell)
    place.empty()
    return found


@st.cache_resource(show_spinner=False)
def _lane() -> threading.Semaphore:
    """One proof at a time in the whole process: it holds the interpreter, so two would only take
    longer and give up earlier."""
    return threading.Semaphore(1)


def _say(name: str, found: Certificate) -> None:
    colour, verdict = {
        True: ("green", "proved"),
        False: ("red", "refuted"),
        None: ("orange", "not decided"),
    }[found.holds]
    parts = [f":{colour}-badge[{verdict}] {plain(found.claim)}", plain(found.reason)]
    parts.append(f"{found.boxes:,} boxes, {_seconds(found.seconds)}.")
    st.markdown(" ".join(parts))
    st.download_button(
        "Certificate (JSON)",
        lambda: certificate_json(found),
        f"certificate_{name.split()[0]}.json",
        "application/json",
        key=f"get.{name}",
        on_click="ignore",
        help="Domain, boxes and bounds, for a program of your own to check.",
    )


def _seconds(spent: float) -> str:
    """Two digits, in the unit that fits."""
    if spent < 0.9995:
        return f"{1000 * spent:.{0 if spent >= 0.01 else 1}f} ms"
    return f"{spent:.{max(0, 1 - math.floor(math.log10(spent)))}f} s"
