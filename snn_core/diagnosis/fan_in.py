"""Fan-in: what becomes of a mean that all inputs share, in networks of many widths.

Take inputs of mean m and variance v, the same for all of them, and a unit with independent
weights w ~ N(0, 1/n), where n is the fan-in. Over the data its pre-activation has mean m omega and
variance v tau, where omega = sum w and tau = sum w^2 (Klambauer et al. 2017, mapping g). What
is true of that:

*   omega ~ N(0, 1) whatever the fan-in. The shift m omega is not the smaller the more inputs there
    are; few units as drawn meet the paper's theorems, which take a small omega as given.
*   Over units the shift averages out: the pooled pre-activation has mean 0 and variance m^2 + v.
    What the shift leaves is a scatter of the units' own means over the data.
*   With every unit centralized omega = 0, and no unit knows of m. With the layer centralized every
    omega loses the same, the layer's mean omega, whose variance is 1/units: the scatter stays,
    and only the layer's own mean is freed of that average.
*   tau scatters by sqrt(2/n), which is what is left of the units' scatter when omega = 0; and the
    mean over a layer's units scatters from one network to the next by 1/sqrt(units). These fall
    with the fan-in.

So for weights as they are drawn, the shift that a unit passes on does not depend on the fan-in.
Weights with a common mean would be another matter: omega is n times that mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from snn_core.constraints import CONSTRAINTS
from snn_core.cost import estimate
from snn_core.diagnosis.fan_in_theory import PREDICTED, ROW_LAWS, predicted_layers
from snn_core.network import draw_inputs, draw_layers, forward
from snn_core.propagate import Stopped
from snn_core.settings import Experiment, NetworkSpec, constraint_of
from snn_core.tables import number, pick

__all__ = ["FAN_INS", "FanIn", "fan_in_experiment"]

FAN_INS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
COMPARED = ("none", "centralize_layer", "centralize_unit")
MOST_FAN_INS = 32
MOST_LAYERS = 16
LEAST_VARIANCE = 0.01  # of the inputs; the less, the sharper a kink of the activation shows
LONGEST_SECONDS = 120.0
CHUNK = 2**23  # numbers of weights or activations at a time; a tenth of a second at most
MOST_AT_ONCE = 256  # networks, of which each is drawn by itself

Progress = Callable[[float], bool | None]


@dataclass(frozen=True)
class FanIn:
    """What happens to the mean of the inputs, by constraint, fan-in and layer; NumPy float64.

    Every network is square: ``fan_in`` inputs, ``fan_in`` units in every layer. Where no shape is
    given an array is ``(constraints, fan_ins, layers)``; index 0 is the first layer's output.
    ``_sd`` is the standard deviation from one network to the next, so that ``_sd /
    sqrt(networks)`` is the standard error of the mean over networks beside it.

    Attributes:
        activation, constraints: Names.
        fan_ins, networks: ``(fan_ins,)``: the fan-ins, and how many networks have each.
        input_mean, input_variance: Of every input.
        batch: Samples that every network sees.
        mean, mean_sd, variance, variance_sd: Of a layer's output, pooled over batch and units;
            population variance (ddof 0).
        between, between_sd: Variance over units of the units' means over the batch; divided by
            units - 1, so that few units do not look like little scatter.
        omega, tau: Root mean square of omega, mean of tau, over units and networks.
        predicted_mean, predicted_variance, predicted_between, predicted_mean_sd: The theory's,
            without looking at a network; NaN where there is none. For the first layer the SNN map
            averaged over the law of (omega, tau), for these very fan-ins and numbers of units;
            for later layers, and where ``exact`` is False, the limit of wide layers.
        predicted_noise: The part of predicted_between that comes from a finite batch: a unit's
            variance over the data, divided by ``batch``.
        exact: ``(constraints,)`` of bool: whether the law of (omega, tau) is known.
        seconds: Wall time.
    """

    activation: str
    constraints: tuple[str, ...]
    fan_ins: np.ndarray
    networks: np.ndarray
    input_mean: float
    input_variance: float
    batch: int
    mean: np.ndarray
    mean_sd: np.ndarray
    variance: np.ndarray
    variance_sd: np.ndarray
    between: np.ndarray
    between_sd: np.ndarray
    omega: np.ndarray
    tau: np.ndarray
    predicted_mean: np.ndarray
    predicted_variance: np.ndarray
    predicted_between: np.ndarray
    predicted_mean_sd: np.ndarray
    predicted_noise: np.ndarray
    exact: np.ndarray
    seconds: float

    @property
    def unit_spread(self) -> np.ndarray:
        """Standard deviation over units of the units' means."""
        return np.sqrt(self.between)

    @property
    def predicted_unit_spread(self) -> np.ndarray:
        """The same by theory, with the part that comes from a finite batch."""
        return np.sqrt(self.predicted_between)

    @property
    def predicted_own_spread(self) -> np.ndarray:
        """The same by theory for a batch without end."""
        return np.sqrt(np.maximum(self.predicted_between - self.predicted_noise, 0.0))


def fan_in_experiment(
    activation: str = "selu",
    constraints: Sequence[str] = COMPARED,
    fan_ins: Sequence[int] = FAN_INS,
    mean: float = 0.5,
    variance: float = 1.0,
    layers: int = 3,
    seeds: int = 4,
    units: int = 4096,
    batch: int = 256,
    seed: int = 0,
    progress: Progress | None = None,
    activation_parameters: Mapping[str, float] | None = None,
) -> FanIn:
    """Returns what square networks of LeCun normal weights do to inputs N(mean, variance).

    Every fan-in has ``seeds`` networks at least, and as many as make up ``units`` units in a
    layer: so small networks are measured as well as large ones. All constraints see the same
    weights and inputs; network k is seed k of an Experiment of that width. ``progress`` is called
    with the share done; where it returns False the experiment ends with Stopped.

    >>> found = fan_in_experiment(fan_ins=[16, 64], layers=1, units=256, batch=32)
    >>> found.mean.shape, found.networks.astype(int).tolist()
    ((3, 2, 1), [16, 4])

    Raises:
        ValueError: An unknown activation or constraint, a number out of its bounds, or more than
            this machine does in LONGEST_SECONDS.
        Stopped: The caller's progress function asked to stop.
    """
    start = time.perf_counter()
    names, sizes = _names(constraints), _sizes(fan_ins)
    base = Experiment(
        NetworkSpec(
            depth=int(number("layers", layers, 1, MOST_LAYERS, integer=True)),
            activation=activation,
            activation_parameters=tuple((activation_parameters or {}).items()),
        ),
        "gaussian",
        (
            ("mean", number("mean", mean, -10.0, 10.0)),
            ("variance", number("variance", variance, LEAST_VARIANCE, 100.0)),
        ),
        seeds=int(number("seeds", seeds, 2, 64, integer=True)),
        batch=int(number("batch", batch, 2, 2048, integer=True)),
        seed=seed,
    )
    most = int(number("units", units, 2, 2**16, integer=True))
    squares = [replace(base, network=replace(base.network, width=n)) for n in sizes]
    networks = [max(base.seeds, most // n) for n in sizes]
    _refuse(squares, networks, len(names))
    watch = _Watch(progress, sum(map(_work, squares, networks)) * len(names))
    pairs = zip(squares, networks, strict=True)
    measured = np.stack([_measured(square, k, names, watch) for square, k in pairs], axis=1)
    predicted = [[_watched(_under(square, name), watch) for square in squares] for name in names]
    values = np.concatenate([measured, np.array(predicted)], axis=-1)
    return FanIn(
        activation=base.network.activation,
        constraints=names,
        fan_ins=np.array(sizes, dtype=np.float64),
        networks=np.array(networks, dtype=np.float64),
        input_mean=float(mean),
        input_variance=float(variance),
        batch=base.batch,
        **{name: values[..., index] for index, name in enumerate((*_MEASURED, *PREDICTED))},
        exact=np.array([name in ROW_LAWS for name in names]),
        seconds=time.perf_counter() - start,
    )


_MEASURED = (
    *("mean", "mean_sd", "variance", "variance_sd", "between", "between_sd"),
    *("omega", "tau"),
)


def _names(constraints: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(constraints))
    for name in names:
        pick(CONSTRAINTS, name, "constraint")
    if not names:
        raise ValueError("Give at least one constraint to compare.")
    return names


def _sizes(fan_ins: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(int(number("fan_in", n, 2, 4096, integer=True)) for n in fan_ins)
    if not 1 <= len(sizes) <= MOST_FAN_INS:
        raise ValueError(f"There can be 1 to {MOST_FAN_INS} fan-ins, got {len(sizes)}.")
    return tuple(dict.fromkeys(sizes))


def _under(experiment: Experiment, constraint: str) -> Experiment:
    return replace(experiment, network=replace(experiment.network, constraint=constraint))


def _refuse(squares: Sequence[Experiment], networks: Sequence[int], constraints: int) -> None:
    """Raises ValueError where this machine would take too long."""
    needed = constraints * sum(
        estimate(square).seconds * k / square.seeds
        for square, k in zip(squares, networks, strict=True)
    )
    if needed > LONGEST_SECONDS:
        raise ValueError(
            f"Too much for this machine: about {needed:.0f} s are needed, {LONGEST_SECONDS:.0f} s "
            "are allowed. Use smaller fan-ins, fewer seeds, units or layers, or a smaller batch."
        )


@dataclass
class _Watch:
    """How far the experiment is."""

    progress: Progress | None
    total: float
    done: float = 0.0

    def tell(self, work: float) -> None:
        """Reports the work that was done before this; raises Stopped where that is enough."""
        share = min(self.done / self.total, 1.0)
        if self.progress is not None and self.progress(share) is False:
            raise Stopped
        self.done += work


def _watched(experiment: Experiment, watch: _Watch) -> np.ndarray:
    """The theory's numbers, after a sign of life."""
    watch.tell(0.0)
    return predicted_layers(experiment)


def _work(experiment: Experiment, networks: int) -> float:
    """Operations of one constraint, up to a factor; small networks cost more than theirs."""
    n, layers = experiment.network.width, experiment.network.depth
    return float(networks * layers * n * (n + 64) * experiment.batch)


def _measured(
    experiment: Experiment, networks: int, names: Sequence[str], watch: _Watch
) -> np.ndarray:
    """The numbers of _MEASURED, ``(constraints, layers, 8)``, over the networks."""
    n, layers = experiment.network.width, experiment.network.depth
    step = min(max(1, CHUNK // (n * max(n, experiment.batch))), MOST_AT_ONCE)
    found: list[list[list[np.ndarray]]] = [[[] for _ in range(layers)] for _ in names]
    rules = [constraint_of(_under(experiment, name).network) for name in names]
    with torch.inference_mode():
        for first in range(0, networks, step):
            seeds = range(first, min(first + step, networks))
            h = [draw_inputs(experiment, seeds)] * len(names)
            for index, layer in enumerate(draw_layers(experiment, seeds, keep=False)):
                for c, rule in enumerate(rules):
                    watch.tell(_work(experiment, len(seeds)) / layers)
                    used_up = rule.name == "none" or rule is rules[-1]
                    weight = rule.project_(layer.weight if used_up else layer.weight.clone())
                    _, h[c] = forward(replace(layer, weight=weight), h[c], ())
                    found[c][index].append(_of_networks(weight, h[c]))
    watch.tell(0.0)
    return np.array([[_over_networks(np.concatenate(rows)) for rows in row] for row in found])


def _of_networks(weight: Tensor, h: Tensor) -> np.ndarray:
    """Mean, variance, between, mean omega^2 and mean tau of every network, ``(networks, 5)``."""
    unit_means = h.mean(1).double()
    mean = unit_means.mean(1)
    flat = h.flatten(1)
    # vector_norm reads once and in vectors; torch's own dot products are many times slower.
    second = torch.linalg.vector_norm(flat, dim=1).double().square() / flat.shape[1]
    omega = weight.sum(2).double()
    tau = torch.linalg.vector_norm(weight, dim=2).double().square()
    columns = (
        *(mean, second - mean.square(), unit_means.var(1)),
        *(omega.square().mean(1), tau.mean(1)),
    )
    return torch.stack(columns, 1).numpy()


def _over_networks(rows: np.ndarray) -> list[float]:
    mean, sd = rows.mean(0), rows.std(0, ddof=1)
    pairs = [value for k in range(3) for value in (mean[k], sd[k])]
    return [*pairs, np.sqrt(mean[3]), mean[4]]
