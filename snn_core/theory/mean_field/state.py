"""What the pooled theory knows of one layer's output, and what parts of a layer do to it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from snn_core.activations import Activation
from snn_core.datasets import InputLaw
from snn_core.settings import NetworkSpec
from snn_core.theory.mean_field.interpolation import moments_along, moments_at

__all__ = [
    "State",
    "after_activation",
    "after_dropout",
    "after_normalization",
    "after_residual",
    "dropout_gain",
    "has_settled",
    "input_state",
    "mean_of",
    "over_positions",
    "unknown_state",
]

EPSILON = 1e-5  # of every normalization layer, inside the root
SETTLED = (
    4.0 * np.finfo(float).eps
)  # of the second moment: what a layer may still move by rounding


@dataclass(frozen=True)
class State:
    """Moments of a layer's output, over its units, for K representative samples.

    Attributes:
        mean: ``(K, height, width)``, one position for a dense layer.
        second_moment: ``(K, height, width)``.
        product: ``(K, K)`` mean over units of h_a h_b for different samples, NaN where no theory
            gives it. The diagonal means nothing, but for K = 1 it stands for any two samples.
        sharp: Whether ``mean`` is each sample's own mean over its units, as of real data or after
            layer normalization. Else it is an expectation, and the mean of n units strays from
            it by their variance over n.
    """

    mean: np.ndarray
    second_moment: np.ndarray
    product: np.ndarray
    sharp: bool = False

    @functools.cached_property
    def pooled(self) -> tuple[float, float]:
        """Mean and variance over units, samples and positions."""
        mean = mean_of(self.mean)
        return mean, mean_of(self.second_moment) - mean * mean

    @functools.cached_property
    def pair(self) -> float:
        """Mean of the product over pairs of different samples."""
        return mean_of(_mean_over_others(self.product))

    @functools.cached_property
    def known(self) -> bool:
        """Whether every sample's mean and second moment is finite."""
        return bool(np.isfinite(self.mean).all() and np.isfinite(self.second_moment).all())

    @functools.cached_property
    def cosine(self) -> float:
        """Mean over pairs of different samples of the cosine between their vectors.

        Samples that are all zero are left out; NaN where no pair is left.
        """
        length = np.sqrt(over_positions(self.second_moment).ravel())
        lives = length != 0.0
        if np.count_nonzero(lives) < min(len(length), 2):
            return np.nan
        product, length = self.product[lives][:, lives], length[lives]
        return mean_of(_mean_over_others(product / (length[:, None] * length)))


def has_settled(before: State, after: State) -> bool:
    """Whether a layer left its input as it was, but for the last digits."""
    if before.mean.shape != after.mean.shape or before.sharp != after.sharp:
        return False
    scale = SETTLED * after.second_moment
    samples = SETTLED * over_positions(after.second_moment).ravel()
    return bool(
        (np.abs(after.second_moment - before.second_moment) <= scale).all()
        and (np.abs(after.mean - before.mean) <= SETTLED * np.sqrt(after.second_moment)).all()
        and (np.abs(after.product - before.product) <= samples).all()
    )


def over_positions(values: np.ndarray) -> np.ndarray:
    """Returns every sample's mean over its positions ``(K, 1, 1)``."""
    one = values.shape[1] * values.shape[2] == 1  # a dense layer's; a mean costs much more
    return values if one else values.mean((1, 2), keepdims=True)


def mean_of(values: np.ndarray) -> float:
    """Returns the mean of all values; of one, in a tenth of the time."""
    return float(values.item() if values.size == 1 else values.mean())


def _mean_over_others(product: np.ndarray) -> np.ndarray:
    """Returns, for every sample, the mean over the other samples ``(K,)``."""
    count = len(product)
    if count == 1:
        return product[0]
    return (product.sum(1) - np.diagonal(product)) / (count - 1)


def input_state(law: InputLaw, shape: tuple[int, ...]) -> State:
    """Returns the input's moments, for an input of ``(features,)`` or ``(channels, h, w)``."""
    mean, second = law.mean[:, None, None], law.second_moment[:, None, None]
    real = law.mean_map is not None or len(law.mean) > 1
    if len(shape) == 1:
        return State(mean, second, law.products, sharp=real)
    if law.mean_map is not None and law.second_map is not None:
        return State(law.mean_map, law.second_map, np.full_like(law.products, np.nan), sharp=True)
    ones = np.ones((1, *shape[1:]))
    return State(mean * ones, second * ones, np.full_like(law.products, np.nan))


def unknown_state(samples: int, size: int) -> State:
    """Returns a state that no theory gives."""
    nothing = np.full((samples, size, size), np.nan)
    return State(nothing, nothing, np.full((samples, samples), np.nan))


def after_activation(
    act: Activation, mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns E f, E f^2 and E f'^2 at every z ~ N(mean, variance), each ``(K, h, w)``."""
    if mean.size == variance.size == 1 and np.isfinite(mean + variance).item():
        m = moments_at(act, mean.item(), variance.item())
        e, e2, d2 = np.array([m.mean, m.second_moment, m.derivative_second_moment])[
            :, None, None, None
        ]
        return e, e2, d2
    shape = np.broadcast_shapes(mean.shape, variance.shape)
    rows = np.full((3, *shape), np.nan)
    centre, spread = np.broadcast_to(mean, shape), np.broadcast_to(variance, shape)
    known = np.isfinite(centre + spread)
    for value in np.unique(centre[known]):
        here = known & (centre == value)
        m = moments_along(act, float(value), spread[here])
        rows[:, here] = m.mean, m.second_moment, m.derivative_second_moment
    return rows[0], rows[1], rows[2]


def after_dropout(net: NetworkSpec, act: Activation, state: State) -> State:
    """Returns the state after dropout as in training, masks independent over units and samples.

    Alpha dropout is a (mask h + (1 - mask) alpha') + b (Klambauer et al. 2017, section 3).
    """
    keep = 1.0 - net.dropout_rate
    mean, second, product = state.mean, state.second_moment, state.product
    if net.dropout == "none":
        return state
    if net.dropout == "standard":
        return State(mean, second / keep, product)
    low = act.saturation or 0.0
    a = (keep + low**2 * keep * (1.0 - keep)) ** -0.5
    b = -a * (1.0 - keep) * low
    masked_mean = keep * mean + (1.0 - keep) * low
    masked_second = keep * second + (1.0 - keep) * low**2
    # E over the masks of one unit is a keep h: the two constants cancel.
    return State(
        a * masked_mean + b,
        a**2 * masked_second + 2.0 * a * b * masked_mean + b**2,
        (a * keep) ** 2 * product,
    )


def dropout_gain(net: NetworkSpec, act: Activation) -> float:
    """Returns what dropout multiplies E[g^2] by on the way back."""
    keep = 1.0 - net.dropout_rate
    if net.dropout == "none":
        return 1.0
    if net.dropout == "standard":
        return 1.0 / keep
    low = act.saturation or 0.0
    return keep / (keep + low**2 * keep * (1.0 - keep))


def after_normalization(name: str, state: State, batch: int) -> tuple[State, np.ndarray]:
    """Returns the normalized state and 1/r^2 per sample, the factor of E[g^2] on the way back.

    In a wide layer, and a large batch, the terms of the backward pass through the statistics
    vanish. Groups are taken to be wide, too.
    """
    if name == "batch":
        return _after_batch_normalization(state, batch)
    mean, product = state.mean, state.product
    shift = np.zeros((1, 1, 1)) if name == "rms" else over_positions(mean)
    second = state.second_moment - 2.0 * shift * mean + shift**2
    gain = 1.0 / (np.maximum(over_positions(second), 0.0) + EPSILON)
    scale, offset = np.sqrt(gain), shift.ravel()
    product = (product - np.outer(offset, offset)) * np.outer(scale, scale)
    return State((mean - shift) * scale, second * gain, product, sharp=name != "rms"), gain


def _after_batch_normalization(state: State, batch: int) -> tuple[State, np.ndarray]:
    """The batch's mean of every unit is taken off: a double centring of the samples' products."""
    mean = state.mean - state.mean.mean()
    if np.isfinite(state.product).all():
        own = state.second_moment.ravel()
        row = own / batch + (1.0 - 1.0 / batch) * _mean_over_others(state.product)
        second = np.maximum(own - 2.0 * row + row.mean(), 0.0)[:, None, None]
        product = state.product - row[:, None] - row[None, :] + row.mean()
        gain = 1.0 / (second.mean() + EPSILON)
        return State(mean * np.sqrt(gain), second * gain, product * gain), np.full((1, 1, 1), gain)
    centre, spread = state.pooled
    if len(mean) > 1 and np.isfinite(spread):
        # Without the products of real samples, the pooled law stands for all. Their own second
        # moments would mislead: most of their spread is in the mean that is taken off.
        gain = spread / (spread + EPSILON)
        second = np.full_like(mean, gain)
        return State(0.0 * mean, second, state.product), np.full((1, 1, 1), np.nan)
    # Positions keep their shares of the pooled variance.
    second = state.second_moment - 2.0 * centre * state.mean + centre**2
    gain = 1.0 / (max(spread, 0.0) + EPSILON) if np.isfinite(spread) else np.nan
    unknown = np.full((1, 1, 1), np.nan)
    return State(mean * np.sqrt(gain), second * gain, state.product), unknown


def after_residual(scale: float, branch: State, identity: State) -> State:
    """Returns identity + scale * branch; random weights make the two uncorrelated over units."""
    a, b = over_positions(identity.mean).ravel(), over_positions(branch.mean).ravel()
    both = a[:, None] * b
    return State(
        identity.mean + scale * branch.mean,
        identity.second_moment
        + 2.0 * scale * identity.mean * branch.mean
        + scale**2 * branch.second_moment,
        identity.product + scale * (both + both.T) + scale**2 * branch.product,
    )
