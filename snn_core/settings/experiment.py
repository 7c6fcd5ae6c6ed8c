"""The experiment: a network, its input and everything that a random number depends on."""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.datasets import DATASETS, Dataset, dataset, features, image_shape
from snn_core.settings.knobs import Parameters, SettingError, check, knob, settle_part
from snn_core.settings.network import NetworkSpec
from snn_core.settings.plan import LayerPlan, plan
from snn_core.settings.training import TrainingSpec

__all__ = ["Experiment", "dataset_of", "input_shape", "plan_of"]


@dataclass(frozen=True)
class Experiment:
    """One network on one source of input, with everything that a random number depends on.

    Frozen and hashable: the same experiment gives the same numbers on the same machine. Raises
    SettingError (a ValueError) for a value out of its bounds and for a combination that makes
    no sense.
    """

    network: NetworkSpec = NetworkSpec()
    data: str = knob(
        "gaussian",
        "Data",
        options=DATASETS,
        help="Random noise, or rows of a real data set.",
    )
    data_parameters: Parameters = ()
    standardize: bool = knob(
        False, "Standardize the input", help="Every feature to mean 0 and variance 1."
    )
    features: int = knob(
        0,
        "Input features (0: as many as the width)",
        0,
        4096,
        help=(
            "Features of a random sample for an MLP; 0 means as many as the width. Real data "
            "sets have their own."
        ),
    )
    image_size: int = knob(
        16,
        "Image size",
        2,
        64,
        help=(
            "Height and width of a random image for a CNN, in pixels. Real data sets have "
            "their own."
        ),
    )
    image_channels: int = knob(
        3,
        "Image channels",
        1,
        64,
        help="Channels of a random image for a CNN. Real data sets have their own.",
    )
    batch: int = knob(256, "Batch", 1, 8192, help="Samples that every seed propagates.")
    seeds: int = knob(
        8, "Seeds", 1, 64, help="Networks drawn; each has its own weights and its own batch."
    )
    seed: int = knob(
        0,
        "Seed",
        0,
        2**31 - 1,
        help="Starts the random numbers: the same seed gives the same numbers.",
    )
    device: str = knob(
        "cpu",
        "Device",
        options=("cpu", "cuda"),
        help="Where the network runs. A GPU draws random numbers of its own from the same "
        "distributions: a seed is another network there, always the same one.",
    )
    dtype: str = knob(
        "float32",
        "Number format",
        options=("float32", "float64", "float16", "bfloat16"),
        help=(
            "What weights and activations are stored in. Statistics are always exact to 1e-4 "
            "or better."
        ),
    )
    training: TrainingSpec = TrainingSpec()

    def __post_init__(self) -> None:
        if not isinstance(self.network, NetworkSpec):
            raise SettingError(
                "network", (f"network must be a NetworkSpec, got {str(self.network)[:40]!r}.")
            )
        if not isinstance(self.training, TrainingSpec):
            raise SettingError(
                "training", f"training must be a TrainingSpec, got {str(self.training)[:40]!r}."
            )
        check(self)
        settle_part(self, "data", dataset)
        plan_of(self)
        for settings, message in _data_conflicts(self):
            raise SettingError(settings, message)


def dataset_of(experiment: Experiment) -> Dataset:
    """Returns the experiment's source of input with its parameters."""
    return dataset(experiment.data, **dict(experiment.data_parameters))


def input_shape(experiment: Experiment) -> tuple[int, ...]:
    """Returns one sample's shape: ``(features,)`` for an MLP, ``(channels, h, w)`` for a CNN."""
    net, source = experiment.network, dataset_of(experiment)
    real = source.load is not None
    if net.kind == "mlp":
        return (features(source, experiment.features or net.width),)
    if not real:
        size = experiment.image_size
        return (experiment.image_channels, size, size)
    shape = image_shape(source)
    if shape is None:
        images = ", ".join(n for n, d in DATASETS.items() if d.load is None or image_shape(d))
        raise SettingError(
            ("data", "kind"), f"{source.label} has no images for a CNN. Choose one of {images}."
        )
    return shape


def plan_of(experiment: Experiment) -> tuple[LayerPlan, ...]:
    """Returns the shapes of every hidden layer for the experiment's input."""
    return plan(experiment.network, input_shape(experiment))


def _data_conflicts(experiment: Experiment) -> list[tuple[tuple[str, ...], str]]:
    """Conflicts of network and input: (settings to change, sentence)."""
    found = []
    if experiment.network.normalization == "batch" and experiment.batch < 2:
        found.append(
            (
                ("normalization", "batch"),
                ("Batch normalization needs a batch of at least 2, got 1."),
            )
        )
    if experiment.standardize and dataset_of(experiment).variance == 0:
        found.append(
            (
                ("standardize",),
                (
                    "Input of variance 0 can't be standardized. "
                    "Give it a variance, or leave it raw."
                ),
            )
        )
    return found
