"""One pass of some rows of some seeds through their layers, and what it leaves behind."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_core.activations import Activation
from snn_core.network import (
    Layer,
    build,
    draw_cotangents,
    draw_inputs,
    draw_layers,
    forward,
    generator,
)
from snn_core.propagate.detail import (
    Output,
    Rows,
    Stack,
    finish,
    layer_detail,
    layer_means,
    needs_z,
    sample_size,
)
from snn_core.propagate.result import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.settings import Experiment, initializer_of
from snn_core.statistics import exact_moments, on_host, pooled_moments

__all__ = ["NOTHING", "Drawn", "Pass", "Stopped", "Watch", "merge", "passes"]


class Drawn(NamedTuple):
    """Some seeds' layers and inputs; what is None is drawn when it is needed."""

    layers: Iterable[Layer] | None
    x: Tensor | None


NOTHING = Drawn(None, None)
TOGETHER = 2**21  # bytes of outputs whose statistics are taken in one go: code stays warm


class Stopped(Exception):
    """The caller's progress function asked to stop."""


@dataclass(frozen=True)
class Pass:
    """What one pass of some rows of one seed left behind.

    ``moments`` and ``gradients`` are ``(depth + 1, 2)``: mean and variance, the input's first.
    ``weights`` is ``(depth, 3)``: mean omega and tau, share of units inside Theorem 1's box.
    """

    rows: int
    moments: np.ndarray
    weights: np.ndarray
    gradients: np.ndarray | None = None
    detail: Rows | None = None


@dataclass
class Watch:
    """How far the passes are, and whether they are to stop; shared by the worker threads."""

    total: int
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def tick(self) -> None:
        if self.stop.is_set():
            raise Stopped
        self.done += 1


def passes(
    experiment: Experiment,
    seeds: Sequence[int],
    drawn: Drawn = NOTHING,
    *,
    backward: bool,
    detail: bool,
    watch: Watch,
    rows: slice = slice(None),
) -> list[Pass]:
    """Forward, and backward where asked, through the layers of some seeds."""
    layers, x = drawn
    x = (draw_inputs(experiment, seeds) if x is None else x)[:, rows].detach()
    if layers is None:
        calibrated = initializer_of(experiment.network).calibrated
        layers = build(experiment, seeds) if calibrated else draw_layers(experiment, seeds)
    masks = [generator(experiment, k, "dropout", device=experiment.device) for k in seeds]
    found, waiting = defaultdict[str, list[Stack]](list), list[Output]()
    room = sample_size(experiment)

    def look(h: Tensor, act: Activation | None = None, z: Tensor | None = None) -> None:
        if backward:
            h.register_hook(take)
        waiting.append(Output(h.detach(), act, None if z is None else z.detach()))
        if len(waiting) * h.nbytes > TOGETHER:
            note()

    @torch.no_grad()
    def note() -> None:
        if detail and waiting:
            for name, each in layer_detail(waiting, room).items():
                found[name].extend(each)
        elif waiting:
            found["moments"].extend(_moments(each.h) for each in waiting)
        waiting.clear()

    def take(gradient: Tensor) -> None:
        watch.tick()
        found["gradients"].append(_moments(gradient))

    with torch.enable_grad() if backward else torch.inference_mode():
        h = x.requires_grad_(backward)
        look(h)
        for layer in layers:
            watch.tick()
            z, h = forward(layer, h, masks, keep_z=detail and needs_z(layer.activation))
            look(h, layer.activation, z)
            found["omega"].append(layer.omega)
            found["tau"].append(layer.tau)
        note()
        if backward:
            cotangent = draw_cotangents(experiment, seeds, h.shape[2:])[:, rows]
            torch.autograd.grad(h, x, cotangent.to(device=h.device, dtype=h.dtype))
    return _passes(x.shape[1], fetch(found))


def _moments(h: Tensor) -> Stack:
    """Every seed's mean and variance."""
    if on_host(h):
        return list(map(pooled_moments, h))
    return exact_moments(h.detach(), tuple(range(1, h.dim()))).T


def fetch(found: Mapping[str, Sequence[Stack]]) -> dict[str, list[Any]]:
    """Returns the stacks without tensors: from an accelerator by one transfer a number format.

    Whoever asks an accelerator for a number waits until it has done all that it was told before.
    """
    there = [
        x for each in found.values() for x in each if isinstance(x, Tensor) and not on_host(x)
    ]
    parts = {}
    for dtype in {x.dtype for x in there}:
        own = [x.reshape(-1) for x in there if x.dtype == dtype]
        parts[dtype] = iter(torch.cat(own).cpu().split([len(x) for x in own]))

    def fetched(x: Stack) -> Any:  # noqa: ANN401  an array, or a list as it is
        if not isinstance(x, Tensor):
            return x
        return x.numpy() if on_host(x) else next(parts[x.dtype]).reshape(x.shape).numpy()

    return {name: [fetched(x) for x in each] for name, each in found.items()}


def _passes(rows: int, found: Mapping[str, list[Sequence[Any]]]) -> list[Pass]:
    weights, back, details = _weights(found["omega"], found["tau"]), None, None
    if "gradients" in found:
        back = np.array(found["gradients"][::-1]).swapaxes(0, 1)  # they came from the top down
    if "moments" in found:
        moments = np.array(found["moments"]).swapaxes(0, 1)
    else:
        moments, details = finish(found)
    return [
        Pass(
            rows,
            moments[k],
            weights[k],
            None if back is None else back[k],
            None if details is None else details[k],
        )
        for k in range(len(moments))
    ]


def _weights(omega: Sequence[Sequence[Any]], tau: Sequence[Sequence[Any]]) -> np.ndarray:
    """The layers' mean omega and tau and their share inside Theorem 1's box, for every seed."""
    units = np.stack([np.concatenate(part, 1) for part in (omega, tau)], 1)
    box = np.array((THEOREM_1_OMEGA, THEOREM_1_TAU))[:, :, None]
    inside = ((units >= box[:, 0]) & (units <= box[:, 1])).all(1, keepdims=True)
    whole = np.concatenate((units, inside), 1)
    return layer_means(whole, [len(part[0]) for part in omega]).swapaxes(1, 2)


def merge(parts: Sequence[Pass]) -> Pass:
    """One pass from the passes of disjoint rows: the law of total variance, in float64."""
    rows = np.array([p.rows for p in parts], dtype=float)
    share = (rows / rows.sum())[:, None]

    @np.errstate(invalid="ignore")  # infinities are results
    def merged(tables: Sequence[np.ndarray]) -> np.ndarray:
        mean, variance = np.moveaxis(np.array(tables), 2, 0)
        middle = (share * mean).sum(0)
        return np.stack((middle, (share * (variance + (mean - middle) ** 2)).sum(0)), -1)

    gradients = [p.gradients for p in parts if p.gradients is not None]
    return replace(
        parts[0],
        rows=int(rows.sum()),
        moments=merged([p.moments for p in parts]),
        gradients=merged(gradients) if gradients else None,
    )
