"""What the page Train says: the arms' names, text alternatives, captions and symbols."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from pages.ui.text import describe, option_name, scrolling
from snn_core import datasets
from snn_core.diagnosis import Summary, summary, verdict
from snn_core.settings import LETTERS, Experiment, arm_settings, dataset_of, input_shape
from snn_core.train import Boundary, Snapshot
from snn_core.train.live import speed
from snn_core.wording import amount, percent

__all__ = [
    "BOUNDARY",
    "CURVES",
    "DRIFT",
    "GRADIENTS",
    "HISTOGRAMS",
    "INTRODUCTION",
    "LOST",
    "MOMENTS",
    "ORBITS",
    "SATURATION",
    "SYMBOLS",
    "boundaries_alt",
    "cautions",
    "changed",
    "changes",
    "curves_alt",
    "is_regression",
    "layers_alt",
    "names",
    "pace",
    "verdicts",
]

SURE = 0.9  # a probability from which on a network is called sure

INTRODUCTION = (
    "Train two to four networks, the arms, on one task: what does learning do to the mean and the "
    "variance of every layer?"
)
# Of a figure: the sentence that is in view, and what stands behind "Why".
CURVES = (
    "Lines are medians over the seeds.",
    "They are of the weights after each update, without dropout, mixup and label smoothing, over "
    "the same rows every time: up to 512 of the training part and 512 of the validation part.",
)
MOMENTS = (
    "Each column is a step, each row a layer; row 0 is the input.",
    "Colours are the variance and the mean of the activations, over a batch and all units of the "
    "layer, the median over seeds. The middle of each scale is variance 1 and mean 0, where a "
    "self-normalizing network would keep them. The batch is that of the update, with its dropout "
    "and mixup, so the input scatters too.",
)
ORBITS = (
    "Every layer's way through the plane of mean and variance, from the small dot to its number.",
    "The dot is where it stood before the first update; 0 is the input, deeper layers have more "
    "colour. The box is the domain of Theorem 1, which is about single units over the data; the "
    "orbits pool all units of a layer, so the box is a reference.",
)
DRIFT = (
    "**omega** is the sum of a unit's incoming weights, **tau** the sum of their squares.",
    "The line is the mean over all units of the hidden layers, the band ± one standard deviation "
    "of the units, both the median over seeds. In the grey strips, |omega| ≤ 0.1 and "
    "0.95 ≤ tau ≤ 1.1, Theorem 1 of Klambauer et al. (2017) holds, if every unit of a SELU "
    "network is there. For arms without SELU, or with a normalization layer, they are a reference "
    "only; in a CNN a unit is a channel.",
)
GRADIENTS = (
    "The gradient of the loss with respect to each layer's output.",
    "It is that of the batch's mean loss, root mean square over batch and units. As a rule of "
    "thumb an update is some thousandth of the weight; one of the weight's own size overwrites "
    "what was learned.",
)
SATURATION = (
    "An activation is saturated where its slope is below 5 % of the largest.",
    "A unit is dead where it is so for each of 32 rows of the batch. A ReLU is saturated wherever "
    "its input is negative: half of the time at the start.",
)
BOUNDARY = (
    "A class's colour is the stronger, the surer the networks are of it.",
    "The plane is that of the two features, standardized, and the average is over the seeds. Dots "
    "are some rows of the training part.",
)
HISTOGRAMS = (
    "Weights and activations of one layer, all seeds together.",
    "Activations are the layer's output over up to 512 rows of the validation part; the outermost "
    "bins hold what lies beyond.",
)
LOST = (
    "This training is no longer on the server: it ended when nobody watched it, or the server was "
    "started anew. Its setting is still here, at step 0, with the same seeds."
)
# Where it scrolls, the link in it lets the keyboard scroll too.
SYMBOLS = """
| symbol | meaning |
|---|---|
| arm | one network with its way of training; all arms learn the same task, step for step |
| step | one update of the weights, from one batch |
| seed | one draw of all weights and of the order of the data; an arm trains all its seeds |
| loss | mean cross entropy in nats; guessing among n classes has ln n. For a regression the mean squared error; guessing the mean has 1 |
| accuracy | share of rows whose class is right. For a regression R² |
| omega, tau | sum of a unit's incoming weights, Σ w; sum of their squares, Σ w² |
| projection | a constraint imposed on the weights after every update |
| parametrization | a constraint built into the network, and differentiated |
| A, B, C, D | the arms, at the end of their lines |

The words are those of [Klambauer et al. (2017)](https://arxiv.org/abs/1706.02515).
"""  # noqa: E501
TINY = 3  # inputs; centring takes one of their directions away
STATES = {
    "paused": "paused",
    "queued": "waiting for a free place on the server",
    "done": "ended",
    "stopped": "stopped",
    "failed": "failed",
}


def names(arms: Sequence[Experiment]) -> list[str]:
    """Returns a short name for each arm: its letter, its activation, and what sets it apart."""
    every, found = arm_settings(arms), []
    for letter, arm in zip(LETTERS, arms, strict=False):
        parts = [option_name("activation", arm.network.activation)]
        for key, value in (vars(arm.network) | vars(arm.training)).items():
            if key != "activation" and f"{letter}.{key}" in every:
                parts.append(describe(key, value).partition(" (")[0])
        found.append(f"{letter.upper()} · " + ", ".join(parts))
    return found


def cautions(arms: Sequence[Experiment]) -> list[str]:
    """Returns a sentence for every arm that is hampered before it starts, and for arms alike."""
    found = []
    for letter, arm in zip(LETTERS, arms, strict=False):
        by_unit = arm.network.constraint in ("centralize_unit", "standardize_unit")
        inputs = input_shape(arm)[0]
        if by_unit and arm.network.kind == "mlp" and inputs <= TINY:
            found.append(
                f"Arm {letter.upper()} centres every unit's weights, and the first layer's units "
                f"have {inputs} inputs: weights that add up to 0 see only their differences. "
                "It can't learn all of this task; centralize the layer instead."
            )
    for arm in dict.fromkeys(arms):
        *alike, last = [x.upper() for x, each in zip(LETTERS, arms, strict=False) if each == arm]
        if alike:
            who = f"{', '.join(alike)} and {last}"
            found.append(f"Arms {who} are the same network, trained in the same way.")
    return found


def changed(fits: bool, room: bool, where: str) -> str:
    """Returns what can be done about settings that are not those of the training.

    ``fits`` says whether its networks can go on with them, ``room`` whether steps are left,
    ``where`` from which step it would go on.
    """
    said = "The settings have changed since this training began."
    if not fits:
        return f"{said} They need new networks, so it has to start over."
    if not room:
        return f"{said} It has already made as many steps as they allow, so it has to start over."
    return f"{said} It can go on with them{where}, or start over."


def changes(notes: Sequence[Mapping[str, object]]) -> str:
    """Returns what was done to a training on its way, a sentence; empty if nothing was."""
    if not notes:
        return ""
    each = "; ".join(f"after step {note['step']}: {note['change']}" for note in notes[-6:])
    return f"Changed on the way, where the dotted lines stand: {each}."


def pace(
    history: Sequence[Snapshot], steps: int, state: str, updates: Sequence[int] = ()
) -> tuple[float, str]:
    """Returns the share that is done, and the sentence for the progress bar.

    ``updates`` are those of every arm by now: where records are slow, they move it on.
    """
    if not history:
        stopped = state == "stopped"
        return 0.0, "Stopped before the first record" if stopped else "Drawing the weights"
    last, made, running = history[-1], speed(history), state == "running"
    parts, done = [f"Step {last.step:,} of {steps:,}"], last.step
    beyond = [index for index, count in enumerate(updates) if count > last.step]
    if beyond and running and _is_slow(history):
        parts.append(f"arm {LETTERS[beyond[-1]].upper()} at {updates[beyond[-1]]:,}")
        done = sum(max(count, last.step) for count in updates) / len(updates)
    if made > 0:
        parts.append(f"{made:.3g} steps/s")
        if running and steps > done:
            parts.append(f"{duration((steps - done) / made)} left")
    if state in STATES:
        parts.append(STATES[state])
    return min(done / steps, 1.0), " · ".join(parts)


def _is_slow(history: Sequence[Snapshot]) -> bool:
    """Whether a second passes between two records; before the second one nobody knows."""
    return len(history) < 2 or history[-1].seconds - history[-2].seconds > 1.0


def duration(seconds: float) -> str:
    """Returns the time with its unit.

    >>> duration(8.2), duration(200)
    ('8 s', '3 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def is_regression(arm: Experiment) -> bool:
    """Returns whether the arm learns numbers rather than classes."""
    load = dataset_of(arm).load
    return load is not None and datasets.is_regression(load())


def verdicts(
    history: Sequence[Snapshot], arms: Sequence[Experiment], named: Sequence[str], goal: float
) -> str:
    """Returns the table of arms, and a sentence for each behind "Why", as HTML.

    ``goal`` is the validation accuracy that the table counts the steps to.
    """
    score = "R²" if is_regression(arms[0]) else "accuracy"
    lines, rows = [], []
    for index, (arm, name) in enumerate(zip(arms, named, strict=True)):
        said, found = verdict(history, index, arm), summary(history, index, arm, goal)
        lines.append(f"<li><b>{escape(name)}.</b> {escape(said.sentence)}</li>")
        if found is not None:
            rows.append(_row(name[0], said.short, found))  # the list above has the whole name
    heads = (
        "arm", "verdict", f"validation {score}", "best", "test", f"steps to {goal:.2g}", "time"
    )  # fmt: skip
    head = "".join(f"<th>{each}</th>" for each in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    spread = "Numbers are means ± the standard deviation over seeds."
    why = f"<details><summary>Why</summary><ul>{''.join(lines)}</ul><p>{spread}</p></details>"
    return scrolling("Table of the arms", table) + why


def _row(name: str, short: str, found: Summary) -> str:
    test = "after the last step"
    if found.test_accuracy is not None and found.test_deviation is not None:
        test = _spread(found.test_accuracy, found.test_deviation)
    there = "not yet" if found.median_steps_to is None else f"{found.median_steps_to:,.0f}"
    cells = (
        f"<b>{escape(name)}</b>",
        escape(short),
        _spread(found.accuracy, found.accuracy_deviation),
        f"{amount(found.best_accuracy, 3)} at {found.best_step:,}",
        test,
        f"{there} ({found.reached} of {len(found.steps_to)} seeds)",
        f"{found.seconds:.1f} s",
    )
    return f"<tr>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"


def _spread(mean: float, deviation: float) -> str:
    if math.isnan(deviation):
        return amount(mean, 3)
    return f"{amount(mean, 3)} ± {amount(deviation, 2)}"


def curves_alt(history: Sequence[Snapshot], named: Sequence[str], regression: bool) -> str:
    """Returns the text alternative of the curves, with every arm's last numbers."""
    score = "R²" if regression else "accuracy"
    parts = [f"Loss and {score} up to step {history[-1].step}"]
    for arm, name in zip(history[-1].arms, named, strict=False):
        loss, value = np.median(arm.validation_loss), np.median(arm.validation_accuracy)
        parts.append(f"{name}: validation loss {loss:.4g}, {score} {value:.4g}")
    return ". ".join(parts) + "."


def boundaries_alt(found: Sequence[Boundary], named: Sequence[str]) -> str:
    """Returns the text alternative of the arms' boundaries: how the plane and the points fall."""
    parts = [f"Decision boundary of {', '.join(named)}"]
    for letter, each in zip(LETTERS, found, strict=False):
        known = np.isfinite(each.probability).all(2)
        if not known.any():
            parts.append(f"Arm {letter.upper()} has no finite outputs")
            continue
        winner = np.where(known, each.probability.argmax(2), -1)
        classes = range(each.probability.shape[2])
        shares = [percent(float((winner[known] == k).mean())) for k in classes]
        sure = percent(float((each.probability[known].max(1) > SURE).mean()))
        row, column = (
            np.abs(axis[:, None] - places).argmin(0)
            for axis, places in ((each.y, each.points[:, 1]), (each.x, each.points[:, 0]))
        )
        right = percent(float((winner[row, column] == each.labels).mean()))
        parts.append(
            f"Arm {letter.upper()}: the classes have {', '.join(shares)} of the plane, sure on "
            f"{sure} of it; {right} of the points are on their class's side"
        )
    return ". ".join(parts) + "."


def layers_alt(history: Sequence[Snapshot], named: Sequence[str], name: str) -> str:
    """Returns the text alternative of a figure over layers: every arm's last layer."""
    parts = [f"{name.replace('_', ' ').capitalize()} of every layer over the steps"]
    for index, title in enumerate(named):
        records = [s.arms[index] for s in (*history[:1], *history[-12:])]
        values = [getattr(each, name) for each in records if each.mean is not None]
        first, last = (np.median(values[at][:, -1]) for at in (0, -1))
        parts.append(f"{title}: last layer {first:.4g} at first, {last:.4g} now")
    return ". ".join(parts) + "."
