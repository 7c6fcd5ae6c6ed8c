"""Independent zero-mean weights: LeCun, He, Glorot, PyTorch's default, SELU's gain, mean field."""

from __future__ import annotations

from typing import NamedTuple

from snn_core.initializers.distribution import CUT_STD, NORMAL, TRUNCATED, UNIFORM
from snn_core.initializers.initializer import Initializer
from snn_core.tables import Parameter

__all__ = ["GLOROT", "HE", "LECUN", "mean_field", "pytorch_default", "scaled", "selu_gain"]


class _Family(NamedTuple):
    """Weights of variance gain / fan; fan_avg is (fan_in + fan_out) / 2."""

    name: str
    person: str
    gain: float
    mode: str
    torch_code: str  # with a hole for "normal" or "uniform"
    citation: str


LECUN = _Family(
    "lecun",
    "LeCun",
    1.0,
    "fan_in",
    "nn.init.kaiming_{}_(weight, mode='fan_in', nonlinearity='linear')",
    "LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, eq. 16",
)
HE = _Family(
    "he",
    "He",
    2.0,
    "fan_in",
    "nn.init.kaiming_{}_(weight, mode='fan_in', nonlinearity='relu')",
    "He, Zhang, Ren, Sun 2015, arXiv:1502.01852, eq. 10",
)
GLOROT = _Family(
    "glorot",
    "Glorot",
    1.0,
    "fan_avg",
    "nn.init.xavier_{}_(weight)",
    "Glorot, Bengio 2010, AISTATS, eqs. 12 and 16",
)


_DISTRIBUTIONS = {entry.name: entry for entry in (NORMAL, UNIFORM, TRUNCATED)}


def scaled(family: _Family, distribution: str) -> Initializer:
    """Returns the family's "normal", "uniform" or "truncated" initializer."""

    def variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
        return family.gain / (fan_in if family.mode == "fan_in" else 0.5 * (fan_in + fan_out))

    torch_code, note = family.torch_code.format(distribution), ""
    if distribution == "normal":
        label = f"{family.person} normal (untruncated)"
        law = f"{family.gain}, '{family.mode}', 'untruncated_normal'"
        keras_code = f"keras.initializers.VarianceScaling({law})"
        note = f"Keras's {family.name}_normal is not this one but the truncated one."
    elif distribution == "uniform":
        label = f"{family.person} uniform"
        keras_code = f"keras.initializers.{family.name.title()}Uniform()"
    else:
        label = f"{family.person} truncated normal (Keras's {family.name}_normal)"
        keras_code = f"keras.initializers.{family.name.title()}Normal()"
        fan = "weight[0].numel()"
        if family.mode == "fan_avg":
            fan = f"(0.5 * ({fan} + weight[:, 0].numel()))"
        torch_code = (
            f"std = ({family.gain} / {fan}) ** 0.5 / {CUT_STD:.8f}; "
            "nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)"
        )
        note = "Cut at two standard deviations, then widened so that the variance is kept."
    return Initializer(
        name=f"{family.name}_{distribution}",
        label=label,
        distribution=_DISTRIBUTIONS[distribution],
        variance=variance,
        citation=family.citation,
        torch_code=torch_code,
        keras_code=keras_code,
        note=note,
    )


def pytorch_default() -> Initializer:
    def variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
        return 1.0 / (3.0 * fan_in)

    return Initializer(
        name="pytorch_default",
        label="PyTorch's default (variance 1/(3 fan_in))",
        distribution=UNIFORM,
        variance=variance,
        citation="PyTorch, nn.Linear.reset_parameters: kaiming_uniform_ with a = sqrt(5)",
        bias_distribution=UNIFORM,
        bias_variance=lambda fan_in: 1.0 / (3.0 * fan_in),
        torch_code="nn.init.kaiming_uniform_(weight, a=5**0.5)",
        keras_code="keras.initializers.VarianceScaling(1 / 3, 'fan_in', 'uniform')",
        torch_bias_code="nn.init.uniform_(bias, -(fan_in**-0.5), fan_in**-0.5)",
        keras_bias_code="keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)",
        note=(
            "What nn.Linear and nn.Conv2d draw by themselves: weights of a third of LeCun's "
            "variance, and random biases, which are all that is left after many layers."
        ),
    )


def selu_gain() -> Initializer:
    def variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
        return (9.0 / 16.0) * 2.0 / (fan_in + fan_out)

    return Initializer(
        name="selu_gain",
        label="Xavier normal, PyTorch's 3/4 SELU gain",
        distribution=NORMAL,
        variance=variance,
        citation="PyTorch, nn.init.calculate_gain('selu') = 3/4",
        torch_code="nn.init.xavier_normal_(weight, gain=nn.init.calculate_gain('selu'))",
        keras_code="keras.initializers.VarianceScaling(0.5625, 'fan_avg', 'untruncated_normal')",
        note="A trap: the gain's name promises SELU's fixed point, but tau = 9/16 misses it.",
    )


def mean_field(sigma_w: float = 1.0, sigma_b: float = 0.0) -> Initializer:
    def variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
        return sigma_w**2 / fan_in

    return Initializer(
        name="mean_field",
        label="Mean field (sigma_w, sigma_b)",
        distribution=NORMAL,
        variance=variance,
        citation="Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli 2016, arXiv:1606.05340",
        bias_distribution=NORMAL if sigma_b else None,
        bias_variance=(lambda fan_in: sigma_b**2) if sigma_b else None,
        torch_code=f"nn.init.normal_(weight, std={sigma_w!r} * weight[0].numel() ** -0.5)",
        keras_code=(
            f"keras.initializers.VarianceScaling({sigma_w**2!r}, 'fan_in', 'untruncated_normal')"
        ),
        torch_bias_code=f"nn.init.normal_(bias, std={sigma_b!r})" if sigma_b else "",
        keras_bias_code=f"keras.initializers.RandomNormal(stddev={sigma_b!r})" if sigma_b else "",
        parameters=(
            Parameter("sigma_w", 1.0, 0.01, 5.0, "sigma_w", "Weight variance sigma_w^2 / fan_in."),
            Parameter("sigma_b", 0.0, 0.0, 5.0, "sigma_b", "Bias variance sigma_b^2."),
        ),
        values=(("sigma_w", sigma_w), ("sigma_b", sigma_b)),
    )
