"""The ensemble against networks that a person would write in torch, and its random numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from snn_core.network import Layer, build, draw_inputs, forward, generator
from snn_core.settings import Experiment, NetworkSpec

SMALL = NetworkSpec(depth=4, width=48)
CNN = NetworkSpec(kind="cnn", depth=5, dense=2, width=24, channels=8)


def through(
    experiment: Experiment, layers: list[Layer], keep_z: bool = False
) -> list[torch.Tensor]:
    h = draw_inputs(experiment, range(experiment.seeds))
    masks = [generator(experiment, k, "dropout") for k in range(experiment.seeds)]
    found = [h]
    for layer in layers:
        found.append(forward(layer, found[-1], masks, keep_z)[1])
    return found


@pytest.mark.parametrize("network", [SMALL, CNN], ids=["mlp", "cnn"])
def test_a_seed_is_the_same_in_any_ensemble_and_at_any_depth(network: NetworkSpec) -> None:
    few = Experiment(network=network, seeds=2, batch=8)
    many = replace(few, seeds=5)
    for a, b in zip(build(few), build(many), strict=True):
        assert torch.equal(a.weight, b.weight[:2])
    assert torch.equal(draw_inputs(few, [1])[0], draw_inputs(many, range(5))[1])
    if network.kind == "mlp":
        deeper = replace(few, network=replace(network, depth=9))
        for a, b in zip(build(few), build(deeper), strict=False):
            assert torch.equal(a.weight, b.weight)


def test_seeds_and_layers_differ_and_the_global_generator_is_untouched() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    layers = build(Experiment(network=SMALL, seeds=3))
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(layers[0].weight[0], layers[0].weight[1])
    assert not torch.equal(layers[0].weight, layers[1].weight)
    other = build(Experiment(network=SMALL, seeds=3, seed=1))
    assert not torch.equal(layers[0].weight, other[0].weight)


@pytest.mark.parametrize("initializer", ["lecun_normal", "pytorch_default"])
def test_an_mlp_is_the_mlp_a_person_would_write(initializer: str) -> None:
    network = replace(SMALL, initializer=initializer, bias=0.25)
    experiment = Experiment(network=network, seeds=3, batch=16, dtype="float64")
    layers = build(experiment)
    stacked = through(experiment, layers)
    for k in range(3):
        h = stacked[0][k]
        for index, layer in enumerate(layers, start=1):
            linear = nn.Linear(48, 48, dtype=torch.float64)
            with torch.no_grad():
                linear.weight.copy_(layer.weight[k])
                linear.bias.copy_(layer.bias[k] if layer.bias is not None else torch.zeros(48))
            h = nn.SELU()(linear(h))
            assert torch.allclose(h, stacked[index][k], rtol=1e-10)


@pytest.mark.parametrize("padding", ["zeros", "circular", "reflect"])
def test_a_cnn_is_the_cnn_a_person_would_write(padding: str) -> None:
    network = replace(
        CNN, padding=padding, pool="max", pool_every=2, initializer=("pytorch_default")
    )
    experiment = Experiment(network=network, seeds=2, batch=4, image_size=8, dtype="float64")
    layers = build(experiment)
    stacked = through(experiment, layers)
    for k in range(2):
        h = stacked[0][k]
        for index, layer in enumerate(layers, start=1):
            if index <= 3:
                conv = nn.Conv2d(h.shape[1], 8, 3, padding=1, padding_mode=padding)
                conv.weight.data, conv.bias.data = layer.weight[k], layer.bias[k]
                h = torch.selu(conv(h))
                h = nn.MaxPool2d(2)(h) if index == 2 else h
            else:
                h = torch.selu(h.flatten(1) @ layer.weight[k].T + layer.bias[k])
            assert torch.allclose(h.detach(), stacked[index][k], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("network", [SMALL, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "rms", "group"])
def test_a_stack_of_seeds_is_every_seed_alone(network: NetworkSpec, normalization: str) -> None:
    network = replace(network, normalization=normalization, dropout="alpha", residual=True)
    experiment = Experiment(network=network, seeds=3, batch=8, image_size=8, dtype="float64")
    together = through(experiment, build(experiment))
    for k in range(3):
        h = draw_inputs(experiment, [k])
        masks = [generator(experiment, k, "dropout")]
        for index, layer in enumerate(build(experiment, [k]), start=1):
            h = forward(layer, h, masks)[1]
            assert torch.allclose(h[0], together[index][k], rtol=1e-9, atol=1e-12)


def test_residual_adds_the_input_where_shapes_agree() -> None:
    network = replace(SMALL, residual=True, residual_scale=0.5, depth=2)
    experiment = Experiment(network=network, seeds=1, batch=4, features=10, dtype="float64")
    layers = build(experiment)
    x, first, second = through(experiment, layers)
    assert [layer.plan.skip for layer in layers] == [False, True]
    plain = torch.selu(first[0] @ layers[1].weight[0].T)
    assert torch.allclose(first[0], torch.selu(x[0] @ layers[0].weight[0].T))
    assert torch.allclose(second[0], first[0] + 0.5 * plain)


def test_alpha_dropout_is_torchs_and_keeps_mean_and_variance() -> None:
    network = NetworkSpec(depth=1, width=512, dropout="alpha", dropout_rate=0.25)
    experiment = Experiment(network=network, seeds=1, batch=2048)
    dropped = through(experiment, build(experiment))[1]
    plain = replace(experiment, network=replace(network, dropout="none"))
    kept = through(plain, build(plain))[1]
    assert float(dropped.mean()) == pytest.approx(float(kept.mean()), abs=0.01)
    assert float(dropped.var()) == pytest.approx(float(kept.var()), rel=0.02)
    torch.manual_seed(0)
    theirs = nn.AlphaDropout(0.25).train()(torch.zeros(1000)).unique()
    low, high = float(dropped.min()), float(theirs.max())
    assert float(theirs.min()) == pytest.approx(low, rel=1e-5)  # the value of a dropped unit
    share = float((dropped <= low * 0.99999).double().mean())
    assert share == pytest.approx(0.25, abs=0.01) and high > 0


def test_standard_dropout_scales_what_is_kept() -> None:
    network = NetworkSpec(depth=1, width=64, dropout="standard", dropout_rate=0.5)
    experiment = Experiment(network=network, seeds=1, batch=64, dtype="float64")
    dropped = through(experiment, build(experiment))[1]
    plain = replace(experiment, network=replace(network, dropout="none"))
    kept = through(plain, build(plain))[1]
    alive = dropped != 0
    assert 0.4 < float(alive.double().mean()) < 0.6
    assert torch.allclose(dropped[alive], 2 * kept[alive])


@pytest.mark.parametrize("factor", [1.0, 0.5])
@pytest.mark.parametrize("network", [SMALL, CNN], ids=["mlp", "cnn"])
def test_lsuv_gives_every_preactivation_the_asked_variance(
    network: NetworkSpec, factor: float
) -> None:
    network = replace(network, initializer="lsuv", weight_factor=factor)
    experiment = Experiment(network=network, seeds=2, batch=64, data="uniform")
    h = draw_inputs(experiment, range(2))
    for layer in build(experiment):
        z, h = forward(layer, h, [], keep_z=True)
        found = z.flatten(1).var(1, unbiased=False)
        assert torch.allclose(found, torch.full((2,), factor), rtol=1e-4)


def test_weight_factor_multiplies_tau_and_omega_and_tau_are_the_weights_own() -> None:
    plain = build(Experiment(network=SMALL, seeds=2))
    doubled = build(Experiment(network=replace(SMALL, weight_factor=4.0), seeds=2))
    for a, b in zip(plain, doubled, strict=True):
        assert torch.allclose(b.weight, 2 * a.weight)
        assert torch.allclose(b.tau, 4 * a.tau)
        assert torch.allclose(a.omega, a.weight.double().sum(-1), atol=1e-5)
        assert torch.allclose(a.tau, a.weight.double().square().sum(-1), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_number_formats_share_their_weights(dtype: str) -> None:
    reference = build(Experiment(network=CNN, seeds=1, dtype="float64"))
    for a, b in zip(reference, build(Experiment(network=CNN, seeds=1, dtype=dtype)), strict=True):
        assert b.weight.dtype == getattr(torch, dtype)
        assert torch.equal(a.weight.to(b.weight.dtype), b.weight)


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("pool", ["none", "average"])
def test_every_layer_has_the_shape_of_its_plan(size: int, pool: str) -> None:
    """Also where the first dense layer has as many units as the image before it has values."""
    pooled = size // 2 if pool == "average" else size
    if pooled < 1:
        size, pooled = 2, 1
    width = 4 * pooled**2
    network = NetworkSpec(
        kind="cnn",
        depth=5,
        dense=3,
        channels=4,
        width=width,
        residual=True,
        pool=pool,
        pool_every=2,
    )
    experiment = Experiment(network=network, seeds=2, batch=3, image_size=max(size, 2))
    layers = build(experiment)
    for layer, h in zip(layers, through(experiment, layers)[1:], strict=True):
        side = layer.plan.output_size
        image = (side, side) if layer.plan.kind == "conv" else ()
        assert h.shape == (2, 3, layer.plan.outputs, *image)
    assert not layers[2].plan.skip and layers[3].plan.skip


def test_the_default_dtype_of_torch_does_not_matter() -> None:
    network = replace(SMALL, initializer="pytorch_default", dropout="alpha")
    experiment = Experiment(network=network, seeds=2, batch=8)
    usual = through(experiment, build(experiment))
    torch.set_default_dtype(torch.float64)
    try:
        again = through(experiment, build(experiment))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(usual, again, strict=True))
