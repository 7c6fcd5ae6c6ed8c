"""Constraints: projections are projections, and the theory knows what they do to the weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor, nn

from snn_core.constraints import CONSTRAINTS, Constraint, constraint

NAMES = (
    "none centralize_layer centralize_unit standardize_unit unit_norm max_norm weight_norm "
    "spectral_norm orthogonal"
).split()
ENTRIES = [
    *CONSTRAINTS.values(),
    constraint("max_norm", limit=0.7),
    constraint("weight_norm", gain=1.6),
]
ACTIVE = [entry for entry in ENTRIES if entry.name != "none"]
SHAPES = [(3, 24, 40), (3, 40, 24), (2, 12, 5, 3, 3), (2, 30, 2, 3, 3), (2, 7, 4, 5)]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def titled(entry: Constraint) -> str:
    return "-".join([entry.name, *(f"{value:g}" for _, value in entry.values)])


over_entries = pytest.mark.parametrize("entry", ENTRIES, ids=titled)
over_active = pytest.mark.parametrize("entry", ACTIVE, ids=titled)
over_shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def random_weight(
    shape: tuple[int, ...], dtype: torch.dtype = torch.float32, seed: int = 0
) -> Tensor:
    """Every unit is longer than any limit here, has a mean, and has a length of its own."""
    generator = Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64) + 0.3
    length = 1.0 + torch.rand(shape[:2], generator=generator, dtype=torch.float64)
    return (weight * length.reshape(*shape[:2], *[1] * (len(shape) - 2))).to(dtype)


def tolerance(dtype: torch.dtype, weight: Tensor) -> float:
    """Rounding of a unit's weights to the dtype, summed over the unit."""
    return max(1e-5, 4.0 * torch.finfo(dtype).eps * math.sqrt(weight[0, 0].numel()))


def test_the_table_holds_the_names_and_their_sources() -> None:
    assert list(CONSTRAINTS) == NAMES
    for name, entry in CONSTRAINTS.items():
        assert entry.name == name
        assert entry.label and entry.formula and entry.keras_code
        assert name == "none" or (entry.citation and entry.torch_code)
        compile(entry.keras_code, name, "eval")


@over_entries
@over_shapes
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_projecting_satisfies_and_twice_is_once(
    entry: Constraint, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    weight = random_weight(shape, dtype)
    once = entry.project_(weight.clone())
    assert once.dtype == dtype and once.shape == shape and bool(once.isfinite().all())
    close = tolerance(dtype, weight)
    violation = entry.violation(once)
    assert violation.shape == shape[:1] and violation.dtype in (torch.float32, torch.float64)
    assert float(violation.max()) < close
    twice = entry.project_(once.clone())
    assert torch.allclose(twice.double(), once.double(), rtol=close, atol=close)


@over_active
@over_shapes
def test_a_random_weight_violates_every_seed(entry: Constraint, shape: tuple[int, ...]) -> None:
    assert float(entry.violation(random_weight(shape)).min()) > 0.1


def test_none_leaves_every_bit() -> None:
    weight = torch.tensor([[[0.0, -0.0, float("nan"), 1e-45, float("inf")]]])
    bits = weight.view(torch.int32).clone()
    assert torch.equal(CONSTRAINTS["none"].project_(weight).view(torch.int32), bits)
    assert torch.equal(CONSTRAINTS["none"].violation(weight), torch.zeros(1))


@over_entries
@over_shapes
def test_seeds_are_projected_by_themselves(entry: Constraint, shape: tuple[int, ...]) -> None:
    weight = random_weight(shape)
    weight[0] = entry.project_(weight[:1].clone())[0] * 1.01  # one seed is nearly there
    stack = entry.project_(weight.clone())
    alone = torch.cat([entry.project_(one.clone()) for one in weight.split(1)])
    assert torch.allclose(stack, alone, rtol=0.0, atol=1e-6)
    violations = torch.cat([entry.violation(one) for one in weight.split(1)])
    assert torch.allclose(entry.violation(weight), violations, atol=1e-5)


@over_active
@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_diverged_seed_stays_so_and_harms_no_other(entry: Constraint, poison: float) -> None:
    weight = random_weight((3, 8, 12))
    clean = entry.project_(weight.clone())
    weight[1, 2, 3] = poison
    projected = entry.project_(weight)
    assert torch.allclose(projected[[0, 2]], clean[[0, 2]], atol=1e-6)
    assert not projected[1].isfinite().all()


@over_active
def test_projects_in_place_a_parameter_of_any_layout(entry: Constraint) -> None:
    weight = random_weight((1, 12, 5, 3, 3))
    expected = entry.project_(weight.clone())
    image = weight[0].contiguous(memory_format=torch.channels_last)[None]
    parameter = nn.Parameter(image)
    projected = entry.project_(parameter)
    assert projected.data_ptr() == parameter.data_ptr() == image.data_ptr()
    assert torch.allclose(parameter.detach(), expected, atol=1e-6)


@over_active
@pytest.mark.parametrize("fill", [0.0, 0.1, 3.7e4])
def test_equal_weights_stay_finite(entry: Constraint, fill: float) -> None:
    weight = entry.project_(torch.full((2, 6, 11), fill))
    assert bool(weight.isfinite().all())
    if entry.name in ("centralize_layer", "centralize_unit"):
        assert float(weight.abs().max()) <= 3e-7 * fill
    elif entry.name == "standardize_unit" or (fill == 0.0 and entry.name != "orthogonal"):
        assert not weight.any()


@pytest.mark.parametrize("size", [1e-25, 1e25])
@pytest.mark.parametrize("name", ["standardize_unit", "unit_norm", "weight_norm", "spectral_norm"])
def test_squares_beyond_float32_do_no_harm(name: str, size: float) -> None:
    weight = random_weight((1, 6, 11))
    expected = CONSTRAINTS[name].project_(weight.clone())
    assert torch.allclose(CONSTRAINTS[name].project_(weight * size), expected, atol=1e-5)


@over_entries
@over_shapes
def test_applying_is_the_projection_and_leaves_the_weight(
    entry: Constraint, shape: tuple[int, ...]
) -> None:
    weight = random_weight(shape)
    kept = weight.clone()
    found = entry.apply(weight)
    assert torch.equal(weight, kept)
    assert torch.allclose(found, entry.project_(weight.clone()), atol=1e-5)
    sick = weight.clone()
    sick[0, 0, 0] = torch.nan
    assert torch.allclose(entry.apply(sick)[1:], found[1:])


@over_entries
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 5, 3), (1, 3, 3), (2, 3, 2, 3, 3)])
def test_applying_has_the_right_gradient(entry: Constraint, shape: tuple[int, ...]) -> None:
    weight = random_weight(shape).double()
    assert torch.autograd.gradcheck(entry.apply, (weight.requires_grad_(),))
    if entry.name == "orthogonal":  # also where all singular values are one
        flat = entry.project_(weight.detach().clone()).requires_grad_()
        assert torch.autograd.gradcheck(entry.apply, (flat,))


@over_entries
@pytest.mark.parametrize("fill", [0.0, 0.1])
def test_the_gradient_at_equal_weights_is_finite(entry: Constraint, fill: float) -> None:
    weight = torch.full((2, 5, 7), fill, requires_grad=True)
    entry.apply(weight).sum().backward()
    assert weight.grad is not None and float(weight.grad.abs().max()) < 1e3


@over_entries
@over_shapes
def test_torch_code_is_the_same_projection(entry: Constraint, shape: tuple[int, ...]) -> None:
    weight = random_weight(shape)[:1]
    coded = weight[0].clone()
    with torch.no_grad():
        exec(entry.torch_code, {"torch": torch, "weight": coded})
    assert torch.allclose(coded, entry.project_(weight)[0], atol=1e-5)


@over_shapes
def test_omega_and_tau_after_projection(shape: tuple[int, ...]) -> None:
    def after(name: str, **parameters: float) -> tuple[Tensor, Tensor]:
        rows = constraint(name, **parameters).project_(random_weight(shape)).flatten(2).double()
        return rows.sum(2), rows.square().sum(2)

    zero, one = torch.zeros(shape[:2]).double(), torch.ones(shape[:2]).double()
    assert torch.allclose(after("centralize_unit")[0], zero, atol=1e-4)
    assert torch.allclose(after("centralize_layer")[0].mean(1), zero[:, 0], atol=1e-4)
    omega, tau = after("standardize_unit")
    assert torch.allclose(omega, zero, atol=1e-5) and torch.allclose(tau, one, atol=1e-5)
    assert torch.allclose(after("unit_norm")[1], one, atol=1e-5)
    assert torch.allclose(after("weight_norm", gain=1.6)[1], 1.6**2 * one, atol=1e-5)
    assert float(after("max_norm", limit=0.7)[1].max()) == pytest.approx(0.49, abs=1e-5)


def test_max_norm_leaves_short_units() -> None:
    weight = torch.tensor([[[0.3, 0.4], [3.0, 4.0], [0.0, 0.0]]])
    expected = torch.tensor([[[0.3, 0.4], [1.2, 1.6], [0.0, 0.0]]])
    assert torch.allclose(constraint("max_norm", limit=2.0).project_(weight), expected)


def test_weight_norm_of_gain_one_is_unit_norm() -> None:
    weight = random_weight((2, 5, 9))
    unit = CONSTRAINTS["unit_norm"].project_(weight.clone())
    assert torch.equal(CONSTRAINTS["weight_norm"].project_(weight), unit)


def test_standardizing_survives_a_mean_far_above_the_spread() -> None:
    weight = random_weight((1, 4, 500)) * 1e-2 + 30.0
    assert float(CONSTRAINTS["standardize_unit"].violation(weight)) > 1.0
    assert (
        float(
            CONSTRAINTS["standardize_unit"].violation(
                CONSTRAINTS["standardize_unit"].project_(weight)
            )
        )
        < 1e-5
    )


@over_shapes
def test_spectral_norm_and_orthogonal_against_the_svd(shape: tuple[int, ...]) -> None:
    weight = random_weight(shape)
    u, s, v = torch.linalg.svd(weight.flatten(2).double(), full_matrices=False)
    spectral = CONSTRAINTS["spectral_norm"].project_(weight.clone()).flatten(2).double()
    polar = CONSTRAINTS["orthogonal"].project_(weight.clone()).flatten(2).double()
    assert torch.allclose(spectral, weight.flatten(2) / s[:, :1, None], rtol=1e-5, atol=1e-6)
    assert torch.allclose(polar, u @ v, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("step", [1e-6, 1e-3, 0.02, 0.1])
def test_orthogonal_after_a_training_step_is_the_polar_factor(step: float) -> None:
    start = CONSTRAINTS["orthogonal"].project_(random_weight((2, 20, 30)))
    moved = start + step * random_weight((2, 20, 30), seed=1)
    u, _, v = torch.linalg.svd(moved.double(), full_matrices=False)
    assert torch.allclose(CONSTRAINTS["orthogonal"].project_(moved).double(), u @ v, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3])
def test_orthogonal_of_a_deficient_rank_is_orthogonal(rank: int) -> None:
    left, right = random_weight((2, 10, rank + 1)), random_weight((2, rank + 1, 14), seed=1)
    weight = left[:, :, :rank] @ right[:, :rank]
    assert (
        float(
            CONSTRAINTS["orthogonal"].violation(CONSTRAINTS["orthogonal"].project_(weight)).max()
        )
        < 1e-5
    )


def test_orthogonal_leaves_a_zero_weight_alone() -> None:
    weight = random_weight((3, 5, 7))
    weight[1] = 0.0
    projected = CONSTRAINTS["orthogonal"].project_(weight)
    assert not projected[1].any() and projected[0].any() and projected[2].any()


def sampled_moments(
    entry: Constraint, units: int, inputs: int, tau: float, uniform: bool
) -> tuple[Tensor, Tensor]:
    """Returns the seeds' averages over units of tau and omega^2 after projecting iid weights."""
    generator = Generator().manual_seed(units)
    seeds = max(40, 300_000 // (units * inputs))  # terms in 1/(nm) need many
    shape, std = (seeds, units, inputs), math.sqrt(tau / inputs)
    if uniform:
        weight = (torch.rand(shape, generator=generator) * 2.0 - 1.0) * math.sqrt(3.0) * std
    else:
        weight = torch.randn(shape, generator=generator) * std
    rows = entry.project_(weight).double()
    return rows.square().sum(2).mean(1), rows.sum(2).square().mean(1)


@pytest.mark.parametrize(
    "entry",
    [*ENTRIES, constraint("max_norm", limit=1.05), constraint("max_norm", limit=3.0)],
    ids=titled,
)
@pytest.mark.parametrize(("units", "inputs"), [(128, 128), (256, 64), (64, 256), (2, 9)])
@pytest.mark.parametrize("uniform", [False, True], ids=["normal", "uniform"])
def test_row_moments_of_iid_weights(
    entry: Constraint, units: int, inputs: int, uniform: bool
) -> None:
    before = 1.1
    tau, omega_squared = entry.row_moments(before, before, inputs, units, 1.8 if uniform else 3.0)
    # wide limits and, for uniform weights, a gamma law: exact for the others
    approximate = entry.name == "spectral_norm" or (entry.name == "max_norm" and uniform)
    slack = (0.02 if units > 2 else 0.05) if approximate else 1e-6
    sampled = sampled_moments(entry, units, inputs, before, uniform)
    for declared, sample in zip((tau, omega_squared), sampled, strict=True):
        error = 4.5 * float(sample.std()) / math.sqrt(len(sample)) + slack * declared
        assert abs(float(sample.mean()) - declared) <= error + 1e-6


@over_entries
def test_row_moments_of_zero_weights_are_zero(entry: Constraint) -> None:
    tau, omega_squared = entry.row_moments(0.0, 0.0, 32, 16, 3.0)
    assert omega_squared == 0.0
    assert tau == 0.0 or entry.name == "orthogonal"


def test_spectral_row_moments_down_to_one_unit() -> None:
    entry = CONSTRAINTS["spectral_norm"]
    assert entry.row_moments(1.0, 1.0, 256, 1, 3.0)[0] == pytest.approx(1.0, rel=0.01)
    assert entry.row_moments(1.0, 1.0, 1, 1, 3.0)[0] == pytest.approx(1.0, rel=0.01)


def test_parameters_have_bounds_and_names() -> None:
    assert dict(constraint("max_norm").values) == {"limit": 1.0}
    with pytest.raises(ValueError, match="max_norm.limit must be a number between 0.01 and 10"):
        constraint("max_norm", limit=0.0)
    with pytest.raises(ValueError, match="Did you mean 'gain'"):
        constraint("weight_norm", gian=2.0)
    with pytest.raises(ValueError, match="unit_norm has no parameters"):
        constraint("unit_norm", gain=2.0)
    with pytest.raises(ValueError, match="Did you mean 'centralize_unit'"):
        constraint("centralise_unit")
