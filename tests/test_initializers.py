"""Initializers: every draw has the variance, kurtosis and law that it declares."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from snn_core.initializers import INITIALIZERS, Initializer, initializer

NAMES = (
    "lecun_normal lecun_uniform lecun_truncated he_normal he_uniform he_truncated "
    "glorot_normal glorot_uniform glorot_truncated orthogonal delta_orthogonal "
    "pytorch_default selu_gain mean_field lsuv"
).split()
# 64 -> 256 and back, dense; 3x3 convolutions both ways; a kernel that is not square
SHAPES = [(256, 64), (64, 256), (48, 16, 3, 3), (16, 48, 3, 3), (32, 24, 1, 5)]
ENTRIES = [*INITIALIZERS.values(), initializer("mean_field", sigma_w=1.7, sigma_b=0.4)]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def fans(shape: tuple[int, ...]) -> tuple[int, int, int]:
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area, area


def draw(entry: Initializer, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    fan_in, fan_out, _ = fans(shape)
    return entry.sample_(torch.full(shape, torch.nan), fan_in, fan_out, generator(seed))


def draw_bias(entry: Initializer, units: int, fan_in: int) -> Tensor:
    assert entry.bias_distribution is not None
    numbers = entry.bias_distribution.draw((units,), generator())
    return entry.fill_bias_(torch.empty(units), numbers, fan_in)


def refuses(entry: Initializer, shape: tuple[int, ...]) -> bool:
    return entry.law == "delta" and len(shape) > 2 and shape[0] < shape[1]


def cases() -> list:
    return [
        pytest.param(entry, shape, id=f"{entry.name}-{'x'.join(map(str, shape))}")
        for entry in ENTRIES
        for shape in SHAPES
        if not refuses(entry, shape)
    ]


def assert_variance(weights: list[Tensor], entry: Initializer, declared: float) -> None:
    """The mean square lies within 4.5 standard errors; exactly, where the norm is fixed."""
    squares = torch.stack(weights).double().square()
    if entry.law == "independent":
        error = 4.5 * declared * math.sqrt((entry.kurtosis - 1.0) / squares.numel())
    else:
        error = 1e-5 * declared
    assert abs(float(squares.mean()) - declared) < error


def test_the_table_holds_the_names_and_their_sources() -> None:
    assert list(INITIALIZERS) == NAMES
    for name, entry in INITIALIZERS.items():
        assert entry.name == name
        assert entry.citation and entry.label and entry.torch_code and entry.keras_code
        assert (entry.bias_distribution is None) == (entry.bias_variance is None)
        compile(entry.keras_code, name, "eval")


@pytest.mark.parametrize(("entry", "shape"), cases())
def test_sample_variance_is_the_declared_one(entry: Initializer, shape: tuple[int, ...]) -> None:
    weights = [draw(entry, shape, seed) for seed in range(4)]
    assert all(weight.dtype == torch.float32 and weight.shape == shape for weight in weights)
    assert_variance(weights, entry, entry.variance(*fans(shape)))


@pytest.mark.parametrize(("entry", "shape"), cases())
def test_torch_code_draws_the_declared_variance(
    entry: Initializer, shape: tuple[int, ...]
) -> None:
    weights = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for _ in range(4):
            weight = nn.Parameter(torch.empty(shape))
            exec(entry.torch_code, {"nn": nn, "weight": weight})
            weights.append(weight.detach())
    assert_variance(weights, entry, entry.variance(*fans(shape)))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_means_vanish_and_kurtosis_is_declared(entry: Initializer) -> None:
    weight = draw(entry, (512, 400)).double()
    scaled = weight / weight.square().mean().sqrt()
    assert abs(float(scaled.mean())) < 4.5 / math.sqrt(weight.numel())
    fourth = scaled**4
    error = 4.5 * float(fourth.std()) / math.sqrt(weight.numel())
    # Entries of a Haar unit vector of length D have 3 D / (D + 2): a wide limit.
    slack = 0.0 if entry.law == "independent" else 3.0 * 2.0 / 514.0
    assert abs(float(fourth.mean()) - entry.kurtosis) < error + slack


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_draws_follow_the_generator_and_nothing_else(entry: Initializer) -> None:
    shape = (24, 16, 3, 3)
    before = torch.get_rng_state()
    first, again, other = draw(entry, shape, 3), draw(entry, shape, 3), draw(entry, shape, 4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    if entry.bias_distribution is not None:
        draw_bias(entry, 24, 144)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_fills_in_place_also_a_parameter(entry: Initializer) -> None:
    weight = nn.Parameter(torch.full((24, 16), torch.nan))
    filled = entry.sample_(weight, 16, 24, generator(1))
    assert filled.data_ptr() == weight.data_ptr()
    assert torch.equal(weight.detach(), draw(entry, (24, 16), 1))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_bias_has_the_declared_variance(entry: Initializer) -> None:
    if entry.bias_variance is None:
        assert not entry.torch_bias_code and not entry.keras_bias_code
        return
    fan_in = 75
    bias = draw_bias(entry, 40_000, fan_in)
    coded = torch.empty(40_000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        exec(entry.torch_bias_code, {"nn": nn, "bias": coded, "fan_in": fan_in})
    for sample in (bias, coded):
        assert float(sample.square().mean()) == pytest.approx(
            entry.bias_variance(fan_in), rel=4.5 * math.sqrt(2.0 / 40_000)
        )


def test_only_these_draw_biases() -> None:
    assert [e.name for e in INITIALIZERS.values() if e.bias_distribution] == ["pytorch_default"]
    assert initializer("mean_field", sigma_b=0.3).bias_variance is not None


def test_pytorch_default_equals_what_a_new_layer_holds() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        layer = nn.Conv2d(30, 40, 3)
    entry = INITIALIZERS["pytorch_default"]
    assert layer.bias is not None
    bound = 270**-0.5
    bias = draw_bias(entry, 40, 270)
    for ours, theirs in ((draw(entry, (40, 30, 3, 3)), layer.weight), (bias, layer.bias)):
        for sample in (ours, theirs.detach()):
            # the largest of N uniform draws falls short of the bound by about bound / N
            assert bound * (1.0 - 12.0 / sample.numel()) < float(sample.abs().max()) <= bound


@pytest.mark.parametrize("family", ["lecun", "he", "glorot"])
def test_truncated_is_cut_at_two_widened_standard_deviations(family: str) -> None:
    entry = INITIALIZERS[f"{family}_truncated"]
    keras = 0.87962566103423978  # of keras.initializers.VarianceScaling
    for seed in range(3):
        scaled = draw(entry, (200, 300), seed) / math.sqrt(entry.variance(300, 200))
        assert 1.99 / keras < float(scaled.abs().max()) < 2.0 / keras + 1e-5
    # inside the cut it is a normal: about Phi(1) - Phi(-1) of its mass lies within one widened std
    share = float((scaled.abs() < 1.0 / keras).float().mean())
    assert share == pytest.approx(math.erf(0.5**0.5) / math.erf(2.0**0.5), abs=0.008)


@pytest.mark.parametrize("name", ["orthogonal", "lsuv"])
@pytest.mark.parametrize("shape", SHAPES + [(64, 64), (1, 9), (9, 1)])
def test_orthogonal_has_orthonormal_rows_or_columns(name: str, shape: tuple[int, ...]) -> None:
    matrix = draw(INITIALIZERS[name], shape).flatten(1).double()
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert torch.allclose(gram, torch.eye(len(gram), dtype=torch.float64), rtol=0.0, atol=1e-5)


def test_orthogonal_is_haar() -> None:
    """Of a Haar matrix the trace has mean 0 and variance 1; without the sign fix it has not."""
    source = generator()
    entry = INITIALIZERS["orthogonal"]
    traces = np.array(
        [float(entry.sample_(torch.empty(3, 3), 3, 3, source).trace()) for _ in range(3000)]
    )
    assert abs(traces.mean()) < 4.5 / math.sqrt(3000)
    assert abs((traces**2).mean() - 1.0) < 4.5 * (traces**2).std() / math.sqrt(3000)


@pytest.mark.parametrize("shape", [(32, 32, 3, 3), (48, 16, 3, 3), (12, 8, 5), (8, 8, 4, 1)])
def test_delta_orthogonal_is_zero_but_for_the_centre(shape: tuple[int, ...]) -> None:
    weight = draw(INITIALIZERS["delta_orthogonal"], shape)
    centre = (..., *(size // 2 for size in shape[2:]))
    tap = weight[centre].clone()
    weight[centre] = 0.0
    assert not weight.any()
    assert torch.allclose(tap.T @ tap, torch.eye(shape[1]), rtol=0.0, atol=1e-5)


def test_delta_orthogonal_keeps_the_norm_of_an_image() -> None:
    weight = draw(INITIALIZERS["delta_orthogonal"], (48, 16, 3, 3))
    image = torch.randn(2, 16, 8, 8, generator=generator())
    out = nn.functional.conv2d(image, weight, padding=1)
    assert float(out.norm()) == pytest.approx(float(image.norm()), rel=1e-5)


def test_delta_orthogonal_says_what_to_do_when_channels_shrink() -> None:
    with pytest.raises(ValueError, match="48 in and 16 out; widen the layer to 48 or use 'orth"):
        draw(INITIALIZERS["delta_orthogonal"], (16, 48, 3, 3))


def test_dense_layers_of_a_delta_orthogonal_network_are_orthogonal() -> None:
    for shape in ((16, 48), (48, 16)):
        delta, plain = (draw(INITIALIZERS[n], shape) for n in ("delta_orthogonal", "orthogonal"))
        assert torch.equal(delta, plain)


def test_laws_kinds_and_calibration() -> None:
    laws = {e.name: e.law for e in INITIALIZERS.values() if e.law != "independent"}
    assert laws == {"orthogonal": "orthogonal", "delta_orthogonal": "delta", "lsuv": "orthogonal"}
    assert [e.name for e in INITIALIZERS.values() if e.calibrated] == ["lsuv"]
    assert [e.name for e in INITIALIZERS.values() if e.kinds != ("mlp", "cnn")] == [
        "delta_orthogonal"
    ]


def test_labels_tell_the_keras_names_and_the_trap() -> None:
    for family in ("lecun", "he", "glorot"):
        assert f"(Keras's {family}_normal)" in INITIALIZERS[f"{family}_truncated"].label
        assert "untruncated" in INITIALIZERS[f"{family}_normal"].label
    assert "3/4" in INITIALIZERS["selu_gain"].label
    gain = nn.init.calculate_gain("selu")
    assert INITIALIZERS["selu_gain"].variance(64, 256) == pytest.approx(gain**2 * 2.0 / 320.0)


def test_mean_field_takes_its_parameters_within_bounds() -> None:
    entry = initializer("mean_field", sigma_w=1.5, sigma_b=0.2)
    assert entry.variance(50, 10) == pytest.approx(2.25 / 50)
    assert entry.bias_variance is not None
    assert entry.bias_variance(50) == pytest.approx(0.04)
    assert dict(entry.values) == {"sigma_w": 1.5, "sigma_b": 0.2}
    assert dict(initializer("mean_field").values) == {"sigma_w": 1.0, "sigma_b": 0.0}
    with pytest.raises(ValueError, match="sigma_w must be a number between 0.01 and 5, got 9"):
        initializer("mean_field", sigma_w=9)


def test_wrong_names_get_the_nearest_one() -> None:
    with pytest.raises(
        ValueError, match="Unknown initializer 'lecun_norm'. Did you mean 'lecun_normal'"
    ):
        initializer("lecun_norm")
    with pytest.raises(ValueError, match="Did you mean 'sigma_w'"):
        initializer("mean_field", sigmaw=1.0)
    with pytest.raises(ValueError, match="he_normal has no parameters"):
        initializer("he_normal", sigma_w=1.0)
