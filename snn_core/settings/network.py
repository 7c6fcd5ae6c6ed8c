"""The network, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.activations import ACTIVATIONS, Activation, activation, called, formula
from snn_core.constraints import CONSTRAINTS, Constraint, constraint
from snn_core.initializers import INITIALIZERS, Initializer, initializer
from snn_core.normalizations import NORMALIZATIONS, Normalization, normalization
from snn_core.settings.knobs import Parameters, SettingError, check, knob, settle_part

__all__ = [
    "NetworkSpec",
    "activation_of",
    "constraint_of",
    "initializer_of",
    "normalization_of",
]


@dataclass(frozen=True)
class NetworkSpec:
    """A network: an MLP of ``depth`` dense layers, or ``depth - dense`` conv layers then dense.

    Frozen and hashable. Raises SettingError (a ValueError) for a value out of its bounds and for
    a combination that makes no sense.
    """

    kind: str = knob(
        "mlp",
        "Architecture",
        options=("mlp", "cnn"),
        help="Fully connected, or convolutional layers followed by dense ones.",
    )
    depth: int = knob(
        32,
        "Depth",
        1,
        512,
        help="Number of hidden layers, each a weight and an activation; of a CNN, convolutions "
        "and dense layers together.",
    )
    width: int = knob(256, "Width", 1, 4096, help="Units in every dense layer.")
    activation: str = knob(
        "selu",
        "Activation",
        options=ACTIVATIONS,
        own=lambda text: formula(text).name,
        help="The function applied to every unit.",
    )
    activation_parameters: Parameters = ()
    initializer: str = knob(
        "lecun_normal",
        "Initializer",
        options=INITIALIZERS,
        help="The distribution that the weights are drawn from.",
    )
    initializer_parameters: Parameters = ()
    weight_factor: float = knob(
        1.0,
        "Weight variance factor",
        0.0,
        100.0,
        help="Multiplies the variance of every weight as drawn: tau is multiplied by it.",
    )
    bias: float = knob(
        0.0,
        "Bias",
        -10.0,
        10.0,
        help="A constant added to every bias. The theory of self-normalization assumes 0.",
    )
    constraint: str = knob(
        "none",
        "Constraint",
        options=CONSTRAINTS,
        help="Imposed on the weights after they are drawn.",
    )
    constraint_parameters: Parameters = ()
    normalization: str = knob(
        "none",
        "Normalization layer",
        options=NORMALIZATIONS,
        help="A layer that normalizes explicitly, in every hidden layer.",
    )
    normalization_parameters: Parameters = ()
    normalization_position: str = knob(
        "before",
        "Normalization position",
        options=("before", "after"),
        help="Before or after the activation.",
    )
    dropout: str = knob(
        "none",
        "Dropout",
        options=("none", "alpha", "standard"),
        help=(
            "Alpha dropout sets dropped units to the activation's saturation value and "
            "restores mean and variance; standard dropout sets them to 0."
        ),
    )
    dropout_rate: float = knob(0.1, "Dropout rate", 0.0, 0.95, help="The share of units dropped.")
    residual: bool = knob(
        False,
        "Residual connections",
        help="Adds a layer's input to its output where their shapes agree.",
    )
    residual_scale: float = knob(
        1.0,
        "Residual branch scale",
        0.0,
        10.0,
        help="The layer's output is multiplied by this before its input is added.",
    )
    dense: int = knob(
        3,
        "Dense layers at the end",
        0,
        511,
        help="How many of the layers are dense; the ones before are convolutions.",
    )
    channels: int = knob(32, "Channels", 1, 1024, help="Channels of the first convolution.")
    channel_growth: float = knob(
        1.0,
        "Channel growth",
        1.0,
        4.0,
        help="Channels are multiplied by this after every pooling.",
    )
    kernel: int = knob(
        3,
        "Kernel",
        1,
        11,
        step=2,
        help="Height and width of every convolution's kernel, in pixels; odd.",
    )
    padding: str = knob(
        "zeros",
        "Padding",
        options=("zeros", "circular", "reflect"),
        help="What a convolution sees beyond the edge. Zeros lower the variance near the edge.",
    )
    pool: str = knob(
        "none",
        "Pooling",
        options=("none", "max", "average"),
        help="2 x 2 pooling, halving height and width.",
    )
    pool_every: int = knob(
        4, "Pool every", 1, 512, help="Pooling follows every so many convolutions."
    )

    def __post_init__(self) -> None:
        check(self)
        for name, make in _NETWORK_PARTS.items():
            settle_part(self, name, make)
        for settings, message, fit in _conflicts(self):
            raise SettingError(settings, message, fit)


_NETWORK_PARTS = {
    "activation": activation,
    "initializer": initializer,
    "constraint": constraint,
    "normalization": normalization,
}


def _conflicts(net: NetworkSpec) -> list[tuple[tuple[str, ...], str, dict[str, int]]]:
    """Conflicting settings: (those to change, sentence, values that would agree)."""
    found: list[tuple[tuple[str, ...], str, dict[str, int]]] = []
    if net.kind not in INITIALIZERS[net.initializer].kinds:
        found.append(
            (
                ("initializer",),
                (
                    f"{net.initializer} is for convolutions; an MLP has none. Use orthogonal, its "
                    f"counterpart for dense layers."
                ),
                {},
            )
        )
    act = activation_of(net)
    if net.dropout == "alpha" and act.saturation is None:
        known = ", ".join(a.name for a in ACTIVATIONS.values() if a.saturation is not None)
        found.append(
            (
                ("dropout",),
                (
                    f"Alpha dropout sets units to the value where the activation saturates, and "
                    f"{called(act)} has none. Use standard dropout, or one of {known}."
                ),
                {},
            )
        )
    if net.kernel % 2 == 0:
        found.append(
            (
                ("kernel",),
                (
                    f"kernel must be odd, so that padding keeps the size, got {net.kernel}; the "
                    f"nearest are {net.kernel - 1} and {net.kernel + 1}."
                ),
                {},
            )
        )
    if net.kind == "cnn" and net.dense >= net.depth:
        found.append(
            (
                ("dense", "depth", "kind"),
                (
                    f"A CNN of depth {net.depth} has room for at most {net.depth - 1} dense "
                    f"layers after its convolutions, got dense={net.dense}."
                ),
                {"dense": net.depth - 1},
            )
        )
    return found


def activation_of(net: NetworkSpec) -> Activation:
    """Returns the network's activation with its parameters."""
    return activation(net.activation, **dict(net.activation_parameters))


def initializer_of(net: NetworkSpec) -> Initializer:
    """Returns the network's initializer with its parameters."""
    return initializer(net.initializer, **dict(net.initializer_parameters))


def constraint_of(net: NetworkSpec) -> Constraint:
    """Returns the network's constraint with its parameters."""
    return constraint(net.constraint, **dict(net.constraint_parameters))


def normalization_of(net: NetworkSpec) -> Normalization:
    """Returns the network's normalization layer with its parameters."""
    return normalization(net.normalization, **dict(net.normalization_parameters))
