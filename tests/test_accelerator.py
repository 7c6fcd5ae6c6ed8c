"""What an accelerator is told to do, on the CPU: the same numbers, and nobody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from snn_core import network
from snn_core.activations import ACTIVATIONS
from snn_core.initializers import INITIALIZERS
from snn_core.network import Layer, build, draw_inputs, generator
from snn_core.normalizations import NORMALIZATIONS
from snn_core.propagate import Pass, Watch, assemble, detail, passes, run
from snn_core.propagate.passes import NOTHING, Drawn
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.mean_field.predict import predict

MLP = NetworkSpec(depth=4, width=24)
CNN = NetworkSpec(kind="cnn", depth=4, dense=2, width=24, channels=8, pool="max")
KINDS = {
    "mlp": MLP,
    "cnn": CNN,
    "dropout": replace(MLP, dropout="alpha", bias=0.1, initializer="pytorch_default"),
    "residual": replace(CNN, residual=True, normalization="batch"),
    "overflow": replace(MLP, depth=40, activation="relu", weight_factor=100.0),
    "dead": replace(MLP, activation="softplus", weight_factor=0.0),
    **{name: replace(MLP, activation=name) for name in ACTIVATIONS},
    **{name: replace(MLP, normalization=name) for name in NORMALIZATIONS},
}


def small(network: NetworkSpec, seeds: int = 3) -> Experiment:
    return Experiment(network, batch=16, seeds=seeds, image_size=8)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything takes the way of an accelerator."""
    for module in (detail, passes):
        monkeypatch.setattr(module, "on_host", lambda x: False)


def all_seeds(experiment: Experiment, drawn: Drawn = NOTHING, costly: bool = True) -> list[Pass]:
    seeds, watch = range(experiment.seeds), Watch(1)
    return passes.passes(experiment, seeds, drawn, backward=True, detail=costly, watch=watch)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_the_cpu(kind: str, costly: bool, apart: None) -> None:
    e = small(KINDS[kind])
    found = assemble(e, all_seeds(e, costly=costly), predict(e))
    with pytest.MonkeyPatch.context() as normal:
        for module in (detail, passes):
            normal.setattr(module, "on_host", lambda x: True)
        expected = run(e, backward=True, detail=costly)
    names = ["mean", "variance", "omega", "tau", "inside", "gradient_mean", "gradient_variance"]
    pairs = [(getattr(found, name), getattr(expected, name)) for name in names]
    if costly:
        for field in fields(expected.detail):
            pair = (getattr(found.detail, field.name), getattr(expected.detail, field.name))
            pairs += zip(*pair, strict=True) if isinstance(pair[0], tuple) else [pair]
    assert found.died_at == expected.died_at and found.diverged_at == expected.diverged_at
    for own, other in pairs:
        scale = np.abs(other, where=np.isfinite(other), out=np.zeros_like(other)).max()
        sound = np.isfinite(other)
        assert np.array_equal(np.isfinite(own), sound)
        assert np.allclose(own[sound], other[sound], rtol=1e-5, atol=1e-6 * scale)


class Fetched(Exception):
    pass


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_asks_for_a_number_before_the_end_of_a_pass(
    kind: str, costly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors of the meta device have none: any question would be an error."""
    e, found = small(KINDS[kind]), {}

    def fetch(each: Mapping[str, Sequence[Tensor]]) -> None:
        found.update(each)
        raise Fetched

    def away(layer: Layer) -> Layer:
        bias = None if layer.bias is None else layer.bias.to("meta")
        names = ("weight", "omega", "tau")
        return replace(layer, bias=bias, **{n: getattr(layer, n).to("meta") for n in names})

    monkeypatch.setattr(passes, "fetch", fetch)
    drawn = Drawn([away(layer) for layer in build(e)], draw_inputs(e, range(3)).to("meta"))
    with pytest.raises(Fetched):
        all_seeds(e, drawn, costly)
    assert len(found["units" if costly else "moments"]) == e.network.depth + 1
    for each in found.values():
        assert all(x.device.type == "meta" and len(x) == 3 for x in each)


class Questions(TorchDispatchMode):
    """Counts the numbers that are asked for."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("kind", ["mlp", "cnn", "dropout"])
def test_transfers_are_as_many_whatever_the_depth_and_the_seeds(
    kind: str, costly: bool, apart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for depth, seeds in ((3, 1), (3, 4), (9, 4)):
        e, moved = small(replace(KINDS[kind], depth=depth), seeds), []
        monkeypatch.setattr(Tensor, "cpu", _counting(moved))
        with Questions() as questions:
            all_seeds(e, costly=costly)
        counts.append((len(moved), questions.count))
        monkeypatch.undo()
        for module in (detail, passes):
            monkeypatch.setattr(module, "on_host", lambda x: False)
    assert counts == [(1 + costly, 0)] * 3  # float64, and the float32 of the samples


def _counting(moved: list[Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: (moved.append(x), x.to("cpu"))[1]


class Pretending(TorchFunctionMode):
    """Gives a tensor of the CPU to whoever wants one of the accelerator."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == "cuda":
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


@pytest.mark.parametrize("initializer", INITIALIZERS)
@pytest.mark.parametrize(("data", "rows"), [("gaussian", "cuda"), ("digits", "cpu")])
def test_random_numbers_are_drawn_on_the_device_but_for_the_rows_of_a_table(
    initializer: str, data: str, rows: str, apart: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = MLP if "mlp" in INITIALIZERS[initializer].kinds else CNN
    net = replace(net, dropout="alpha", initializer=initializer, bias=0.1)
    e, asked = replace(small(net), data=data), set()

    def noting(
        experiment: Experiment, k: int, stream: str, *time: int, device: str = "cpu"
    ) -> torch.Generator:
        asked.add((stream, device))
        return generator(experiment, k, stream, *time)

    expected = all_seeds(e)
    object.__setattr__(e, "device", "cuda")
    for module in (network, passes):
        monkeypatch.setattr(module, "generator", noting)
    with Pretending():
        found = all_seeds(e)
    there = {(stream, "cuda") for stream in ("weights", "dropout", "cotangent")}
    assert asked == there | {("inputs", rows)}
    for own, other in zip(found, expected, strict=True):  # weights may lie otherwise in memory
        assert np.allclose(own.moments, other.moments, rtol=1e-5, atol=1e-7)
        assert np.allclose(own.gradients, other.gradients, rtol=1e-5, atol=1e-7)
