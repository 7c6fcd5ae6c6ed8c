"""Training against the loop that people write, a step and network at a time.

Targets, as shares of the time of a bare loop (nn.Sequential, cross entropy, fused SGD, momentum)
over the same network, batch and rows: one MLP at most 1.0; 8 seeds at once at most 0.4 a network,
with every layer's statistics at every step at most 0.5; two seeds of a CNN of 12 convolutions at
most 0.9. Where Keras is installed, its train_on_batch stands beside: the same network, batch and
optimizer. Networks are drawn, and rows standardized, beforehand for all alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import nn

from benchmarks.rounds import interleave, ratio
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec
from snn_core.train.arm import Arm, start_arm
from snn_core.train.statistics import layer_statistics
from snn_core.train.step import advance
from snn_core.train.thread_pool import side_by_side

FOREVER = 1_000_000
SHAPES = ((16, 64), (32, 32))
BATCH, RATE = 128, 0.001


def bare_loop(arm: Arm, steps: int) -> Callable[[], None]:
    """The loop a person writes, for one network of the arm's shapes."""
    net, task = arm.groups[0].net, arm.task
    parts: list[nn.Module] = []
    for shape in net.shapes:
        plan = shape.plan
        if plan.kind == "conv":
            parts += [nn.Conv2d(plan.inputs, plan.outputs, 3, padding=1), nn.SELU(inplace=True)]
            parts += [nn.MaxPool2d(2)] if plan.pooled else []
        else:
            parts += [nn.Flatten(), nn.Linear(plan.inputs, plan.outputs), nn.SELU(inplace=True)]
    module = nn.Sequential(*parts, nn.Flatten(), nn.Linear(net.head.plan.inputs, task.outputs))
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=0.9, fused=True)
    x, y = task.train
    size = arm.groups[0].order.size

    def train() -> None:
        order = torch.randperm(len(y))
        for step in range(steps):
            start = step * size % (len(y) - size + 1)
            rows = order[start : start + size]
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimizer.step()

    return train


def keras_loop(arm: Arm, steps: int) -> Callable[[], None]:
    """The same with Keras's own step, on torch."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    layers, (x, y), size = keras.layers, arm.task.train, arm.groups[0].order.size
    channels = {"padding": "same", "data_format": "channels_first"}
    parts, images = [keras.Input(x.shape[1:])], x.dim() > 2
    for shape in arm.groups[0].net.shapes:
        plan = shape.plan
        if plan.kind == "conv":
            parts.append(layers.Conv2D(plan.outputs, 3, activation="selu", **channels))
            parts += [layers.MaxPooling2D(2, data_format="channels_first")] * plan.pooled
        else:
            parts += [layers.Flatten()] * images
            parts.append(layers.Dense(plan.outputs, activation="selu"))
            images = False
    model = keras.Sequential([*parts, layers.Dense(arm.task.outputs)])
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def train() -> None:
        order = torch.randperm(len(y))
        for step in range(steps):
            start = step * size % (len(y) - size + 1)
            rows = order[start : start + size]
            model.train_on_batch(x[rows], y[rows])

    return train


def peers(arm: Arm, steps: int) -> dict[str, Callable[[], None]]:
    found = {"bare": bare_loop(arm, steps)}
    if importlib.util.find_spec("keras"):
        found["keras"] = keras_loop(arm, steps)
    return found


def print_keras(seconds: Mapping[str, list[float]]) -> None:
    if "keras" in seconds:
        print("  Keras's train_on_batch / bare loop            ", ratio(seconds, "keras", "bare"))
    else:
        print("  Keras's train_on_batch: not installed; pip install keras")


def ours(arm: Arm, steps: int, noting: bool = False) -> Callable[[], None]:
    """So many updates of all the arm's seeds, with statistics at every one where noting."""

    activation = arm.groups[0].net.shapes[0].activation

    def train() -> None:
        for _ in range(steps if noting else 1):
            target = arm.step + (1 if noting else steps)
            sums = side_by_side(
                arm.pool,
                arm.groups,
                lambda group, target=target: advance(group, target, lambda step: RATE, noting),
            )
            if noting:
                layer_statistics(activation, [each for each in sums if each is not None])

    return train


def compare_mlp(depth: int, width: int, rounds: int, steps: int) -> None:
    training = TrainingSpec(batch_size=BATCH, steps=FOREVER, learning_rate=RATE)
    one = Experiment(NetworkSpec(depth=depth, width=width), "magic", seeds=1, training=training)
    eight = replace(one, seeds=8)
    seconds = interleave(
        {
            **peers(start_arm(one), steps),
            "one": ours(start_arm(one), steps),
            "eight": ours(start_arm(eight), steps),
            "noted": ours(start_arm(eight), steps, noting=True),
        },
        rounds,
    )
    for name in ("eight", "noted"):
        seconds[name] = [value / 8 for value in seconds[name]]
    print(f"\ndepth {depth}, width {width}, batch {BATCH}; bare loop ", end="")
    print(f"{1000 * min(seconds['bare']) / steps:.2f} ms a step")
    print("  one network / bare loop                       ", ratio(seconds, "one", "bare"))
    print("  8 seeds, a network / bare loop                ", ratio(seconds, "eight", "bare"))
    print("  8 seeds, statistics every step, a network     ", ratio(seconds, "noted", "bare"))
    print_keras(seconds)


def compare_cnn(rounds: int, steps: int) -> None:
    training = TrainingSpec(batch_size=64, steps=FOREVER, learning_rate=RATE)
    network = NetworkSpec(
        kind="cnn", depth=15, dense=3, width=64, channels=16, channel_growth=1.75, pool="max"
    )
    two = Experiment(network, "fashion_mnist", seeds=2, training=training)
    arm = start_arm(two)
    seconds = interleave({**peers(arm, steps), "two": ours(arm, steps)}, rounds)
    seconds["two"] = [value / 2 for value in seconds["two"]]
    print(f"\n12 convolutions; bare loop {1000 * min(seconds['bare']) / steps:.1f} ms a step")
    print("  2 seeds, a network / bare loop                ", ratio(seconds, "two", "bare"))
    print_keras(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=50)
    given = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {given.rounds} rounds")
    for depth, width in SHAPES:
        compare_mlp(depth, width, given.rounds, given.steps)
    compare_cnn(given.rounds, max(given.steps // 10, 2))


if __name__ == "__main__":
    main()
