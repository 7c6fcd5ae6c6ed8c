"""The networks that learn: their parameters, every tensor with a seeds axis, and their pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import Constraint
from snn_core.cost import decompositions
from snn_core.network import Layer, build, forward, generator, linear
from snn_core.normalizations import NORMALIZATIONS
from snn_core.propagate import Stopped
from snn_core.settings import Experiment, LayerPlan, constraint_of

__all__ = [
    "Ensemble",
    "Pass",
    "Trace",
    "draw",
    "effective",
    "is_slow",
    "is_slow_rule",
    "layers_of",
    "never",
    "parametrized",
    "project_",
    "run_pass",
]

SLOW = 1e9  # floating-point operations of a product, some 10 ms: worth asking whether to stop


@dataclass
class Ensemble:
    """Some seeds' networks, and an output head, one dense layer, which depth does not count.

    ``shapes`` are the layers without weights. Layers of one shape in a row are one parameter
    tensor, so that optimizer and constraint see few and large ones: ``weights`` are
    ``(layers, seeds, out, in, *kernel)``, ``biases`` ``(layers, seeds, out)``. ``scale`` is
    ``(depth, seeds)``, the head ``(1, seeds, classes, features)`` and ``(1, seeds, classes)``.
    """

    experiment: Experiment
    seeds: tuple[int, ...]
    shapes: tuple[Layer, ...]
    quiet: tuple[Layer, ...]  # the same without dropout
    weights: list[Tensor]
    biases: list[Tensor]
    head: Layer
    head_weight: Tensor
    head_bias: Tensor
    scale: Tensor | None
    rule: Constraint
    parametrized: bool

    def leaves(self) -> list[Tensor]:
        """Returns all parameters; the seeds are axis 1 of every one."""
        found = [*self.weights, *self.biases, self.head_weight, self.head_bias]
        return found if self.scale is None else [*found, self.scale]


@dataclass
class Pass:
    """The outputs, ``(seeds, rows, outputs)``, and where asked for every layer's h and z."""

    outputs: Tensor
    h: list[Tensor]
    z: list[Tensor]


@dataclass(frozen=True)
class Trace:
    """All layers' h, z and dL/dh, in blocks ``(layers, seeds, rows, ...)``.

    A block is of neighbours of one shape, so that statistics are few kernels; ``h`` and
    ``gradients`` begin with the input's. There may be no ``z``: then the activation's ``pull``
    tells its slopes from h.
    """

    h: list[Tensor]
    z: list[Tensor]
    gradients: list[Tensor]


def never() -> bool:
    """Returns False, always."""
    return False


def is_slow(plan: LayerPlan, seeds: int, rows: int) -> bool:
    """Returns whether one product of the layer takes long for a person who wants to stop."""
    return 2.0 * plan.fan_in * plan.units * seeds * rows > SLOW


def is_slow_rule(net: Ensemble) -> bool:
    """Returns whether the constraint takes long for a person who wants to stop."""
    work = sum(decompositions(net.rule.name, [layer.plan for layer in net.shapes]))
    return len(net.seeds) * work > SLOW


def draw(experiment: Experiment, seeds: Sequence[int], outputs: int, inputs: Tensor) -> Ensemble:
    """Returns the seeds' networks as `build` draws them, with zero biases where it has none.

    The head's weights are LeCun normal, N(0, 1 / features), its biases zero. LSUV is calibrated on
    ``inputs``, the seeds' first batches.
    """
    layers = build(experiment, seeds, inputs)
    plans = [layer.plan for layer in layers]
    shapes = tuple(replace(layer, weight=_NOTHING, bias=_NOTHING) for layer in layers)
    spec = replace(experiment.network, dropout="none")
    weights, biases = [], []
    for _, group in itertools.groupby(range(len(plans)), lambda index: _run_key(plans, index)):
        run = [layers[index] for index in group]
        if len(run) == 1:  # keeps a convolution's memory layout
            weights.append(run[0].weight.detach().clone().unsqueeze(0))
        else:
            weights.append(torch.stack([layer.weight for layer in run]))
        biases.append(torch.stack([_bias(layer) for layer in run]))
    features = plans[-1].outputs * plans[-1].output_size ** 2
    head_weight = torch.stack([_head(experiment, k, outputs, features) for k in seeds])
    like = {"dtype": weights[0].dtype, "device": weights[0].device}
    ones = torch.ones(len(plans), len(seeds), **like)
    net = Ensemble(
        experiment=experiment,
        seeds=tuple(seeds),
        shapes=shapes,
        quiet=tuple(replace(layer, spec=spec) for layer in shapes),
        weights=weights,
        biases=biases,
        head=_head_layer(experiment, features, outputs),
        head_weight=head_weight.to(**like).unsqueeze(0),
        head_bias=torch.zeros(1, len(seeds), outputs, **like),
        scale=ones if experiment.training.trainable_scale else None,
        rule=constraint_of(experiment.network),
        parametrized=experiment.training.constraint_manner == "parametrization",
    )
    for leaf in net.leaves():
        leaf.requires_grad_(True)
    return net


_NOTHING = torch.empty(0)


def _run_key(plans: Sequence[LayerPlan], index: int) -> tuple[object, ...]:
    """Equal for neighbours that share a parameter tensor; a convolution stands alone."""
    plan = plans[index]
    return (plan.weight_shape, index if plan.kind == "conv" else -1)


def _bias(layer: Layer) -> Tensor:
    weight = layer.weight
    return weight.new_zeros(weight.shape[:2]) if layer.bias is None else layer.bias


def _head(experiment: Experiment, k: int, outputs: int, features: int) -> Tensor:
    source = generator(experiment, k, "head")
    return torch.empty(outputs, features).normal_(0.0, features**-0.5, generator=source)


def _head_layer(experiment: Experiment, features: int, outputs: int) -> Layer:
    spec = replace(experiment.network, normalization="none", dropout="none", residual=False)
    plan = LayerPlan("dense", features, outputs)
    act, norm = ACTIVATIONS["identity"], NORMALIZATIONS["none"]
    return Layer(spec, plan, act, norm, _NOTHING, None, _NOTHING, _NOTHING)


def parametrized(weight: Tensor, rule: Constraint) -> Tensor:
    """Returns what ``rule`` makes of ``(layers, seeds, out, in, *kernel)``, to differentiate."""
    return rule.apply(weight.flatten(0, 1)).unflatten(0, weight.shape[:2])


def effective(net: Ensemble, should_stop: Callable[[], bool] = never) -> list[Tensor]:
    """Returns the weights that the networks compute with, shaped as ``net.weights``.

    Where that may take long, it asks ``should_stop`` before every network's every layer, and so
    does the backward pass.

    Raises:
        Stopped: It was true.
    """
    if not net.parametrized or net.rule.name == "none":
        return net.weights
    if not is_slow_rule(net):
        return [parametrized(weight, net.rule) for weight in net.weights]

    def one(weight: Tensor) -> Tensor:
        _ask(should_stop)
        found = net.rule.apply(weight)
        if found.requires_grad:
            found.register_hook(partial(_ask, should_stop))
        return found

    return [
        torch.cat([one(each) for each in weight.flatten(0, 1).split(1)]).unflatten(
            0, weight.shape[:2]
        )
        for weight in net.weights
    ]


@torch.no_grad()
def project_(net: Ensemble, should_stop: Callable[[], bool] = never) -> None:
    """Projects the hidden layers' weights, unless they are parametrized; biases stay free.

    Where that may take long, it asks ``should_stop`` before every network's every layer.

    Raises:
        Stopped: It was true; some layers are projected and others not.
    """
    if net.parametrized or net.rule.name == "none":
        return
    for weight in net.weights:
        if is_slow_rule(net):
            for layer, seed in itertools.product(*map(range, weight.shape[:2])):
                _ask(should_stop)
                net.rule.project_(weight[layer, seed : seed + 1])
            continue
        # one layer alone is squeezed, since flattening could copy a convolution's layout
        net.rule.project_(weight.squeeze(0) if len(weight) == 1 else weight.flatten(0, 1))


def layers_of(
    net: Ensemble, quiet: bool = False, should_stop: Callable[[], bool] = never
) -> list[Layer]:
    """Returns the hidden layers with the weights of now; without dropout where ``quiet``.

    ``should_stop`` is as in `effective`.
    """
    weights = [w for run in effective(net, should_stop) for w in _unbound(run)]
    biases = [b for run in net.biases for b in _unbound(run)]
    scales = [None] * len(weights) if net.scale is None else net.scale.unbind(0)
    return [
        Layer(s.spec, s.plan, s.activation, s.normalization, w, b, _NOTHING, _NOTHING, scale)
        for s, w, b, scale in zip(
            net.quiet if quiet else net.shapes, weights, biases, scales, strict=True
        )
    ]


def _unbound(run: Tensor) -> Sequence[Tensor]:
    return (run.squeeze(0),) if len(run) == 1 else run.unbind(0)


def run_pass(
    net: Ensemble,
    x: Tensor,
    masks: Sequence[Generator] = (),
    quiet: bool = False,
    keep: bool = False,
    should_stop: Callable[[], bool] = never,
) -> Pass:
    """Returns the pass of ``x``, ``(seeds, rows, *input shape)``, through layers and head.

    Before a large product, also one of the backward pass, it asks ``should_stop``.

    Raises:
        Stopped: It was true.
    """
    h, found = x, Pass(_NOTHING, [x] if keep else [], [])
    # in place on a view, as z is one, autograd would copy every gradient
    keep_z = keep or torch.is_grad_enabled()
    for layer in layers_of(net, quiet, should_stop):
        if slow := is_slow(layer.plan, *x.shape[:2]):
            _ask(should_stop)
        z, h = forward(layer, h, masks, keep_z=keep_z)
        if slow and h.requires_grad:
            h.register_hook(partial(_ask, should_stop))
        if keep:
            found.h.append(h)
            found.z.append(z)
    s = net.head
    weight, bias = net.head_weight.squeeze(0), net.head_bias.squeeze(0)
    head = Layer(s.spec, s.plan, s.activation, s.normalization, weight, bias, s.omega, s.tau)
    found.outputs = linear(head, h)
    return found


def _ask(should_stop: Callable[[], bool], gradient: Tensor | None = None) -> None:
    if should_stop():
        raise Stopped
