"""Inputs drawn from a distribution: Gaussian, uniform, and Gaussian with correlated samples."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from snn_core.datasets.dataset import Dataset
from snn_core.tables import Parameter

__all__ = ["correlated", "gaussian", "uniform"]

DRAWN = "None needed: drawn on demand, nothing is stored."


def _normal(rows: int, features: int, generator: Generator) -> Tensor:
    return torch.randn(
        rows, features, generator=generator, dtype=torch.float64, device=generator.device
    )


def gaussian(mean: float = 0.0, variance: float = 1.0) -> Dataset:
    """Returns independent entries ``x ~ N(mean, variance)``; variance 0 is a constant input."""

    def draw(count: int, features: int, generator: Generator) -> Tensor:
        return mean + math.sqrt(variance) * _normal(count, features, generator)

    return Dataset(
        name="gaussian",
        label="Gaussian",
        description="Independent normal entries: the input that the theory assumes.",
        citation="Klambauer, Unterthiner, Mayr, Hochreiter (2017), arXiv:1706.02515, section 2.",
        licence=DRAWN,
        kind="synthetic",
        draw=draw,
        mean=mean,
        variance=variance,
        parameters=(
            Parameter("mean", 0.0, -10.0, 10.0, "Input mean"),
            Parameter("variance", 1.0, 0.0, 100.0, "Input variance"),
        ),
        values=(("mean", mean), ("variance", variance)),
    )


def uniform() -> Dataset:
    """Returns independent entries uniform on [0, 1]: mean 1/2, variance 1/12."""

    def draw(count: int, features: int, generator: Generator) -> Tensor:
        return torch.rand(
            count, features, generator=generator, dtype=torch.float64, device=generator.device
        )

    return Dataset(
        name="uniform",
        label="Uniform on [0, 1]",
        description="Independent entries between 0 and 1, like raw brightness: neither centred "
        "nor of unit variance.",
        citation="The uniform distribution on [0, 1]: mean 1/2, variance 1/12.",
        licence=DRAWN,
        kind="synthetic",
        draw=draw,
        mean=0.5,
        variance=1.0 / 12.0,
        kurtosis=1.8,
    )


def correlated(correlation: float = 0.5) -> Dataset:
    """Returns N(0, 1) entries whose samples share a component.

    ``x_aj = sqrt(correlation) c_j + sqrt(1 - correlation) e_aj`` with independent standard normal
    ``c`` and ``e``: sample a, feature j. Two samples of one draw then have the given correlation
    in every feature, the setting of Poole et al. (2016), arXiv:1606.05340.
    """

    def draw(count: int, features: int, generator: Generator) -> Tensor:
        common = _normal(1, features, generator)
        own = _normal(count, features, generator)
        return math.sqrt(correlation) * common + math.sqrt(1.0 - correlation) * own

    return Dataset(
        name="correlated",
        label="Gaussian, correlated samples",
        description="Standard normal entries; all samples of a draw share a common component.",
        citation="Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli (2016), arXiv:1606.05340.",
        licence=DRAWN,
        kind="synthetic",
        draw=draw,
        correlation=correlation,
        parameters=(
            Parameter(
                "correlation",
                0.5,
                0.0,
                1.0,
                "Correlation of samples",
                "Correlation of one feature in two samples; 1 makes all samples equal.",
            ),
        ),
        values=(("correlation", correlation),),
    )
