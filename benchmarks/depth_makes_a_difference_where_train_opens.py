"""The task that Train opens with: what shallow and deep networks make of it, of which activation.

Every arm of the table learns the opening's data with the opening's width and steps, at the
opening's depth and with one layer, at several learning rates: the rate of the opening may not be
the one that makes its point. The numbers are validation accuracies over the whole validation
part, median over seeds and their range; a seed whose numbers overflow counts as guessing. Targets,
at the opening's own rate: deep SELU networks reach a median of at least 0.95 and no seed is below
0.9; one layer stays below 0.75 at any rate; deep ReLU networks, drawn after He et al. (2015), lie
at least 0.05 below in the median at the best rate for them; the whole opening trains in 20 s on
two cores.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from pages.ui.page_settings import TRAIN
from snn_core.settings import Experiment, arms_from_query
from snn_core.train import train

ARMS = (
    ("selu", "lecun_normal"),
    ("relu", "he_normal"),
    ("relu", "lecun_normal"),
    ("tanh", "lecun_normal"),
)
FACTORS = (1 / 3, 1.0, 3.0)  # times the opening's learning rate
Scores = dict[tuple[str, str, int, float], np.ndarray]


def arm_of(opening: Experiment, name: tuple[str, str], depth: int, factor: float) -> Experiment:
    """The opening's first arm with another network, rate and no more records than it needs."""
    network = replace(opening.network, activation=name[0], initializer=name[1], depth=depth)
    rate, steps = factor * opening.training.learning_rate, opening.training.steps
    training = replace(
        opening.training, learning_rate=rate, record_every=steps, statistics_every=steps
    )
    return replace(opening, network=network, training=training)


def accuracy(experiment: Experiment) -> np.ndarray:
    """The seeds' validation accuracy at the end; that of guessing where numbers overflowed.

    Seeds are trained one by one: one that diverges ends its whole arm.
    """
    found = []
    for seed in range(experiment.seeds):
        *_, last = train(replace(experiment, seeds=1, seed=experiment.seed + seed))
        found.append(float(last.arms[0].validation_accuracy[0]))
    return np.nan_to_num(np.array(found), nan=0.5)


def measured(opening: Experiment, seeds: int) -> Scores:
    opening, scores = replace(opening, seeds=seeds), {}
    depths = (1, opening.network.depth)
    print(f"{opening.data}, width {opening.network.width}, {opening.training.steps} steps, "
          f"{seeds} seeds: median [lowest-highest]")  # fmt: skip
    for depth in depths:
        for name in ARMS:
            cells = []
            for factor in FACTORS:
                found = accuracy(arm_of(opening, name, depth, factor))
                scores[(*name, depth, factor)] = found
                rate = factor * opening.training.learning_rate
                spread = f"{found.min():.2f}-{found.max():.2f}"
                cells.append(f"rate {rate:.2g}: {np.median(found):.3f} [{spread}]")
            print(f"  depth {depth:3} {name[0]:5} {name[1]:13}", "  ".join(cells), flush=True)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    arms = arms_from_query(TRAIN.opening)
    begun = time.perf_counter()
    for _ in train(arms):
        pass
    seconds = time.perf_counter() - begun
    print(f"the opening, {len(arms)} arms of {arms[0].seeds} seeds: {seconds:.1f} s")
    scores, deep = measured(arms[0], parser.parse_args().seeds), arms[0].network.depth
    selu = scores["selu", "lecun_normal", deep, 1.0]
    relu = max(np.median(scores["relu", "he_normal", deep, factor]) for factor in FACTORS)
    shallow = max(np.median(scores[(*name, 1, factor)]) for name in ARMS for factor in FACTORS)
    for said, held in (
        ("deep SELU: median at least 0.95, no seed below 0.9",
         np.median(selu) >= 0.95 and selu.min() >= 0.9),
        ("one layer, at any rate: below 0.75", shallow < 0.75),
        ("deep ReLU at its best rate: 0.05 below SELU", np.median(selu) - relu >= 0.05),
        ("the opening: at most 20 s", seconds <= 20.0),
    ):  # fmt: skip
        print(f"  {'met   ' if held else 'MISSED'} {said}")


if __name__ == "__main__":
    main()
