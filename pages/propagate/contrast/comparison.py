"""What is drawn of two networks side by side, and the sentence that says how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pages.ui.panels import median
from pages.ui.text import option_name
from snn_core.propagate import QUANTILES, Propagation
from snn_core.theory.certificates import THEOREM_1
from snn_core.thinning import evenly
from snn_core.wording import brief

__all__ = ["compared"]

BINS = 27  # odd, so that 0 is in the middle of a bin: half of a ReLU's activations are 0
UNITS = 5  # drawn of each layer
LEGEND = (
    "Each disc is a unit, {drawn} of {width}, as wide as its activation varies over the batch; "
    "below, the histogram of the layer's activations, 0 in the middle, the highest bars cut."
)
FAR = 10.0  # the variance's factor from which a network loses its signal, or blows it up


def compared(left: Propagation, right: Propagation) -> dict[str, Any]:
    """Returns the data of the drawing; both results are of one depth and have their detail.

    ``words`` are the pieces of one sentence, each ``(text, index of its network or None)``;
    ``legend`` says what is drawn.
    ``networks`` holds for both a ``label``, an ``alt`` text and, input first, a reading of every
    layer with ``variance``, ``mean`` and ``theory`` as texts; ``spread``, the standard deviation
    of `UNITS` units over the batch of the first seed; and ``bars``, the histogram over all seeds
    with 0 in its middle. The bars of both have the same bins, as wide as the values of both need,
    and one scale: 1 is the highest bar of the left network, and what is higher is cut.
    """
    both = (left, right)
    edges = _common_edges(both)
    shares = [_histograms(p, edges) for p in both]
    highest = float(shares[0].max()) or 1.0
    return {
        "words": _sentence(left, right),
        "legend": LEGEND.format(drawn=UNITS, width=left.experiment.network.width),
        "networks": [
            {
                "label": _name(p),
                "alt": _alternative(p),
                "layers": _readings(p),
                "spread": _spread(p),
                "bars": np.minimum(each / highest, 1.0).round(3).tolist(),
            }
            for p, each in zip(both, shares, strict=True)
        ],
    }


def _name(p: Propagation) -> str:
    return option_name("activation", p.experiment.network.activation)


def _sentence(left: Propagation, right: Propagation) -> list[tuple[str, int | None]]:
    one, other = (_outcome(p).partition(": ") for p in (left, right))
    # as far as the means of omega and tau in every layer of every seed tell
    same = np.array_equal(left.omega, right.omega) and np.array_equal(left.tau, right.tau)
    return [
        (f"{_name(left)} {one[0]}", 0),
        (f": {one[2]}; ", None),
        (_name(right), 1),
        (" with the very same weights " if same else " beside it ", None),
        (other[0], 1),
        (f": {other[2]}.", None),
    ]


def _outcome(p: Propagation) -> str:
    """Returns what becomes of the signal, then after a colon the numbers that say so."""
    mean, variance = median(p.mean)[1:], median(p.variance)
    first, last = variance[0], variance[-1]
    (left, right), (low, high) = THEOREM_1.mean, THEOREM_1.variance  # what is near (0, 1)
    inside = (mean >= left) & (mean <= right) & (variance[1:] >= low) & (variance[1:] <= high)
    ends = f"{brief(first)} to {brief(last)}"
    if inside.all():
        return (
            f"keeps its signal: mean {_range(mean)}, variance {_range(variance[1:])} "
            f"in all {len(mean)} layers"
        )
    if last * FAR < first:
        return f"loses its signal layer by layer: the variance falls from {ends}"
    if last > FAR * first or not np.isfinite(last):
        return f"blows its signal up: the variance grows from {ends}"
    return f"changes its signal: the variance goes from {ends}"


def _alternative(p: Propagation) -> str:
    mean, variance = p.predicted.mean[-1], p.predicted.variance[-1]
    mean = 0.0 if mean**2 < 1e-24 * variance else mean  # rounding, not a mean
    return (
        f"{len(p.layers) - 1} layers, each with the histogram of its activations. "
        f"{_name(p)} {_outcome(p)}. Theory for wide networks gives the last layer variance "
        f"{brief(variance)} and mean {brief(mean)}."
    )


def _range(values: np.ndarray) -> str:
    return f"{brief(values.min())} to {brief(values.max())}"


def _readings(p: Propagation) -> list[dict[str, str]]:
    mean, variance, theory = median(p.mean), median(p.variance), p.predicted.variance
    return [
        {"variance": brief(v), "mean": brief(m), "theory": brief(t)}
        for v, m, t in zip(variance.tolist(), mean.tolist(), theory.tolist(), strict=True)
    ]


def _spread(p: Propagation) -> list[list[float]]:
    assert p.detail is not None
    found = []
    for variance in p.detail.unit_variance:
        at = evenly(variance.shape[1], UNITS)
        found.append(np.nan_to_num(np.sqrt(variance[0, at]), posinf=1e3).round(4).tolist())
    return found


def _common_edges(both: Sequence[Propagation]) -> np.ndarray:
    """Bins of one width about 0, as far as all but a thousandth of any layer's values go."""
    tails = [0, len(QUANTILES) - 1]
    ends = np.concatenate([p.detail.quantiles[..., tails].ravel() for p in both if p.detail])
    reach = float(np.abs(ends[np.isfinite(ends)]).max(initial=0.0)) or 1.0
    return np.linspace(-reach, reach, BINS + 1)


def _histograms(p: Propagation, edges: np.ndarray) -> np.ndarray:
    """The layers' shares on other edges, ``(depth + 1, BINS)``, the mean of the seeds."""
    assert p.detail is not None
    shares = np.nan_to_num(p.detail.histogram).mean(0)
    below = np.concatenate([np.zeros((len(shares), 1)), shares.cumsum(1)], 1)
    inner = np.array([np.interp(edges[1:-1], p.detail.edges, layer) for layer in below])
    whole = below[:, -1:]
    return np.diff(np.concatenate([np.zeros_like(whole), inner, whole], 1))
