"""Statistics against a float64 two-pass reference, also where float32 sums are garbage."""

import math

import numpy as np
import pytest
import torch

from snn_core.statistics import (
    exact_cosine,
    exact_moments,
    exact_saturation,
    mean_cosine,
    pooled_moments,
    saturation,
    spread_sample,
    unit_moments,
)

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def draw(count: int, mean: float, deviation: float, dtype: torch.dtype) -> torch.Tensor:
    source = torch.Generator().manual_seed(count)
    x = torch.randn(count, generator=source, dtype=torch.float64) * deviation + mean
    return x.to(dtype)


def two_pass(x: torch.Tensor) -> tuple[float, float]:
    x = x.double()
    mean = x.mean()
    return float(mean), float((x - mean).square().mean())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 7, 4096, 5000, 2**20 + 3])
@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (1, 0.1), (1000, 1), (-1000, 1), (1, 1e-3), (3e4, 0)]
)
def test_variance_is_right_to_1e_4_at_any_mean(
    dtype: torch.dtype, count: int, mean: float, deviation: float
) -> None:
    x = draw(count, mean, deviation, dtype)
    expected_mean, expected = two_pass(x)
    found_mean, found = pooled_moments(x)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-15 * mean * mean)
    assert found_mean == pytest.approx(expected_mean, rel=1e-6, abs=1e-6 * math.sqrt(expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (1, 0.1), (1000, 1), (1, 1e-3), (3e4, 0), (0, 1e-22)]
)
def test_exact_moments_are_exact_over_any_axes(
    dtype: torch.dtype, mean: float, deviation: float
) -> None:
    x = draw(2 * 300 * 7, mean, deviation, dtype).reshape(2, 300, 7)
    for axes in ((1,), (1, 2)):
        expected = x.double()
        found_mean, found = exact_moments(x, axes)
        middle = expected.mean(axes, keepdim=True)
        variance = (expected - middle).square().mean(axes)
        assert torch.allclose(found, variance, rtol=1e-9, atol=0.0)
        slack = 1e-12 * float(variance.max().sqrt())
        assert torch.allclose(found_mean, middle.reshape(found.shape), rtol=1e-12, atol=slack)
        if deviation == 0:
            assert not found.any()


def test_the_exact_ways_of_a_stack_are_those_of_every_seed_alone() -> None:
    source = torch.Generator().manual_seed(4)
    stack = torch.randn(3, 40, 6, 5, 5, generator=source)
    stack[1] *= 1e25
    stack[2, :, 2] = 0.0
    stack[2, 7] = 0.0
    shares = exact_saturation(stack, 1.5)
    for k, own in enumerate(stack):
        mean, variance = unit_moments(own)
        exact_mean, exact = exact_moments(stack, (1, 3, 4))[:, k].numpy()
        assert np.allclose(variance, exact, rtol=1e-6, atol=0.0)
        assert (np.abs(mean - exact_mean) <= 1e-6 * np.sqrt(exact)).all()
        assert float(exact_cosine(stack)[k]) == pytest.approx(mean_cosine(own), abs=1e-6)
        assert tuple(shares[:, k].tolist()) == pytest.approx(saturation(own, 1.5))
    assert exact_cosine(torch.zeros(2, 5, 3)).isnan().all()
    assert exact_cosine(stack[:, :1]).isnan().all()


def test_float32_sums_would_not_do() -> None:
    """The reference case is one that the plain way gets wrong, so the test above can fail."""
    x = draw(2**20 + 3, 1000, 1, torch.float32)
    plain = float((x * x).mean() - x.mean() ** 2)
    assert abs(plain / two_pass(x)[1] - 1) > 1e-4


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e22, 1e37])
def test_numbers_beyond_float32_squares(scale: float) -> None:
    x = draw(10_000, 0, 1, torch.float64).mul(scale).float()
    assert pooled_moments(x)[1] == pytest.approx(two_pass(x)[1], rel=1e-6)


def test_a_constant_has_no_variance_and_a_bad_number_shows() -> None:
    assert pooled_moments(torch.full((9999,), 0.1)) == (pytest.approx(0.1), 0.0)
    assert pooled_moments(torch.zeros(10)) == (0.0, 0.0)
    for bad in (math.nan, math.inf):
        x = torch.ones(5000)
        x[17] = bad
        assert not math.isfinite(sum(pooled_moments(x)))


def test_layout_does_not_matter() -> None:
    x = torch.randn(1, 6, 5, 8, 8, generator=torch.Generator().manual_seed(1))
    last = x[0].contiguous(memory_format=torch.channels_last)[None]
    for view in (x, last, x.transpose(3, 4)):
        assert pooled_moments(view) == pytest.approx(pooled_moments(x), rel=1e-6)


@pytest.mark.parametrize("shape", [(64, 10), (16, 6, 5, 5)])
def test_between_and_within_add_up(shape: tuple[int, ...]) -> None:
    h = torch.randn(shape, generator=torch.Generator().manual_seed(2)) + torch.arange(
        shape[1]
    ).view(-1, *(1,) * (len(shape) - 2))
    mean, variance = unit_moments(h)
    assert mean.shape == variance.shape == (shape[1],)
    assert mean[3] == pytest.approx(float(h[:, 3].double().mean()), rel=1e-6)
    total = float(mean.var() + variance.mean())
    assert total == pytest.approx(two_pass(h)[1], rel=1e-6)


@pytest.mark.parametrize("rows", [1, 31, 32, 300])
def test_every_units_variance_is_right_to_1e_6_whatever_its_mean_and_size(rows: int) -> None:
    source = torch.Generator().manual_seed(rows)
    mean = torch.tensor([0.0, 1.0, 1000.0, 0.0, 0.0, 3.0, 0.0])
    deviation = torch.tensor([1.0, 1.0, 1.0, 1e-25, 1e25, 0.0, 0.0])
    h = torch.randn(rows, 7, generator=source) * deviation + mean
    for part in (h, h[:, :2], h[:, 2:3]):
        exact = part.double().numpy()
        found_mean, found = unit_moments(part)
        assert np.allclose(found, exact.var(0), rtol=1e-6, atol=0.0)
        slack = 1e-7 * np.sqrt(exact.var(0))
        assert (np.abs(found_mean - exact.mean(0)) <= 1e-7 * np.abs(exact.mean(0)) + slack).all()


def test_mean_cosine_is_the_mean_over_pairs() -> None:
    h = torch.randn(12, 7, generator=torch.Generator().manual_seed(3)) + 0.5
    rows = torch.nn.functional.normalize(h.double(), dim=1)
    pairs = rows @ rows.T
    brute = (pairs.sum() - pairs.trace()) / (12 * 11)
    for scale in (1.0, 1e25, 1e-25):
        assert mean_cosine(h * scale) == pytest.approx(float(brute), abs=1e-6)
    assert math.isnan(mean_cosine(h[:1])) and math.isnan(mean_cosine(torch.zeros(5, 3)))
    assert mean_cosine(torch.cat((h, torch.zeros(2, 7)))) == pytest.approx(float(brute), abs=1e-6)


def test_saturation_counts_small_slopes_and_dead_units() -> None:
    slope = torch.ones(4, 5)
    slope[:, 0] = 0.0  # dead
    slope[0, 1] = 0.01  # saturated for one sample
    share, dead = saturation(slope, largest=1.0)
    assert share == pytest.approx(5 / 20) and dead == pytest.approx(1 / 5)
    assert saturation(torch.ones(2, 3, 4, 4), 1.0) == (0.0, 0.0)


def test_a_spread_sample_visits_every_unit() -> None:
    h = torch.arange(64.0).expand(1024, 64)
    values = spread_sample(h, 1000)
    assert len(values) <= 1000 and (np.diff(values) >= 0).all()
    assert set(values.tolist()) == set(range(64))
    assert np.array_equal(spread_sample(h[:4], 1000), np.sort(h[:4].flatten().numpy()))
