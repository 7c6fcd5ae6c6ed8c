"""Kept random numbers are those that would be drawn, and take no more memory than they may."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from snn_core import draws, network
from snn_core.diagnosis import fan_in_experiment
from snn_core.draws import keeper
from snn_core.initializers import INITIALIZERS
from snn_core.network import Layer, build, draw_cotangents, draw_inputs
from snn_core.settings import Experiment, NetworkSpec

KINDS = {
    "mlp": NetworkSpec(depth=4, width=24),
    "narrow": NetworkSpec(depth=3, width=3),
    "cnn": NetworkSpec(kind="cnn", depth=5, dense=2, width=24, channels=8, pool="max"),
}
CHANGES = (
    {},
    {"weight_factor": 0.7},
    {"activation": "elu", "activation_parameters": (("alpha", 0.5),)},
    {"bias": 0.3},
    {"depth": 6},
    {"depth": 4, "initializer": "mean_field", "initializer_parameters": (("sigma_b", 0.2),)},
    {"constraint": "centralize_unit"},
)


def anew(key: object, draw: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return draw()


def equal(a: list[Layer], b: list[Layer]) -> bool:
    pairs = [(x.weight, y.weight) for x, y in zip(a, b, strict=True)]
    pairs += [(x.bias, y.bias) for x, y in zip(a, b, strict=True) if x.bias is not None]
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_kept_weights_are_those_drawn_anew(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if KINDS[kind].kind not in INITIALIZERS[name].kinds:
        return
    first = Experiment(replace(KINDS[kind], initializer=name), seeds=2, batch=8, image_size=8)
    cases = [replace(first, network=replace(first.network, **change)) for change in CHANGES]
    monkeypatch.setattr(network, "kept", keeper(draws.ROOM))
    kept = [build(e) for e in (*cases, *reversed(cases))]
    monkeypatch.setattr(network, "kept", anew)
    for found, e in zip(kept, (*cases, *reversed(cases)), strict=True):
        assert equal(found, build(e))


@pytest.mark.parametrize("kind", KINDS)
def test_another_factor_activation_or_depth_draws_nothing_again(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = Experiment(KINDS[kind], seeds=2, batch=8, image_size=8)
    keep, drawn = keeper(draws.ROOM), []

    def counting(key: object, draw: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        return keep(key, lambda: (drawn.append(key), draw())[1])  # type: ignore[arg-type]

    monkeypatch.setattr(network, "kept", counting)
    build(e)
    assert len(drawn) == 2 * e.network.depth
    for change in CHANGES[:4]:
        build(replace(e, network=replace(e.network, **change)))
    build(replace(e, network=replace(e.network, initializer="he_normal")))
    assert len(drawn) == 2 * e.network.depth
    build(replace(e, network=replace(e.network, depth=e.network.depth + 1)))
    assert len(drawn) == 2 * (e.network.depth + 1) or kind == "cnn"  # one more convolution


@pytest.mark.parametrize("change", [{}, {"data": "uniform"}, {"batch": 9}, {"standardize": True}])
def test_kept_inputs_and_cotangents_are_those_drawn_anew(
    change: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = replace(Experiment(KINDS["mlp"], seeds=3, batch=8), **change)
    take = (lambda: draw_inputs(e, [2, 0]), lambda: draw_cotangents(e, [1, 2], (24,)))
    monkeypatch.setattr(network, "kept", keeper(draws.ROOM))
    kept = [draw() for draw in take for _ in range(2)]
    monkeypatch.setattr(network, "kept", anew)
    for found, draw in zip(kept, (take[0], take[0], take[1], take[1]), strict=True):
        assert torch.equal(found, draw())


def test_a_draw_in_inference_mode_serves_autograd_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "kept", keeper(draws.ROOM))
    e = Experiment(KINDS["mlp"], seeds=1, batch=8)
    with torch.inference_mode():
        draw_inputs(e, [0])
        build(e)
    layers, x = build(e), draw_inputs(e, [0]).requires_grad_(True)
    (x @ layers[0].weight.transpose(1, 2)).sum().backward()
    assert x.grad is not None


def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    keep, drawn = keeper(4096), []

    def ask(key: int, size: int = 1024) -> None:
        keep(key, lambda: (drawn.append(key), (torch.zeros(size // 4),))[1])

    for key in (0, 1, 2, 3, 0, 4):  # 4 needs the room of 1, since 0 was asked for again
        ask(key)
    assert drawn == [0, 1, 2, 3, 4]
    for key in (0, 2, 3, 4):
        ask(key)
    assert drawn == [0, 1, 2, 3, 4]
    ask(1)
    assert drawn[-1] == 1
    ask(9, 8192)  # larger than the room: not kept, and nothing goes for it
    ask(9, 8192)
    assert drawn[-2:] == [9, 9]
    ask(1)
    assert drawn[-1] == 9


def test_of_an_ensemble_too_large_the_first_seeds_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    e = Experiment(KINDS["mlp"], seeds=6, batch=8)
    held: set[object] = set()
    size = 4 * (4 * 24 * 24 + network.STATE)
    monkeypatch.setattr(network, "ROOM", 3 * size)
    monkeypatch.setattr(network, "kept", lambda key, draw: (held.add(key), draw())[1])
    build(e)
    seeds = {key[1] for key in held if isinstance(key, tuple)}
    assert seeds and seeds < set(range(6)) and seeds == set(range(len(seeds)))


def test_threads_share_it() -> None:
    keep = keeper(64 * 400)
    keys = list(itertools.islice(itertools.cycle(range(100)), 4000))

    def ask(key: int) -> bool:
        (x,) = keep(key, lambda: (torch.full((100,), float(key)),))
        return bool((x == key).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, keys))


def test_the_table_of_fan_ins_leaves_the_memory_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(network, "kept", lambda key, draw: asked.append(key) or draw())
    fan_in_experiment(fan_ins=(4, 8), units=64)
    assert not any("weights" in key for key in asked)
