"""An arm's weights as a file that other programs read: safetensors, without pickle."""

from __future__ import annotations

import torch
from safetensors.torch import save
from torch import Tensor

from snn_core.settings import to_json
from snn_core.tables import number
from snn_core.train import Checkpoint
from snn_core.train.networks import effective

__all__ = ["FORMAT", "weights_safetensors"]

FORMAT = 1  # goes up when a name changes its meaning


def weights_safetensors(checkpoint: Checkpoint, index: int) -> bytes:
    """Returns arm ``index``'s weights at the checkpoint as the bytes of a safetensors file.

    Tensors, for every seed k from 0 and layer l from 1: ``seed{k}.layer{l}.weight``, ``(out, in,
    *kernel)``, as the network computes with it, so after a parametrized constraint;
    ``seed{k}.layer{l}.bias``, ``(out,)``; ``seed{k}.layer{l}.scale``, ``()``, what the
    activation's output is multiplied by, if that was trained; ``seed{k}.head.weight`` and
    ``.bias``. A dense layer after convolutions sees ``(channels, height, width)`` flattened.

    The metadata are text: ``settings``, the JSON of what differs from the defaults; ``step``;
    ``format_version``.

    Raises:
        ValueError: The checkpoint has no such arm.

    >>> from safetensors.torch import load
    >>> from snn_core.settings import Experiment, NetworkSpec
    >>> from snn_core.train import start, state_of
    >>> run = start(Experiment(NetworkSpec(depth=1, width=4), "moons", seeds=1))
    >>> sorted(load(weights_safetensors(state_of(run), 0)))
    ['seed0.head.bias', 'seed0.head.weight', 'seed0.layer1.bias', 'seed0.layer1.weight']
    """
    index = int(number("arm", index, 0, len(checkpoint.arms) - 1, integer=True))
    experiment = checkpoint.experiments[index]
    metadata = {
        "settings": to_json(experiment),
        "step": str(checkpoint.arms[index].step),
        "format_version": str(FORMAT),
    }
    # copies: in the file every tensor has memory of its own, in row-major order
    tensors = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in _named(checkpoint, index)
    }
    return save(tensors, metadata)


@torch.no_grad()
def _named(checkpoint: Checkpoint, index: int) -> list[tuple[str, Tensor]]:
    found, first = [], 0
    for net in (group.net for group in checkpoint.arms[index].groups):
        weights = [w for run in effective(net) for w in run.unbind(0)]
        biases = [b for run in net.biases for b in run.unbind(0)]
        for k in range(len(net.seeds)):
            seed = f"seed{first + k}"
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
                found.append((f"{seed}.layer{layer}.weight", weight[k]))
                found.append((f"{seed}.layer{layer}.bias", bias[k]))
                if net.scale is not None:
                    found.append((f"{seed}.layer{layer}.scale", net.scale[layer - 1, k]))
            found.append((f"{seed}.head.weight", net.head_weight[0, k]))
            found.append((f"{seed}.head.bias", net.head_bias[0, k]))
        first += len(net.seeds)
    return found
