"""A designed activation as code to paste: activation, alpha dropout and initialization."""

from __future__ import annotations

from snn_core.tables import pick
from snn_core.theory.moments.designer import Design

__all__ = ["FRAMEWORKS", "design_code"]

_HEAD = '''\
"""SELU with alpha = {alpha:.6g}, scale = {scale:.6g}.

Its moment map keeps mean {mean:.6g} and variance {variance:.6g} for units whose weights sum to
omega = {omega:.6g} and whose squared weights sum to tau = {tau:.6g}.
{verdict}
"""
'''

_CONSTANTS = """\
ALPHA = {alpha!r}
SCALE = {scale!r}
MEAN = {mean!r}
VARIANCE = {variance!r}
OMEGA = {omega!r}
TAU = {tau!r}
KEEP = {keep!r}  # the share of units that alpha dropout keeps
ALPHA_PRIME = {alpha_prime!r}  # where it sends the others: the activation's limit on the left
A = {a!r}
B = {b!r}  # a (kept or sent) + b has the mean and the variance from before
"""

_TORCH = '''
import math

import torch
import torch.nn.functional as F
from torch import nn

{constants}

class DesignedSELU(nn.Module):
    """scale z for z > 0, scale alpha (e^z - 1) for z <= 0."""

    def forward(self, z):
        return SCALE * F.elu(z, ALPHA)


class DesignedAlphaDropout(nn.Module):
    """Alpha dropout with the constants of this activation; put it after the activation."""

    def forward(self, h):
        if not self.training:
            return h
        kept = torch.rand_like(h) < KEEP
        return A * torch.where(kept, h, torch.full_like(h, ALPHA_PRIME)) + B


@torch.no_grad()
def init_(module):
    """LeCun normal weights, times tau and about omega's mean; zero biases. For model.apply."""
    if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        fan_in = module.weight[0].numel()
        mean = OMEGA / fan_in
        nn.init.normal_(module.weight, mean, math.sqrt(max(TAU / fan_in - mean**2, 0.0)))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
'''

_KERAS = '''
import math

import keras

{constants}

@keras.saving.register_keras_serializable(package="designed")
def designed_selu(z):
    """scale z for z > 0, scale alpha (e^z - 1) for z <= 0."""
    return SCALE * keras.activations.elu(z, alpha=ALPHA)


@keras.saving.register_keras_serializable(package="designed")
class DesignedAlphaDropout(keras.layers.Layer):
    """Alpha dropout with the constants of this activation; put it after the activation."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, h, training=False):
        if not training:
            return h
        noise = keras.random.uniform(
            keras.ops.shape(h), dtype=self.compute_dtype, seed=self.seed_generator
        )
        return A * keras.ops.where(noise < KEEP, h, ALPHA_PRIME) + B


{initializer}
# keras.layers.Dense(256, activation=designed_selu, kernel_initializer=initializer)
'''

_LECUN = 'initializer = "lecun_normal"\n'
_SCALED = """\
# LeCun normal times tau.
initializer = keras.initializers.VarianceScaling(TAU, "fan_in", "truncated_normal")
"""
_SHIFTED = '''\
@keras.saving.register_keras_serializable(package="designed")
class Initializer(keras.initializers.Initializer):
    """LeCun normal weights, times tau and with omega's mean."""

    def __call__(self, shape, dtype=None):
        fan_in = math.prod(shape[:-1])
        mean = OMEGA / fan_in
        stddev = math.sqrt(max(TAU / fan_in - mean**2, 0.0))
        return keras.random.normal(shape, mean, stddev, dtype=dtype)


initializer = Initializer()
'''


def _torch(design: Design, constants: str) -> str:
    return _TORCH.format(constants=constants)


def _keras(design: Design, constants: str) -> str:
    centred = _LECUN if design.tau == 1.0 else _SCALED
    initializer = centred if design.omega == 0.0 else _SHIFTED
    code = _KERAS.format(constants=constants, initializer=initializer)
    return code if design.omega else code.replace("import math\n\n", "")


FRAMEWORKS = {"torch": _torch, "keras": _keras}


def design_code(design: Design, framework: str = "torch") -> str:
    """Returns a Python module: the activation, its alpha dropout and its initialization.

    The weights have variance tau / fan_in about the mean omega / fan_in: LeCun normal at omega =
    0, tau = 1. A single unit's sum of weights then still scatters about omega.

    Args:
        framework: "torch" or "keras" (Keras 3).

    Raises:
        ValueError: The framework is unknown.
    """
    write = pick(FRAMEWORKS, framework, "framework")
    numbers = {
        "alpha": design.alpha,
        "scale": design.scale,
        "mean": design.mean,
        "variance": design.variance,
        "omega": design.omega,
        "tau": design.tau,
        **design.dropout._asdict(),
    }
    head = _HEAD.format(**numbers, verdict=design.verdict)
    return head + write(design, _CONSTANTS.format(**numbers))
