"""An arm's weights as a file that other programs read: safetensors, without pickle."""

from __future__ import annotations

from collections.abc import Iterator

from safetensors.torch import save
from torch import Tensor

from snn_core.settings import Experiment, to_json
from snn_core.tables import number
from snn_core.train import Checkpoint
from snn_core.train.inspect import step_of
from snn_core.train.training import weights_in_use

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
        ValueError: An arm that the checkpoint has not.

    >>> from safetensors.torch import load
    >>> from snn_core.settings import NetworkSpec
    >>> from snn_core.train import start, state_of
    >>> run = start(Experiment(NetworkSpec(depth=1, width=4), "moons", seeds=1))
    >>> sorted(load(weights_safetensors(state_of(run), 0)))
    ['seed0.head.bias', 'seed0.head.weight', 'seed0.layer1.bias', 'seed0.layer1.weight']
    """
    index = int(number("arm", index, 0, len(checkpoint.arms) - 1, integer=True))
    experiment = checkpoint.experiments[index]
    metadata = {
        "settings": to_json(experiment),
        "step": str(step_of(checkpoint, index)),
        "format_version": str(FORMAT),
    }
    # copies: the file wants every tensor to have its own memory, in row-major order
    tensors = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in _named(checkpoint, index, experiment)
    }
    return save(tensors, metadata)


def _named(
    checkpoint: Checkpoint, index: int, experiment: Experiment
) -> Iterator[tuple[str, Tensor]]:
    first = 0
    for team in checkpoint.arms[index].teams:
        leaves = list(team.leaves)
        scale = leaves.pop() if experiment.training.trainable_scale else None
        head_weight, head_bias = leaves[-2:]
        runs = (len(leaves) - 2) // 2
        weights = [w for run in weights_in_use(team, experiment) for w in run.unbind(0)]
        biases = [b for run in leaves[runs : 2 * runs] for b in run.unbind(0)]
        for k in range(head_weight.shape[1]):
            seed = f"seed{first + k}"
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
                yield f"{seed}.layer{layer}.weight", weight[k]
                yield f"{seed}.layer{layer}.bias", bias[k]
                if scale is not None:
                    yield f"{seed}.layer{layer}.scale", scale[layer - 1, k]
            yield f"{seed}.head.weight", head_weight[0, k]
            yield f"{seed}.head.bias", head_bias[0, k]
        first += head_weight.shape[1]
