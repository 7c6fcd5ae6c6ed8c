"""The shapes of a network's layers, for the builder and for the theory."""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.settings.knobs import SettingError
from snn_core.settings.network import NetworkSpec, normalization_of

__all__ = ["LayerPlan", "plan"]


@dataclass(frozen=True)
class LayerPlan:
    """One hidden layer's shapes.

    Attributes:
        kind: "dense" or "conv".
        inputs, outputs: Features of a dense layer, channels of a convolution.
        size: Height and width that a convolution works at; 1 for a dense layer.
        kernel: Height and width of the kernel; 1 for a dense layer.
        pooled: Whether a 2 x 2 pooling follows.
        skip: Whether the layer's input is added to its output.
    """

    kind: str
    inputs: int
    outputs: int
    size: int = 1
    kernel: int = 1
    pooled: bool = False
    skip: bool = False

    @property
    def fan_in(self) -> int:
        """Inputs of one unit: features, or channels times kernel area."""
        return self.inputs * self.kernel**2

    @property
    def fan_out(self) -> int:
        """Outputs that one input feeds: features, or channels times kernel area."""
        return self.outputs * self.kernel**2

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of one seed's weight, ``(out, in, *kernel)``."""
        kernel = (self.kernel, self.kernel) if self.kind == "conv" else ()
        return (self.outputs, self.inputs, *kernel)

    @property
    def output_size(self) -> int:
        """Height and width after the pooling."""
        return self.size // 2 if self.pooled else self.size

    @property
    def units(self) -> int:
        """Values per sample before the pooling."""
        return self.outputs * self.size**2


def plan(net: NetworkSpec, shape: tuple[int, ...]) -> tuple[LayerPlan, ...]:
    """Returns every hidden layer's shapes for an input of ``(features,)`` or ``(c, h, w)``.

    Raises SettingError where a layer can't be built: an image too small for its padding or
    pooling, groups that do not divide the channels.
    """
    layers = _conv_layers(net, shape) if net.kind == "cnn" else ()
    size = layers[-1].output_size if layers else 1
    features = layers[-1].outputs * size**2 if layers else shape[0]
    images = len(layers)
    for index in range(images, net.depth):
        # The first dense layer sees images, not a vector, even where the sizes agree.
        skip = net.residual and features == net.width and (index > images or not images)
        layers += (LayerPlan("dense", features, net.width, skip=skip),)
        features = net.width
    _check_groups(net, layers)
    return layers


def _conv_layers(net: NetworkSpec, shape: tuple[int, ...]) -> tuple[LayerPlan, ...]:
    inputs, size = shape[0], shape[1]
    channels, layers = float(net.channels), ()
    for index in range(1, net.depth - net.dense + 1):
        outputs = min(round(channels), 1024)
        pooled = net.pool != "none" and index % net.pool_every == 0
        _check_image(net, size, pooled, index)
        if net.initializer == "delta_orthogonal" and outputs < inputs:
            raise SettingError(
                ("initializer", "channels"),
                f"delta_orthogonal needs at least as many channels as its input has, and layer "
                f"{index} goes from {inputs} to {outputs}. Use at least {inputs} channels.",
            )
        skip = net.residual and not pooled and inputs == outputs
        layers += (LayerPlan("conv", inputs, outputs, size, net.kernel, pooled, skip),)
        inputs, size = outputs, layers[-1].output_size
        channels *= net.channel_growth if pooled else 1.0
    return layers


def _check_image(net: NetworkSpec, size: int, pooled: bool, index: int) -> None:
    reach = net.kernel // 2
    if net.padding != "zeros" and reach >= size:
        raise SettingError(
            ("padding", "kernel", "pool"),
            f"{net.padding} padding of {reach} pixels needs a larger image than {size} x {size}, "
            f"which is what layer {index} sees. Use zeros, a smaller kernel or less pooling.",
        )
    if pooled and size < 2:
        raise SettingError(
            ("pool_every", "pool"),
            f"Layer {index} can't be pooled: its image is {size} x {size} already. "
            f"Pool less often, or not at all.",
        )


def _check_groups(net: NetworkSpec, layers: tuple[LayerPlan, ...]) -> None:
    groups = int(dict(normalization_of(net).values).get("groups", 1))
    for index, layer in enumerate(layers, start=1):
        if layer.outputs % groups:
            fits = [g for g in range(1, layer.outputs + 1) if layer.outputs % g == 0]
            near = min(fits, key=lambda g: abs(g - groups))
            raise SettingError(
                ("normalization.groups", "normalization"),
                f"{groups} groups do not divide the {layer.outputs} outputs of layer {index}; "
                f"the nearest that does is {near}.",
            )
