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
from snn_core.cost import DECOMPOSED, decompositions
from snn_core.network import Layer, build, forward, generator, linear
from snn_core.normalizations import NORMALIZATIONS
from snn_core.propagate import Stopped
from snn_core.settings import Experiment, LayerPlan, constraint_of

__all__ = [
    "Networks",
    "Pass",
    "Trace",
    "adapt",
    "ask",
    "copy_of",
    "draw",
    "effective",
    "is_slow",
    "is_slow_constraint",
    "layers_of",
    "never",
    "project_",
    "run_pass",
]

SLOW = 1e9  # floating-point operations of a product, some 10 ms: worth asking whether to stop


def never() -> bool:
    """Returns False, always."""
    return False


@dataclass
class Networks:
    """Some seeds' networks, and an output head, one dense layer, which depth does not count.

    ``shapes`` are the layers without weights. Layers of one shape in a row are one parameter
    tensor, so that optimizer and constraint see few and large ones: ``weights`` are
    ``(layers, seeds, out, in, *kernel)``, ``biases`` ``(layers, seeds, out)``. ``scale`` is
    ``(depth, seeds)``, the head ``(1, seeds, classes, features)`` and ``(1, seeds, classes)``.
    Whoever trains them sets ``should_stop``, which is asked before whatever takes long.
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
    constraint: Constraint
    should_stop: Callable[[], bool] = never

    @property
    def parametrized(self) -> bool:
        """Whether a constraint makes the weights in use from free ones, differentiably."""
        manner = self.experiment.training.constraint_manner
        return self.constraint.name != "none" and manner == "parametrization"

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


def ask(net: Networks) -> None:
    """Raises Stopped where the networks' training is to stop."""
    if net.should_stop():
        raise Stopped


def is_slow(plan: LayerPlan, seeds: int, rows: int) -> bool:
    """Returns whether one product of the layer takes long for a person who wants to stop."""
    return 2.0 * plan.fan_in * plan.units * seeds * rows > SLOW


def is_slow_constraint(net: Networks) -> bool:
    """Returns whether the constraint takes long for a person who wants to stop."""
    name = net.constraint.name
    if name not in DECOMPOSED:
        return False
    work = sum(decompositions(name, [layer.plan for layer in net.shapes]))
    return len(net.seeds) * work > SLOW


def draw(experiment: Experiment, seeds: Sequence[int], outputs: int, inputs: Tensor) -> Networks:
    """Returns the seeds' networks as `build` draws them, with zero biases where it has none.

    The head's weights are LeCun normal, N(0, 1 / features), its biases zero. LSUV is calibrated on
    ``inputs``, the seeds' first batches.
    """
    layers = build(experiment, seeds, inputs)
    plans = [layer.plan for layer in layers]
    shapes = tuple(replace(layer, weight=_NOTHING, bias=_NOTHING) for layer in layers)
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
    return Networks(
        experiment=experiment,
        seeds=tuple(seeds),
        shapes=shapes,
        quiet=_without_dropout(shapes),
        weights=weights,
        biases=biases,
        head=_head_layer(experiment, features, outputs),
        head_weight=head_weight.to(**like).unsqueeze(0),
        head_bias=torch.zeros(1, len(seeds), outputs, **like),
        scale=ones if experiment.training.trainable_scale else None,
        constraint=constraint_of(experiment.network),
    )


def _without_dropout(shapes: Sequence[Layer]) -> tuple[Layer, ...]:
    spec = replace(shapes[0].spec, dropout="none")
    return tuple(replace(layer, spec=spec) for layer in shapes)


@torch.no_grad()
def copy_of(net: Networks) -> Networks:
    """Returns networks with parameters of their own, which nobody trains yet."""

    def cloned(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensor.detach().clone() for tensor in tensors]

    head_weight, head_bias, *scale = cloned(net.leaves()[2 * len(net.weights) :])
    return replace(
        net,
        weights=cloned(net.weights),
        biases=cloned(net.biases),
        head_weight=head_weight,
        head_bias=head_bias,
        scale=scale[0] if scale else None,
        should_stop=never,
    )


@torch.no_grad()
def adapt(net: Networks, experiment: Experiment) -> Networks:
    """Returns the networks as those of an experiment with another training, constraint, dropout.

    Another constraint starts from the weights in use and projects them at once, both in place.
    """
    spec, old = experiment.network, net.experiment
    shapes = tuple(replace(layer, spec=spec) for layer in net.shapes)
    new = replace(
        net,
        experiment=experiment,
        shapes=shapes,
        quiet=_without_dropout(shapes),
        constraint=constraint_of(spec),
    )
    if _constrained_how(experiment) != _constrained_how(old):
        for weight, used in zip(net.weights, effective(net), strict=True):
            weight.copy_(used)  # into a convolution's memory layout
        project_(new)
    return new


def _constrained_how(experiment: Experiment) -> tuple[object, ...]:
    spec = experiment.network
    return spec.constraint, spec.constraint_parameters, experiment.training.constraint_manner


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


def effective(net: Networks) -> list[Tensor]:
    """Returns the weights that the networks compute with, shaped as ``net.weights``.

    Where that may take long, it asks before every network's every layer whether to stop, and so
    does the backward pass.

    Raises:
        Stopped: It was so.
    """
    if not net.parametrized:
        return net.weights
    apply = partial(_applied, net) if is_slow_constraint(net) else net.constraint.apply
    return [apply(run.flatten(0, 1)).unflatten(0, run.shape[:2]) for run in net.weights]


def _applied(net: Networks, stack: Tensor) -> Tensor:
    found = []
    for weight in stack.split(1):
        ask(net)
        found.append(net.constraint.apply(weight))
        _ask_on_the_way_back(net, found[-1])
    return torch.cat(found)


def _ask_on_the_way_back(net: Networks, tensor: Tensor) -> None:
    if tensor.requires_grad:
        tensor.register_hook(lambda gradient: ask(net))


@torch.no_grad()
def project_(net: Networks) -> None:
    """Projects the hidden layers' weights, unless they are parametrized; biases stay free.

    Where that may take long, it asks before every network's every layer whether to stop.

    Raises:
        Stopped: It was so; some layers are projected and others not.
    """
    if net.parametrized or net.constraint.name == "none":
        return
    slow = is_slow_constraint(net)
    for run in net.weights:
        # one layer alone is squeezed, since flattening could copy a convolution's layout
        stack = run.squeeze(0) if len(run) == 1 else run.flatten(0, 1)
        for weight in stack.split(1) if slow else (stack,):
            if slow:
                ask(net)
            net.constraint.project_(weight)


def layers_of(net: Networks, quiet: bool = False) -> list[Layer]:
    """Returns the hidden layers with the weights of now; without dropout where ``quiet``.

    It stops as `effective` does.
    """
    weights = [w for run in effective(net) for w in _unbound(run)]
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
    net: Networks,
    x: Tensor,
    masks: Sequence[Generator] = (),
    quiet: bool = False,
    keep: bool = False,
) -> Pass:
    """Returns the pass of ``x``, ``(seeds, rows, *input shape)``, through layers and head.

    Before a large product, also one of the backward pass, it asks whether to stop.

    Raises:
        Stopped: It was so.
    """
    h, found = x, Pass(_NOTHING, [x] if keep else [], [])
    # in place on a view, as z is one, autograd would copy every gradient
    keep_z = keep or torch.is_grad_enabled()
    for layer in layers_of(net, quiet):
        if slow := is_slow(layer.plan, *x.shape[:2]):
            ask(net)
        z, h = forward(layer, h, masks, keep_z=keep_z)
        if slow:
            _ask_on_the_way_back(net, h)
        if keep:
            found.h.append(h)
            found.z.append(z)
    weight, bias = net.head_weight.squeeze(0), net.head_bias.squeeze(0)
    found.outputs = linear(replace(net.head, weight=weight, bias=bias), h)
    return found
