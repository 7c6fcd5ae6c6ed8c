"""Networks from specs: an ordered list of layers, every weight with a leading ``seeds`` axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from snn_core.activations import Activation
from snn_core.constraints import Constraint
from snn_core.datasets import sample
from snn_core.draws import ROOM, kept
from snn_core.initializers import Initializer
from snn_core.normalizations import Normalization
from snn_core.settings import (
    Experiment,
    LayerPlan,
    NetworkSpec,
    activation_of,
    constraint_of,
    dataset_of,
    initializer_of,
    input_shape,
    normalization_of,
    plan_of,
)
from snn_core.statistics import squares

__all__ = [
    "Layer",
    "build",
    "draw_cotangents",
    "draw_inputs",
    "draw_layers",
    "forward",
    "generator",
]

STATE = 5056  # bytes of a generator's state
STREAMS = ("weights", "inputs", "dropout", "cotangent", "head", "order", "mixup")


@dataclass(frozen=True)
class Layer:
    """One hidden layer, ready to compute.

    ``weight`` is ``(seeds, out, in, *kernel)``; ``bias`` is ``(seeds, out)`` or None for zero.
    ``omega`` and ``tau`` are ``(seeds, out)`` float64: sum(w) and sum(w^2) of every unit.
    ``scale`` is ``(seeds,)``, what the activation's output is multiplied by, or None for 1.
    """

    spec: NetworkSpec
    plan: LayerPlan
    activation: Activation
    normalization: Normalization
    weight: Tensor
    bias: Tensor | None
    omega: Tensor
    tau: Tensor
    scale: Tensor | None = None


def generator(
    experiment: Experiment, seed_index: int, stream: str, *time: int, device: str = "cpu"
) -> Generator:
    """Returns the random numbers of one seed for one purpose, at one time where it matters.

    They depend on the experiment's seed, the index, the purpose and the time alone, so that seed k
    of an ensemble of 8 is seed k of an ensemble of 16. An accelerator draws where it computes, by
    a generator of its own kind: its numbers are like the CPU's in distribution alone.
    """
    entropy = (experiment.seed, seed_index, STREAMS.index(stream), *time)
    state = np.random.SeedSequence(entropy).generate_state(1)[0]
    return torch.Generator(device).manual_seed(int(state))


def draw_inputs(experiment: Experiment, seeds: Sequence[int]) -> Tensor:
    """Returns every seed's own batch, ``(seeds, batch, *input shape)``, in the network's dtype.

    Of a real data set it is the same rows on every device.
    """
    shape, data = input_shape(experiment), dataset_of(experiment)
    e = experiment
    what = ("inputs", e.data, e.data_parameters, e.standardize, e.batch, shape)
    size = 4 * e.batch * math.prod(shape)

    def rows(index: int) -> Tensor:
        source = generator(e, index, "inputs", device=e.device if data.draw else "cpu")
        return sample(data, e.batch, math.prod(shape), source, e.standardize)

    drawn = [_seeds_own(e, k, what, size, lambda k=k: (rows(k),))[0] for k in seeds]
    dtype = getattr(torch, e.dtype)
    return torch.stack(drawn).unflatten(-1, shape).to(device=e.device, dtype=dtype)


def draw_cotangents(
    experiment: Experiment, seeds: Sequence[int], shape: tuple[int, ...]
) -> Tensor:
    """Returns every seed's standard normal cotangent, ``(seeds, batch, *shape)``, float32."""
    shape, device = (experiment.batch, *shape), experiment.device

    def draw(k: int) -> Tensor:
        source = generator(experiment, k, "cotangent", device=device)
        return torch.randn(shape, generator=source, dtype=torch.float32, device=device)

    what, size = ("cotangent", shape), 4 * math.prod(shape)
    drawn = [_seeds_own(experiment, k, what, size, lambda k=k: (draw(k),))[0] for k in seeds]
    return torch.stack(drawn)


def _seeds_own(
    experiment: Experiment,
    seed_index: int,
    what: tuple[Hashable, ...],
    size: float,
    draw: Callable[[], tuple[Tensor, ...]],
) -> tuple[Tensor, ...]:
    """What one seed draws: kept, where the seeds up to this one have room for ``size`` bytes each.

    Of an ensemble that has no room as a whole, the first seeds are kept rather than none: what
    goes round in a memory that is too small is always gone when it is needed again. An accelerator
    draws as fast as it would read.
    """

    def drawn() -> tuple[Tensor, ...]:
        with torch.inference_mode(False), torch.no_grad():  # what is kept must serve both modes
            return draw()

    if experiment.device != "cpu" or (seed_index + 1) * size > ROOM:
        return drawn()
    return kept((experiment.seed, seed_index, *what), drawn)


def draw_layers(
    experiment: Experiment, seeds: Sequence[int], keep: bool = True
) -> Iterator[Layer]:
    """Yields the layers from the input up, drawing each one's weights when it is asked for.

    Without ``keep`` its random numbers don't stay for who asks again (`snn_core.draws`).
    A shallower network is a prefix of a deeper one. A network with LSUV still has to be
    calibrated on data (`calibrate`).
    """
    net = experiment.network
    law, rule = initializer_of(net), constraint_of(net)
    act, norm = activation_of(net), normalization_of(net)
    plans = plan_of(experiment)
    device = experiment.device
    sources = [generator(experiment, index, "weights", device=device) for index in seeds]
    states = [source.get_state() for source in sources]
    size = sum(4 * layer.fan_in * layer.outputs + STATE for layer in plans) if keep else math.inf
    for shapes, past in zip(plans, _pasts(law, plans), strict=True):
        weight = torch.empty(len(seeds), *shapes.weight_shape, dtype=torch.float32, device=device)
        bias = None
        if law.bias_distribution or net.bias:
            bias = torch.zeros(len(seeds), shapes.outputs, dtype=torch.float32, device=device)
        for k, (index, source) in enumerate(zip(seeds, sources, strict=True)):
            draw = partial(_numbers, law, shapes, source, states[k])
            numbers, *biases, states[k] = _seeds_own(experiment, index, past, size, draw)
            law.fill_(weight[k], numbers, shapes.fan_in, shapes.fan_out)
            if biases and bias is not None:
                law.fill_bias_(bias[k], biases[0], shapes.fan_in)
        if net.weight_factor != 1.0 and not law.calibrated:
            weight *= math.sqrt(net.weight_factor)
        if bias is not None:
            bias += net.bias
        yield _finished(experiment, rule, shapes, act, norm, weight, bias)


def _pasts(law: Initializer, plans: Sequence[LayerPlan]) -> Iterator[tuple[Hashable, ...]]:
    """All that a layer's random numbers depend on but the seed: its own shape and those before.

    The layers of a seed are drawn one after the other from one generator. Equal shapes in a row
    are counted, so that the past of a deep network is short.
    """
    biases = law.bias_distribution and law.bias_distribution.name
    runs: tuple[Hashable, ...] = ()
    for shape, run in itertools.groupby(plan.weight_shape for plan in plans):
        for count, _ in enumerate(run, start=1):
            yield ("weights", law.distribution.name, biases, *runs, shape, count)
        runs += (shape, count)


def _numbers(
    law: Initializer, shapes: LayerPlan, source: Generator, state: Tensor
) -> tuple[Tensor, ...]:
    """A layer's random numbers from that state, its biases' if any, and the state afterwards."""
    source.set_state(state)
    found = [law.distribution.draw(shapes.weight_shape, source)]
    if law.bias_distribution is not None:
        found.append(law.bias_distribution.draw((shapes.outputs,), source))
    return (*found, source.get_state())


def _finished(
    experiment: Experiment,
    rule: Constraint,
    shapes: LayerPlan,
    act: Activation,
    norm: Normalization,
    weight: Tensor,
    bias: Tensor | None,
) -> Layer:
    """Projects, rounds to the network's dtype and takes omega and tau of what is really used."""
    weight = rule.project_(weight)
    dtype, device = getattr(torch, experiment.dtype), experiment.device
    weight = weight.to(device=device, dtype=dtype)
    bias = None if bias is None else bias.to(device=device, dtype=dtype)
    rows = weight.flatten(2).to(torch.promote_types(dtype, torch.float32))
    omega, tau = rows.sum(-1).double(), squares(rows).double()
    if experiment.network.kind == "cnn" and shapes.kind == "conv" and device == "cpu":
        weight = _channels_last(weight)
    return Layer(experiment.network, shapes, act, norm, weight, bias, omega, tau)


def _channels_last(stack: Tensor) -> Tensor:
    """The same numbers laid out channels last, which CPU convolutions are fastest with."""
    flat = stack.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return flat.unflatten(0, stack.shape[:2])


def calibrate(experiment: Experiment, layer: Layer, h: Tensor) -> Layer:
    """Returns the layer with its weights rescaled so that the pre-activation has unit variance.

    The variance is pooled over batch, units and positions, per seed; ``weight_factor`` replaces
    the 1. Mishkin & Matas, "All you need is a good init", arXiv:1511.06422, algorithm 1.
    """
    z = linear(layer, h).flatten(1).double()
    scale = (experiment.network.weight_factor / z.var(1, unbiased=False)).sqrt()
    scale = torch.where(scale.isfinite(), scale, 1.0)
    shape = (-1,) + (1,) * (layer.weight.dim() - 1)
    weight = layer.weight.double() * scale.reshape(shape)
    rule = constraint_of(experiment.network)
    act, norm = layer.activation, layer.normalization
    return _finished(experiment, rule, layer.plan, act, norm, weight.float(), layer.bias)


def build(
    experiment: Experiment, seeds: Sequence[int] | None = None, inputs: Tensor | None = None
) -> list[Layer]:
    """Returns the layers of the experiment's ensemble: all its seeds, or the ones named.

    LSUV is calibrated on ``inputs``, ``(seeds, batch, *input shape)``, or else on what
    `draw_inputs` draws.
    """
    seeds = range(experiment.seeds) if seeds is None else seeds
    layers = draw_layers(experiment, seeds)
    if not initializer_of(experiment.network).calibrated:
        return list(layers)
    h, done = draw_inputs(experiment, seeds) if inputs is None else inputs, []
    device = experiment.device
    masks = [generator(experiment, index, "dropout", device=device) for index in seeds]
    for layer in layers:
        done.append(calibrate(experiment, layer, h))
        _, h = forward(done[-1], h, masks)
    return done


def linear(layer: Layer, h: Tensor) -> Tensor:
    """Returns the weighted sum plus bias, ``(seeds, batch, out)`` or ``(..., out, h, w)``.

    float16 on a CPU is multiplied in float32 and rounded once, as accelerators do; the CPU's own
    float16 product is some 60 times slower.
    """
    dtype = h.dtype
    weight, bias = layer.weight, layer.bias
    if dtype == torch.float16 and h.device.type == "cpu":
        h, weight = h.float(), weight.float()
        bias = None if bias is None else bias.float()
    if layer.plan.kind == "conv":
        return _convolve(layer, h, weight, bias).to(dtype)
    h, rows = h.flatten(2), weight.transpose(1, 2)
    z = torch.bmm(h, rows) if bias is None else torch.baddbmm(bias.unsqueeze(1), h, rows)
    return z.to(dtype)


def _convolve(layer: Layer, h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution of every seed with its own kernels, as one grouped convolution."""
    seeds, batch = h.shape[:2]
    h = h.transpose(0, 1).flatten(1, 2)
    reach, mode = layer.plan.kernel // 2, layer.spec.padding
    if mode != "zeros" and reach:
        h = F.pad(h, (reach,) * 4, mode=mode)
    z = F.conv2d(
        h,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        padding=reach if mode == "zeros" else 0,
        groups=seeds,
    )
    return z.unflatten(1, (seeds, -1)).transpose(0, 1)


def forward(
    layer: Layer, h: Tensor, masks: Sequence[Generator], keep_z: bool = False
) -> tuple[Tensor, Tensor]:
    """Returns (z, h): the activation's input and the layer's output.

    Where ``keep_z`` is False, z may share its memory with the activation's output.
    """
    spec, plan, act = layer.spec, layer.plan, layer.activation
    z = linear(layer, h)
    if spec.normalization != "none" and spec.normalization_position == "before":
        z = layer.normalization.apply(z, 2)
    fn = act.fn if keep_z or act.fn_ is None else act.fn_
    out = fn(z)
    if layer.scale is not None:
        out = out * layer.scale.reshape(-1, *[1] * (out.dim() - 1))
    if spec.normalization != "none" and spec.normalization_position == "after":
        out = layer.normalization.apply(out, 2)
    if spec.dropout != "none":
        out = _drop(spec, act, out, masks)
    if plan.skip:
        out = h + spec.residual_scale * out
    if plan.pooled:
        pool = F.max_pool2d if spec.pool == "max" else F.avg_pool2d
        out = pool(out.flatten(0, 1), 2).unflatten(0, out.shape[:2])
    return z, out


def _drop(spec: NetworkSpec, act: Activation, h: Tensor, masks: Sequence[Generator]) -> Tensor:
    """Dropout as in training; alpha dropout keeps mean 0 and variance 1 (SNN paper, section 3)."""
    keep = 1.0 - spec.dropout_rate
    shape = h.shape[1:]
    like = {"dtype": torch.float32, "device": masks[0].device}
    drawn = [torch.empty(shape, **like).bernoulli_(keep, generator=g) for g in masks]
    kept = torch.stack(drawn).to(device=h.device, dtype=h.dtype)
    if spec.dropout == "standard":
        return h * kept / keep
    low = act.saturation or 0.0
    a = (keep + low**2 * keep * (1.0 - keep)) ** -0.5
    b = -a * (1.0 - keep) * low
    return a * (h * kept + low * (1.0 - kept)) + b
