"""Propagation with pooled statistics against the bare chain and the loop people write.

Claims: forward at most 1.3x the bare chain of the same products and activations and at most 1.0x
the hand-written loop (nn.Sequential, forward hooks, .mean().item(), .var().item()); forward and
backward with gradient statistics at most 1.0x the hand-written loop with tensor hooks on frozen
weights. Weights and inputs are drawn beforehand for all alike.

Then the whole call, with all to draw, against the loop from scratch: at most 0.7x; and again with
another weight factor, where draws are kept: at most 0.5x. Both also without the prediction. Where
there is a graphics card, the whole call on it against the same loop there and the bare products.

Then one seed of the default on one thread, as a live page runs it: what a first run costs, with
all to draw; the same with another factor, activation parameter or depth, where draws are kept;
with the statistics of the tabs, at most 1.3x without; with gradients, and with both. Each beside
the bare chain.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.rounds import interleave, ratio
from snn_core.network import Layer, build, draw_inputs
from snn_core.propagate import Watch, one_seed, run
from snn_core.propagate.passes import Drawn
from snn_core.propagate.run import measure
from snn_core.settings import Experiment, NetworkSpec

SHAPES = ((4, 512, 256, 32), (8, 1024, 128, 64), (1, 1024, 512, 64))
CARD = {(8, 1024, 128, 64): 20, (8, 4096, 1024, 64): 160, (8, 4096, 2048, 64): 550}  # asked, in ms


def bare_chain(weights: list[list[Tensor]], x: Tensor, buffers: list[Tensor]) -> None:
    """The products and activations and nothing else, into buffers that are there already."""
    with torch.inference_mode():
        for k, chain in enumerate(weights):
            h = x[k]
            for index, weight in enumerate(chain):
                h = torch.selu_(torch.mm(h, weight, out=buffers[index % 2]))


def hooked(modules: list[nn.Sequential]) -> Callable[[Tensor], None]:
    """The loop a person writes: forward hooks that take mean and variance."""
    found: list[tuple[float, float]] = []

    def note(module: nn.Module, args: object, h: Tensor) -> None:
        found.append((h.mean().item(), h.var().item()))

    for module in modules:
        for part in module:
            if isinstance(part, nn.SELU):
                part.register_forward_hook(note)

    def forward(x: Tensor) -> None:
        found.clear()
        with torch.no_grad():
            for k, module in enumerate(modules):
                module(x[k])

    return forward


def tensor_hooked(modules: list[nn.Sequential], cotangent: Tensor) -> Callable[[Tensor], None]:
    """The loop a person writes for gradients: tensor hooks, frozen weights."""
    found: list[tuple[float, float]] = []

    def note(gradient: Tensor) -> None:
        found.append((gradient.mean().item(), gradient.var().item()))

    def both(x: Tensor) -> None:
        found.clear()
        for k, module in enumerate(modules):
            h = x[k].clone().requires_grad_(True)
            h.register_hook(note)
            for part in module:
                h = part(h)
                if isinstance(part, nn.SELU):
                    found.append((h.mean().item(), h.var().item()))
                    h.register_hook(note)
            h.backward(cotangent)

    return both


def modules_of(layers: list[Layer], seeds: int) -> list[nn.Sequential]:
    found = []
    for k in range(seeds):
        parts: list[nn.Module] = []
        for layer in layers:
            out, fan_in = layer.weight.shape[1:]
            linear = nn.Linear(fan_in, out, bias=False)
            linear.weight = nn.Parameter(layer.weight[k].clone(), requires_grad=False)
            parts += [linear, nn.SELU()]
        found.append(nn.Sequential(*parts))
    return found


def compare(shape: tuple[int, int, int, int], rounds: int) -> None:
    seeds, batch, width, depth = shape
    network = NetworkSpec(depth=depth, width=width)
    experiment = Experiment(network=network, batch=batch, seeds=seeds)
    layers, x = build(experiment), draw_inputs(experiment, range(seeds))
    weights = [[layer.weight[k].t().contiguous() for layer in layers] for k in range(seeds)]
    buffers = [torch.empty(batch, width) for _ in range(2)]
    alone = [Drawn(build(experiment, [k]), x[k : k + 1]) for k in range(seeds)]
    modules = modules_of(layers, seeds)
    hooks, cotangent = hooked(modules), torch.randn(batch, width)
    gradients = tensor_hooked(modules_of(layers, seeds), cotangent)
    seconds = interleave(
        {
            "ours": lambda: measure(experiment, drawn=alone.__getitem__),
            "bare": lambda: bare_chain(weights, x, buffers),
            "hooks": lambda: hooks(x),
            "ours, both ways": lambda: measure(experiment, True, drawn=alone.__getitem__),
            "tensor hooks": lambda: gradients(x),
        },
        rounds,
    )
    print(f"\n(seeds, batch, width, depth) = {shape}")
    print("  forward / bare chain                ", ratio(seconds, "ours", "bare"))
    print("  forward / hand-written hooks        ", ratio(seconds, "ours", "hooks"))
    print("  hand-written hooks / bare chain     ", ratio(seconds, "hooks", "bare"))
    print(
        ("  forward+backward / tensor hooks     "),
        ratio(seconds, "ours, both ways", "tensor hooks"),
    )


def as_people_write(experiment: Experiment) -> Callable[[], list[tuple[float, float]]]:
    """The loop from scratch: draws weights and inputs, nn.Sequential, forward hooks, `.item()`."""
    e, net = experiment, experiment.network

    def whole() -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []

        def note(module: nn.Module, args: object, h: Tensor) -> None:
            found.append((h.mean().item(), h.var().item()))

        for _ in range(e.seeds):
            parts: list[nn.Module] = []
            for _ in range(net.depth):
                linear = nn.Linear(net.width, net.width, bias=False, device=e.device)
                nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
                parts += [linear, nn.SELU()]
                parts[-1].register_forward_hook(note)
            with torch.no_grad():
                nn.Sequential(*parts)(torch.randn(e.batch, net.width, device=e.device))
        return found

    return whole


def whole_call(shape: tuple[int, int, int, int], rounds: int) -> None:
    seeds, batch, width, depth = shape
    e = Experiment(NetworkSpec(depth=depth, width=width), batch=batch, seeds=seeds)
    step = itertools.count(1)  # no setting comes twice

    def drawn() -> Experiment:
        return replace(e, seed=next(step))

    def factor() -> Experiment:
        return replace(e, network=replace(e.network, weight_factor=1.0 + 1e-3 * next(step)))

    seconds = interleave(
        {
            "loop": as_people_write(e),
            "whole": lambda: run(drawn()),
            "measured": lambda: measure(drawn()),
            "again": lambda: run(factor()),
            "measured again": lambda: measure(factor()),
        },
        rounds,
    )
    print(f"\nwhole call at {shape} / the loop people write, weights drawn")
    print("  all drawn anew                      ", ratio(seconds, "whole", "loop"))
    print("  without the prediction              ", ratio(seconds, "measured", "loop"))
    print("  another weight factor               ", ratio(seconds, "again", "loop"))
    print("  without the prediction              ", ratio(seconds, "measured again", "loop"))


def on_a_card(shape: tuple[int, int, int, int], rounds: int) -> None:
    seeds, batch, width, depth = shape
    e = Experiment(NetworkSpec(depth=depth, width=width), batch=batch, seeds=seeds, device="cuda")
    step = itertools.count(1)
    weights = torch.randn(depth, seeds, width, width, device="cuda") * width**-0.5
    x = torch.randn(seeds, batch, width, device="cuda")

    def products() -> None:
        h = x
        for weight in weights:
            h = torch.bmm(h, weight)
        torch.cuda.synchronize()

    seconds = interleave(
        {
            "whole": lambda: run(replace(e, seed=next(step))),
            "measured": lambda: measure(replace(e, seed=next(step))),
            "detail": lambda: measure(replace(e, seed=next(step)), detail=True),
            "loop": as_people_write(e),
            "bare": products,
        },
        rounds,
    )
    print(f"\nwhole call at {shape} on {torch.cuda.get_device_name()}; asked: {CARD[shape]} ms")
    for name, each in seconds.items():
        print(f"  {name:9} {min(each) * 1e3:7.1f} ms  / loop {ratio(seconds, name, 'loop')}")
    print(f"  whole / bare {ratio(seconds, 'whole', 'bare')}")


def one_seed_alone(rounds: int) -> None:
    e = Experiment()
    layers, x = build(e, [0]), draw_inputs(e, [0])
    weights = [[layer.weight[0].t().contiguous() for layer in layers]]
    buffers = [torch.empty(e.batch, e.network.width) for _ in range(2)]
    step = itertools.count(1)  # no setting comes twice, as under a slider

    def turned(**setting: object) -> Callable[[], object]:
        net = replace(e.network, **setting)  # type: ignore[arg-type]
        return lambda: one_seed(replace(e, network=net), 0, watch=Watch(1))

    def seed(backward: bool, detail: bool) -> Callable[[], object]:
        return lambda: one_seed(e, 0, backward, detail, watch=Watch(1))

    def factor() -> object:
        return turned(weight_factor=1.0 + 1e-3 * next(step))()

    def parameter() -> object:
        return turned(activation_parameters=(("alpha", 1.6 + 1e-3 * next(step)),))()

    seconds = interleave(
        {
            "bare": lambda: bare_chain(weights, x, buffers),
            "first": lambda: one_seed(replace(e, seed=next(step)), 0, watch=Watch(1)),
            "again": seed(False, False),
            "another factor": factor,
            "another parameter": parameter,
            "one layer more": turned(depth=e.network.depth + 1),
            "detail": seed(False, True),
            "backward": seed(True, False),
            "backward, detail": seed(True, True),
        },
        rounds,
    )
    print("\none seed of the default, one thread")
    for name in seconds:
        best = f"{min(seconds[name]) * 1e3:6.1f} ms"
        print(f"  {name:18} {best}  / bare {ratio(seconds, name, 'bare')}")
    for name, peer in (
        ("again", "first"),
        ("another factor", "first"),
        ("one layer more", "first"),
        ("detail", "again"),
        ("backward, detail", "backward"),
    ):
        print(f"  {name} / {peer}: {ratio(seconds, name, peer)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {rounds} rounds")
    for shape in SHAPES:
        compare(shape, rounds)
        whole_call(shape, rounds)
    for shape in CARD if torch.cuda.is_available() else ():
        on_a_card(shape, rounds)
    torch.set_num_threads(1)
    one_seed_alone(rounds)


if __name__ == "__main__":
    main()
