"""From a verdict to Train: the network as it is set, and beside it the network repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pages.ui.page_settings import TRAIN
from snn_core.cost import refuse_training
from snn_core.datasets import DATASETS, is_labelled
from snn_core.diagnosis import Repair, repaired
from snn_core.settings import Experiment, arms_from_query, arms_to_query, input_shape

__all__ = ["arms", "link"]

SEEDS = 4  # networks of an arm; more take as many times as long to learn
IMAGES = "digits"  # what a CNN learns where it was given noise


def arms(experiment: Experiment, repairs: Sequence[Repair]) -> tuple[Experiment, ...]:
    """Returns the arms to train: the network as set and, where there is one, repaired.

    Network, data, seed and number format are kept. Noise has nothing to learn: Train's own task
    takes its place, and how it is trained is Train's own too. Where the repair changes nothing
    that a training knows of, such as a standardized input, there is one arm.

    Raises:
        ValueError: A network that can't learn the task in place of noise.
    """
    each = [experiment, *(repaired(experiment, repair) for repair in repairs[:1])]
    return tuple(dict.fromkeys(map(_trainable, each)))


def _trainable(experiment: Experiment) -> Experiment:
    opening, usual = arms_from_query(TRAIN.opening)[0], Experiment()
    if is_labelled(DATASETS[experiment.data]):
        data, parameters = experiment.data, experiment.data_parameters
    else:
        data, parameters = IMAGES if experiment.network.kind == "cnn" else opening.data, ()
    return replace(
        usual,
        network=experiment.network,
        data=data,
        data_parameters=parameters,
        seeds=min(experiment.seeds, SEEDS),
        seed=experiment.seed,
        device=experiment.device,
        dtype=experiment.dtype if experiment.dtype in ("float32", "float64") else "float32",
        training=opening.training,
    )


def link(experiment: Experiment, repairs: Sequence[Repair]) -> tuple[dict[str, str], str]:
    """Returns Train's query, empty where it can't be trained, and what of it is not carried over.

    The second is a few sentences; what no training knows of, such as the batch, is not told.
    """
    try:
        found = arms(experiment, repairs)
    except ValueError as error:
        return {}, f"Train can't take this network: {error}"
    query, first = arms_to_query(found), found[0]
    if input_shape(first) == (2,):
        query |= TRAIN.opening_views
    said = []
    if first.data != experiment.data:
        noise, task = DATASETS[experiment.data].label, DATASETS[first.data].label
        said.append(f"{noise} has nothing to learn, so the task is {task}.")
    if first.dtype != experiment.dtype:
        said.append(f"{experiment.dtype} is too coarse to learn in, so it is {first.dtype}.")
    if first.seeds != experiment.seeds:
        said.append(f"{first.seeds} of the {experiment.seeds} seeds are trained.")
    if repairs and len(found) == 1:
        said.append("The repair changes nothing there: a training standardizes its input anyway.")
    try:
        refuse_training(found)
    except ValueError as error:
        said.append(str(error))
    return query, " ".join(said)
