"""The known ways to break self-normalization, each a setting with the verdict that it must get."""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.diagnosis.repairs import Settings, experiment_of
from snn_core.settings import Experiment

__all__ = ["TRAPS", "Trap", "trapped"]


@dataclass(frozen=True)
class Trap:
    """A way to break it.

    Attributes:
        name: Its key in TRAPS.
        label: What a button says.
        story: What people do, and what comes of it; for a person who has not read the paper.
        settings: Keys as in a link; all else is the default.
        kind: The kind of verdict that it gets, a key of KINDS.
    """

    name: str
    label: str
    story: str
    settings: Settings
    kind: str


def trapped(trap: Trap) -> Experiment:
    """Returns the experiment of a trap."""
    return experiment_of(trap.settings)


_CNN: Settings = (
    *(("kind", "cnn"), ("depth", 16), ("dense", 1), ("channels", 48), ("image_size", 16)),
    *(("batch", 32), ("seeds", 4), ("width", 64)),
)

_ALL = (
    Trap(
        "torch_gain",
        "PyTorch's gain 3/4 for SELU",
        "torch.nn.init.calculate_gain('selu') returns 3/4, so xavier_ or kaiming_ with it "
        "draws weights of tau = 9/16. It keeps gradients from growing, at the price of the "
        "fixed point: the variance settles near 0.04 instead of 1. Use nonlinearity='linear'.",
        (("initializer", "selu_gain"),),
        "settles",
    ),
    Trap(
        "torch_default",
        "PyTorch's default weights",
        "nn.Linear draws uniform weights of variance 1 / (3 fan_in), so tau = 1/3: the "
        "variance falls in every layer until little but its random biases is left, and the "
        "input is forgotten. Whoever does not choose an initializer gets these.",
        (("initializer", "pytorch_default"), ("depth", 48)),
        "forgets",
    ),
    Trap(
        "he",
        "He weights with SELU",
        "He normal weights, tau = 2, are made for ReLU, which cuts half of its input away. "
        "SELU does not, and the variance grows by a tenth in every layer without end.",
        (("initializer", "he_normal"), ("depth", 48)),
        "explodes",
    ),
    Trap(
        "truncated",
        "Keras's truncated normal (harmless)",
        "Keras's lecun_normal is a normal distribution cut off at two standard deviations, where "
        "the paper draws from a plain one. Keras makes up for the cut, so tau is 1 all the same, "
        "and nothing breaks.",
        (("initializer", "lecun_truncated"),),
        "holds",
    ),
    Trap(
        "dropout",
        "Standard dropout instead of alpha",
        "Standard dropout sends units to 0 and scales the rest up, which adds variance in "
        "every layer; alpha dropout sends them to SELU's saturation value and restores both "
        "moments.",
        (("dropout", "standard"), ("dropout_rate", 0.2)),
        "settles",
    ),
    Trap(
        "unit_input",
        "Input in [0, 1]",
        "Raw brightness between 0 and 1 has mean 1/2 and variance 1/12, and all samples look "
        "alike to the first layer. SELU pulls the moments back, but it takes layers, and a "
        "network of few has none to spare.",
        (("data", "uniform"), ("depth", 4)),
        "drifts",
    ),
    Trap(
        "bias",
        "A bias of 0.1",
        "Biases that start at 0.1, as some examples have it, move every pre-activation: mean "
        "and variance settle elsewhere.",
        (("bias", 0.1),),
        "settles",
    ),
    Trap(
        "max_pooling",
        "Max pooling",
        "The largest of four neighbours has a higher mean and a smaller variance than any of "
        "them; the theorem knows nothing of pooling.",
        (*_CNN, ("pool", "max"), ("pool_every", 4)),
        "drifts",
    ),
    Trap(
        "zero_padding",
        "Zero padding",
        "Near the edge of an image a convolution sees zeros among its inputs: tau is smaller "
        "there, and the variance falls from the edge inwards, layer by layer. Small images "
        "are all edge.",
        (("kind", "cnn"), ("depth", 24), ("dense", 0), ("channels", 48), ("image_size", 8),
         ("kernel", 5), ("batch", 32), ("seeds", 4), ("width", 64)),
        "settles",
    ),
    Trap(
        "float16",
        "float16 at depth 256",
        "He weights with SELU again: float32 carries the growing numbers through 256 layers, "
        "float16 ends at 65,504. With LeCun normal weights float16 is enough: SELU brings "
        "every rounding error back.",
        (("dtype", "float16"), ("depth", 256), ("width", 128), ("initializer", "he_normal"),
         ("seeds", 4), ("batch", 64)),
        "overflows",
    ),
    Trap(
        "narrow",
        "Narrow layers",
        "The theorem's sums run over many inputs. With 6 units a layer they do not average "
        "out, and every network goes its own way.",
        (("width", 6), ("depth", 48), ("seeds", 16), ("features", 6)),
        "scatters",
    ),
    Trap(
        "relu_edge",
        "ReLU at the edge",
        "ReLU with He weights keeps the variance on average, neither growing nor falling, but "
        "nothing brings it back: what one layer gets wrong the next one keeps, so deep "
        "networks differ by orders of magnitude, and samples become alike.",
        (("activation", "relu"), ("initializer", "he_normal"), ("depth", 192), ("width", 64),
         ("seeds", 16), ("batch", 64)),
        "scatters",
    ),
)  # fmt: skip
TRAPS = {trap.name: trap for trap in _ALL}
