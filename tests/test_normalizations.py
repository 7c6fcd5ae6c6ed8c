"""Normalizations: torch's own modules, seed by seed, and their wide-limit moments."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from snn_core.normalizations import NORMALIZATIONS, Normalization, normalization

NAMES = ["none", "batch", "layer", "rms", "group"]
ENTRIES = [*NORMALIZATIONS.values(), normalization("group", groups=3)]
SHAPES = [(3, 20, 24), (2, 6, 24, 5, 4), (2, 1, 24), (1, 1, 24, 3, 3)]


def titled(entry: Normalization) -> str:
    return "-".join([entry.name, *(f"{value:g}" for _, value in entry.values)])


over_entries = pytest.mark.parametrize("entry", ENTRIES, ids=titled)
over_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def random_input(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Seeds, samples and channels all differ in mean and scale."""
    generator = Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    for axis in (0, 1, 2):
        size = [shape[axis] if a == axis else 1 for a in range(len(shape))]
        x = x * (0.5 + torch.rand(size, generator=generator, dtype=torch.float64))
        x = x + torch.randn(size, generator=generator, dtype=torch.float64)
    return x.to(dtype)


def module(name: str, groups: int, shape: tuple[int, ...]) -> nn.Module:
    """Returns torch's module for one seed's input."""
    channels = shape[1]
    if name == "batch":
        kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
        return kind(channels, affine=False, track_running_stats=False).train()
    if name == "layer":
        return nn.LayerNorm(shape[1:], elementwise_affine=False)
    if name == "rms":
        return nn.RMSNorm(shape[1:], eps=1e-5, elementwise_affine=False)
    return nn.GroupNorm(groups, channels, affine=False) if name == "group" else nn.Identity()


def reference(name: str, groups: int, x: np.ndarray) -> np.ndarray:
    """The formulas, written out once more."""
    if name == "none":
        return x
    if name == "rms":
        return x / np.sqrt((x**2).mean(tuple(range(2, x.ndim)), keepdims=True) + 1e-5)
    shape = x.shape
    if name == "group":
        x = x.reshape(*shape[:2], groups, -1)
    axes = {"batch": (1, *range(3, x.ndim)), "layer": tuple(range(2, x.ndim)), "group": (3,)}
    mean = x.mean(axes[name], keepdims=True)
    variance = ((x - mean) ** 2).mean(axes[name], keepdims=True)
    return ((x - mean) / np.sqrt(variance + 1e-5)).reshape(shape)


def groups_of(entry: Normalization) -> int:
    return int(dict(entry.values).get("groups", 1))


def test_the_table_holds_the_names_and_their_sources() -> None:
    assert list(NORMALIZATIONS) == NAMES
    for name, entry in NORMALIZATIONS.items():
        assert entry.name == name
        assert entry.label and entry.formula and entry.torch_code and entry.keras_code
        assert name == "none" or entry.citation
        compile(entry.keras_code, name, "eval")


@over_entries
@over_shapes
def test_equals_its_formula(entry: Normalization, shape: tuple[int, ...]) -> None:
    x = random_input(shape)
    expected = reference(entry.name, groups_of(entry), x.numpy())
    assert np.allclose(entry.apply(x, 2).numpy(), expected, rtol=0.0, atol=1e-10)


@over_entries
@over_shapes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_equals_torchs_modules_and_its_code_seed_by_seed(
    entry: Normalization, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    x = random_input(shape, dtype)
    if entry.name == "batch" and math.prod(shape) == shape[0] * shape[2]:
        with pytest.raises(ValueError):  # torch's module refuses a batch of one value
            module(entry.name, 1, shape[1:])(x[0])
        assert entry.apply(x, 2).abs().max() < 1e-4  # ours gives zeros
        return
    theirs = module(entry.name, groups_of(entry), shape[1:])
    for ours, seed in zip(entry.apply(x, 2), x, strict=True):
        assert ours.dtype == dtype
        assert torch.allclose(ours, theirs(seed), rtol=0.0, atol=1e-5)
        coded = eval(entry.torch_code, {"nn": nn, "x": seed})
        assert torch.allclose(ours, coded, rtol=0.0, atol=1e-5)


@over_entries
@over_shapes
def test_gradients_flow(entry: Normalization, shape: tuple[int, ...]) -> None:
    x = random_input(shape)[:, :4, :, :2, :2] if len(shape) > 3 else random_input(shape)[:, :4]
    weight = torch.randn(x.shape, generator=Generator().manual_seed(2), dtype=torch.float64)

    def loss(apply: Callable[[Tensor], Tensor]) -> Tensor:
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((apply(leaf) * weight).sum(), leaf)
        return gradient

    gradient = loss(lambda leaf: entry.apply(leaf, 2))
    step = 1e-6 * torch.randn(x.shape, generator=Generator().manual_seed(3), dtype=torch.float64)
    change = ((entry.apply(x + step, 2) - entry.apply(x - step, 2)) * weight).sum() / 2.0
    assert float((gradient * step).sum()) == pytest.approx(float(change), rel=1e-4, abs=1e-11)
    if entry.name != "batch" or x.shape[1] * x[0, 0, 0].numel() > 1:
        assert float(gradient.abs().max()) > 0.0


@over_entries
@over_shapes
@pytest.mark.parametrize("fill", [0.0, 0.1, -1e4])
def test_constant_input_is_finite_with_its_gradient(
    entry: Normalization, shape: tuple[int, ...], fill: float
) -> None:
    x = torch.full(shape, fill, requires_grad=True)
    y = entry.apply(x, 2)
    y.square().sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())
    if entry.name not in ("none", "rms"):
        rounding = 4.0 * torch.finfo(torch.float32).eps * abs(fill) / math.sqrt(1e-5)
        assert float(y.detach().abs().max()) <= rounding
    else:
        assert bool(y.isfinite().all())


@over_entries
@over_shapes
def test_a_diverged_seed_harms_no_other(entry: Normalization, shape: tuple[int, ...]) -> None:
    x = random_input(shape)
    clean = entry.apply(x, 2)
    x[0, 0, 0] = math.nan
    assert torch.equal(entry.apply(x, 2)[1:], clean[1:])


@over_entries
@pytest.mark.parametrize("axis", [-1, 4, 3])
def test_channels_may_lie_on_any_axis(entry: Normalization, axis: int) -> None:
    x = random_input((2, 6, 24, 5, 4))
    moved = entry.apply(x.movedim(2, axis), axis)
    assert torch.allclose(moved.movedim(axis, 2), entry.apply(x, 2), atol=1e-12)


def test_channels_that_groups_do_not_divide_get_the_nearest_number() -> None:
    with pytest.raises(ValueError, match="8 groups divide, got 20; .* is 10"):
        NORMALIZATIONS["group"].apply(torch.zeros(1, 2, 20), 2)
    with pytest.raises(ValueError, match="8 groups divide, got 3; .* is 3"):
        NORMALIZATIONS["group"].apply(torch.zeros(1, 2, 3, 4, 4), 2)


def test_parameters_have_bounds_and_names() -> None:
    assert dict(normalization("group").values) == {"groups": 8}
    with pytest.raises(ValueError, match="groups must be a whole number"):
        normalization("group", groups=2.5)
    with pytest.raises(ValueError, match="group.groups must be a number between 1 and 1024"):
        normalization("group", groups=0)
    with pytest.raises(ValueError, match="Did you mean 'groups'"):
        normalization("group", group=4)
    with pytest.raises(ValueError, match="Did you mean 'layer'"):
        normalization("layers")


@over_entries
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_moments_are_those_of_a_wide_layer(entry: Normalization, scale: float) -> None:
    """Independent entries of one law: every pool sees the layer's own moments."""
    x = torch.randn(1, 600, 600, generator=Generator().manual_seed(0)) * scale + 0.4 * scale
    groups = {"groups": 3} if entry.name == "group" else {}
    y = normalization(entry.name, **groups).apply(x, 2).double()
    mean, second = entry.moments(np.array(0.4 * scale), np.array(1.16 * scale**2))
    error = 4.5 * math.sqrt(1.16) / 600 * max(1.0, scale)
    assert abs(float(y.mean()) - mean) < error
    assert float(y.square().mean()) == pytest.approx(float(second), rel=0.02)


@over_entries
def test_moments_broadcast_and_zero_stays_zero(entry: Normalization) -> None:
    mean, second = entry.moments(np.array([0.0, 0.1, 0.0]), np.array([0.0, 1.0, 1e12]))
    assert mean.shape == second.shape == (3,)
    assert mean[0] == 0.0 and second[0] == 0.0
    if entry.name != "none":
        assert second[1:] == pytest.approx(1.0, abs=2e-5)
