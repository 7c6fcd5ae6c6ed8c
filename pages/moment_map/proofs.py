"""Proofs on request: the paper's theorems, one more, and claims about the visitor's own box."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from pages.ui import notices, results, session, slider, views
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

__all__ = ["Box", "domain_of", "draw", "shown_theorem"]

Box = tuple[tuple[float, float], tuple[float, float]]  # of means, of variances
SECONDS = 20.0  # that a proof may take
BOXES = 200_000
ABOUT = (
    "Each proof is computed on request, and is about the **Gaussian moment map** above, not about "
    "a network.",
    "The map takes pre-activations to be Gaussian, and all inputs to have the same mean and "
    "variance. The proof computes with intervals that contain the exact values, and splits the "
    "domain into boxes until the claim is certain on each.",
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
VERDICTS = {
    True: ("green", "proved"),
    False: ("red", "refuted"),
    None: ("orange", "not decided"),
}
SYMBOL = {"mean": "μ", "variance": "ν", "omega": "ω", "tau": "τ"}  # of a box's sides


def draw(act: Activation) -> None:
    """Draws the theorems' cards, and the form for a claim about the current activation."""
    notices.explained(*ABOUT)
    wanted = st.session_state.pop("prove", None)  # any other click ends a proof
    for name, card in CARDS.items():
        with st.container(border=True, key=f"card_{name}"):
            st.markdown(f"**{card.title}** (SELU)  \n{card.says}")
            st.caption(card.symbols)
            with st.container(horizontal=True):
                _prove_button(name, "Prove it")
                shown = shown_theorem() == name
                st.button(
                    "Shown above" if shown else "Show on the plane",
                    key=f"show.{name}",
                    on_click=_show,
                    args=(name,),
                    type="tertiary",
                    disabled=shown,
                    help="Draws the theorem's domain of mean and variance on the plane.",
                )
            found = _result(name, wanted == name, card.prove)
            if name == "theorem_1" and found is not None:
                st.markdown(results.kept(("sharp", name), _sharp))
    with st.container(border=True, key="card_own"):
        st.markdown(f"**Your own box, for {plain(act.label)}**")
        claim = views.choose(
            "claim", "Claim: one layer", list(CLAIMS),
            "For every point of the box. Drag on the plane above to draw it.",
            CLAIM_WORDS.__getitem__, width=420,
        )  # fmt: skip
        box = _sides()
        _prove_button("own", "Prove it for this box")
        name = f"own {act.name} {act.values} {claim} {box}"
        _result(name, wanted == "own", partial(certify, act, **box, claim=claim))


def domain_of(name: str) -> tuple[str, list[Box]]:
    """Returns a theorem's name in the legend and its boxes; of the first for an unknown name."""
    name = name if name in CARDS else next(iter(CARDS))
    boxes = [(each.mean, each.variance) for each in CARDS[name].domains]
    return f"{CARDS[name].title.partition(':')[0].lower()}'s domain", boxes


def shown_theorem() -> str:
    """Returns the name of the theorem whose domain is drawn."""
    return session.view("domain", list(CARDS))


def _show(name: str) -> None:
    session.touch()
    st.session_state[session.key("view.domain")] = name


def _prove_button(name: str, label: str) -> None:
    st.button(label, key=f"prove.{name}", on_click=_ask, args=(name,), type="primary")


def _ask(name: str) -> None:
    st.session_state["prove"] = name
    _show(name)


def _sides() -> dict[str, tuple[float, float]]:
    """Draws the box's ends, two sides in a row; returns them."""
    found = {}
    for pair in (("mean", "variance"), ("omega", "tau")):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            for side in pair:
                for end, word in (("low", "from"), ("high", "to")):
                    with st.container(width=150):
                        label = f"{side} {SYMBOL[side]}, {word}"
                        slider.view(f"{side}_{end}", label)
                found[side] = (session.number(f"{side}_low"), session.number(f"{side}_high"))
    return found


def _result(name: str, wanted: bool, prove: Callable[..., Certificate]) -> Certificate | None:
    """Draws and returns the result for a claim, if there is one; proves it first if wanted."""
    known: dict[str, Certificate] = st.session_state.setdefault("proofs", {})
    if wanted:
        with notices.guarded():
            known[name] = _made(prove)
        for old in list(known)[: -2 * len(CARDS)]:
            del known[old]
    if name in known:
        _say(name, known[name])
    return known.get(name)


def _made(prove: Callable[..., Certificate]) -> Certificate:
    """Runs the proof; if it takes longer, with its progress and a button that stops it."""
    place = st.empty()
    with results.sign_of_life(place, "proof", session.touch) as show, results.turn(_lane(), show):
        begun = time.monotonic()

        def tell(boxes: int) -> None:  # an interruption ends the proof here
            text = f"{boxes:,} boxes so far; gives up after {SECONDS:g} s"
            show((time.monotonic() - begun) / SECONDS, text)

        return prove(boxes=BOXES, seconds=SECONDS, tell=tell)


@st.cache_resource(show_spinner=False)
def _lane() -> threading.Semaphore:
    """One proof at a time in the whole process: it holds the interpreter, so two would only take
    longer and give up earlier."""
    return threading.Semaphore(1)


def _say(name: str, found: Certificate) -> None:
    colour, verdict = VERDICTS[found.holds]
    st.markdown(
        f":{colour}-badge[{verdict}] {plain(found.claim)} {plain(found.reason)} "
        f"{found.boxes:,} boxes, {_seconds(found.seconds)}."
    )
    st.download_button(
        "Certificate (JSON)",
        lambda: certificate_json(found),
        f"certificate_{name.split()[0]}.json",
        "application/json",
        key=f"get.{name}",
        on_click="ignore",
        help="Domain, boxes and bounds, to check with a program of your own.",
    )


def _seconds(spent: float) -> str:
    """A duration with two digits, in a suitable unit."""
    if spent < 0.9995:
        return f"{1000 * spent:.{0 if spent >= 0.01 else 1}f} ms"
    return f"{spent:.{max(0, 1 - math.floor(math.log10(spent)))}f} s"


def _sharp() -> str:
    """Returns bounds that are sharper than theorem 1's, and proved, as a sentence."""
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
