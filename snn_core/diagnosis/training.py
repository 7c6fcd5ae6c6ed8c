"""What happens to an arm, as a person would say it: it learns, is stuck, overfits, diverged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.diagnosis.change import change_of, moments_of
from snn_core.diagnosis.learning import (
    BETTER,
    Guess,
    Progress,
    falls_on,
    guess_of,
    has_settled,
    overfit,
    progress_of,
    recently,
    stay,
)
from snn_core.diagnosis.repairs import Repair
from snn_core.diagnosis.summary import deviation
from snn_core.diagnosis.training_causes import why_diverged, why_stuck
from snn_core.settings import Experiment
from snn_core.train.history import last_record, series
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.wording import amount, brief, count, percent

__all__ = ["KINDS", "Verdict", "verdict"]

KINDS = ("waiting", "learns", "learned", "stuck", "overfits", "collapsed", "diverged")

EARLY = 20  # steps, and 3 records: before, a fall of the loss may be the first draw's
ENOUGH = 100  # steps; deep networks often stay at guessing for some dozen before they learn
WILD = 1.5  # times the loss of guessing: worse than knowing nothing
WELL = 0.9  # of accuracy, or R^2, from which on "learned" is said
COLLAPSE = 0.1  # of accuracy, or R^2, lost for good: more than a batch moves it to and fro
SAME = 0.01  # of accuracy, or R^2: a row or two of a small validation part


@dataclass(frozen=True)
class Verdict:
    """An arm in words.

    Attributes:
        kind: One of KINDS. "learned": it has ended or its validation loss does not fall any more.
        moments: "unknown" or a kind as a Diagnosis has it: what mean and variance of the layers,
            and the gradient on its way back, do.
        sentence: What happens, with numbers, the likely reason and what to try.
        short: A few words for a table.
        cause: The setting at fault where the arm is stuck or diverged; "" where none is known.
        repairs: Changes of the network that mend it in theory, the least first.
    """

    kind: str
    moments: str
    sentence: str
    short: str
    cause: str = ""
    repairs: tuple[Repair, ...] = ()


def verdict(history: Sequence[Snapshot], arm: int, experiment: Experiment) -> Verdict:
    """Returns what happens to one arm; ``history`` may be thinned.

    Loss and accuracy are of the records: of up to 512 rows, and at the end of the whole
    validation part. The numbers of layers are medians over seeds.

    Raises:
        ValueError: An arm that is not there, data without targets.
    """
    guess, last = guess_of(experiment), last_record(history, arm)
    experiment = replace(experiment, standardize=True)  # as every training does
    if last is not None and last.diverged_at is not None:
        return _diverged(history, arm, experiment, last)
    progress = progress_of(history, arm, guess)
    if last is None or progress is None:
        return Verdict("waiting", "unknown", "There is no record yet.", "waiting")
    step, seeds = int(progress.steps[-1]), len(progress.now)
    moments = moments_of(change_of(history, arm, experiment, np.isfinite(progress.now)))
    early = step < EARLY or len(progress.steps) < 3
    if not early and step >= ENOUGH and 2 * progress.stuck.sum() >= seeds:
        return _stuck(history, arm, experiment, guess, progress)
    if not early and 2 * progress.learned.sum() >= seeds:
        return _learning(history, arm, experiment, progress, moments)
    score = _score(last.validation_accuracy, guess)
    if early or step < ENOUGH:
        said = f"Too early to say, after {count(step, 'step')}: {score}. {moments[1]}"
        return Verdict("waiting", moments[0], said, "too early")
    return _slow(guess, progress, last, moments)


def _score(accuracy: np.ndarray, guess: Guess) -> str:
    """The validation accuracy or R^2 with the seeds' spread."""
    mean, seeds = float(accuracy.mean()), len(accuracy)
    spread = deviation(accuracy)
    if guess.regression:
        value, around = f"R² {brief(mean)} on the validation part", brief(spread)
    else:
        value, around = f"validation accuracy {percent(mean)}", f"{brief(100.0 * spread)} points"
    if seeds == 1:
        return f"{value} (1 seed)"
    return f"{value} (± {around}, the standard deviation over {seeds} seeds)"


def _few(accuracy: np.ndarray, guess: Guess) -> str:
    mean = float(accuracy.mean())
    return f"R² {brief(mean)}" if guess.regression else percent(mean)


def _diverged(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, last: ArmSnapshot
) -> Verdict:
    assert last.diverged_at is not None
    step, layer = last.diverged_at
    seeds = len(last.train_loss)
    every = np.ones(seeds, dtype=bool)
    hit = int((~np.isfinite(last.train_loss) | ~np.isfinite(last.validation_loss)).sum())
    head = layer > experiment.network.depth
    where = "the output head" if head else f"layer {layer}"
    what = "weights" if "the weights of" in last.ended else "outputs"
    some = f" in {hit} of {count(seeds, 'seed')}" if 0 < hit < seeds else ""
    why = why_diverged(history, arm, experiment, change_of(history[:1], arm, experiment, every))
    said = (
        f"Diverged at step {step}{some}: the {what} of {where} are no longer finite. {why.reason}"
    )
    short = f"diverged at step {step}"
    return Verdict("diverged", "explodes", said, short, why.cause, why.repairs)


def _stuck(
    history: Sequence[Snapshot],
    arm: int,
    experiment: Experiment,
    guess: Guess,
    progress: Progress,
) -> Verdict:
    stuck, seeds = progress.stuck, len(progress.now)
    change = change_of(history, arm, experiment, stuck)
    level = float(progress.now[stuck].mean())
    frozen, lost = bool(progress.frozen[stuck].all()), 2 * progress.lost.sum() > stuck.sum()
    wild = bool(lost) or level > WILD * guess.loss
    rate = history[-1].arms[arm].learning_rate
    why = why_stuck(change, experiment, rate, frozen, wild)
    some = "" if stuck.all() else f" in {stuck.sum()} of {seeds} seeds"
    rest = _others(progress)
    said = f"Stuck{some}: {_level(progress, guess, level, frozen)}. {why.reason}{rest}"
    return Verdict("stuck", moments_of(change)[0], said, f"stuck{some}", why.cause, why.repairs)


def _level(progress: Progress, guess: Guess, level: float, frozen: bool) -> str:
    """Where the loss of the stuck seeds stands."""
    stuck, steps = progress.stuck, progress.steps
    loss = progress.loss[:, stuck].mean(axis=1)
    if 2 * progress.lost.sum() > stuck.sum():
        earlier = progress.loss[:, progress.lost].mean(axis=1)
        at = int(np.nanargmin(earlier))
        return (
            f"the loss is {amount(level, 3)}, and at step {steps[at]} it had been down to "
            f"{amount(float(earlier[at]), 3)}; compare {guess.words}"
        )
    tolerance, since = stay(steps, loss, guess.loss, ENOUGH)
    if tolerance:
        return (
            f"the loss has stayed within {percent(tolerance)} of {guess.words}, for {since} steps"
        )
    if frozen:
        return f"the loss has been {amount(float(loss[0]), 3)} from the start"
    if level > WILD * guess.loss:
        times = brief(level / guess.loss)
        return f"the loss is {amount(level, 3)} and does not fall, {times} times {guess.words}"
    return f"the loss is {amount(level, 3)} and hardly falls; compare {guess.words}"


def _others(progress: Progress) -> str:
    """What the seeds do that are not stuck."""
    learned = int(progress.learned.sum())
    if not learned:
        return ""
    loss = brief(float(progress.now[progress.learned].mean()))
    return f" {learned} {'other learns' if learned == 1 else 'others learn'}: loss {loss}."


def _slow(
    guess: Guess, progress: Progress, last: ArmSnapshot, moments: tuple[str, str]
) -> Verdict:
    before, now = float(progress.start.mean()), float(progress.now.mean())
    rate = brief(last.learning_rate)
    cure = f"a learning rate above {rate} or more steps"
    if moments[0] == "explodes":
        cure = f"a learning rate below {rate}"
    verb, short = ("Learns slowly", "learns slowly")
    if now >= guess.loss:
        verb, short = ("Not better than guessing yet", "not better than guessing yet")
    said = (
        f"{verb}: the loss fell from {amount(before, 3)} to {amount(now, 3)} in "
        f"{count(int(progress.steps[-1]), 'step')} and still falls; compare {guess.words}. "
        f"Try {cure}. {moments[1]}"
    )
    return Verdict("learns", moments[0], said, short)


def _learning(
    history: Sequence[Snapshot],
    arm: int,
    experiment: Experiment,
    progress: Progress,
    moments: tuple[str, str],
) -> Verdict:
    guess, last = guess_of(experiment), history[-1].arms[arm]
    score, rest = _score(last.validation_accuracy, guess), _left(progress, guess)
    steps, loss = series(history, arm, "validation_loss")
    best = overfit(progress, loss, guess)
    if best is not None:
        at, low, now = int(steps[best]), float(loss[best].mean()), recently(steps, loss)
        accuracy = series(history, arm, "validation_accuracy")[1].mean(axis=1)
        surer = recently(steps, accuracy) >= accuracy[best] - SAME
        aside = ", which has not fallen: it is only surer of its mistakes" if surer else ""
        said = (
            f"Overfits since step {at}: the validation loss has risen from {brief(low)} to "
            f"{brief(float(now))} while the training loss fell to "
            f"{brief(float(progress.now.mean()))}; {score}{aside}. Stop there, or try dropout, "
            f"weight decay or a smaller network. {moments[1]}{rest}"
        )
        return Verdict("overfits", moments[0], said, f"overfits since step {at}")
    fell = _collapsed(history, arm, guess)
    if fell:
        return Verdict("collapsed", moments[0], f"{fell} {moments[1]}{rest}", "collapsed")
    mean = loss.mean(axis=1)
    over = bool(last.ended) or (int(steps[-1]) >= ENOUGH and has_settled(steps, mean))
    kind, verb = ("learned", "Learned") if over else ("learns", "Learns")
    good = float(last.validation_accuracy.mean()) >= 1.0 - SAME
    falls = last.ended and not good and falls_on(steps, mean, guess)
    more = " The validation loss was still falling: more steps may help." if falls else ""
    # having learned is a claim; that the loss has come to rest, or the steps are over, is not
    if over and float(last.validation_accuracy.mean()) < WELL:
        verb = "Settled" if has_settled(steps, mean) else "Ended"
    said = f"{verb}: {score} at step {last.step}.{more} {moments[1]}{rest}"
    few = _few(last.validation_accuracy, guess)
    return Verdict(kind, moments[0], said, f"{verb.lower()}, {few}")


def _collapsed(history: Sequence[Snapshot], arm: int, guess: Guess) -> str:
    """Says so where the accuracy was higher, and has stayed lower; nothing elsewhere."""
    steps, values = series(history, arm, "validation_accuracy")
    accuracy = values.mean(axis=1)
    best, now = int(np.nanargmax(accuracy)), recently(steps, accuracy)
    trained = series(history, arm, "train_accuracy")[1].mean(axis=1)
    lost = min(accuracy[best] - now, trained[best] - recently(steps, trained))
    if not lost > COLLAPSE:
        return ""
    rate = history[-1].arms[arm].learning_rate
    return (
        f"Collapsed: {_few(values[best], guess)} of the validation part at step {steps[best]}, "
        f"now {_score(values[-1], guess)}. Try a learning rate below {brief(rate)}, or gradient "
        "clipping."
    )


def _left(progress: Progress, guess: Guess) -> str:
    """How many seeds have not learned."""
    behind = int((progress.now > BETTER * guess.loss).sum())
    if not behind:
        return ""
    verb = "is" if behind == 1 else "are"
    return f" {behind} of {count(len(progress.now), 'seed')} {verb} hardly better than guessing."
