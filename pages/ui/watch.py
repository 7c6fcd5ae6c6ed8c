"""What is watched of a training: progress, curves, verdicts, and a figure for each question.

Everything here runs in the fragment that looks at the training many times a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from pages.ui import layer_figures, live, notices, state, training_figures, training_words
from pages.ui.plotly_view import plotly_view
from snn_core.datasets import is_regression
from snn_core.export import curves_csv, layers_csv, run_json, weights_safetensors
from snn_core.spec import Experiment, dataset_of, input_shape
from snn_core.train import (
    Checkpoint,
    Snapshot,
    Summary,
    checkpoint_at,
    decision_boundary,
    histograms,
    summary,
    verdict,
)
from snn_core.train.live import Training, go_back, history
from snn_core.wording import amount

__all__ = ["draw", "files", "go_on", "remember"]

MOST_POINTS = 400  # of a curve
GOALS = ("90", "80", "95", "99", "70", "60")  # per cent of validation accuracy, or of R²
MOST_ROWS = 100_000  # of a table of layers; every second, third ... record beyond
PICTURE_EVERY = 0.5  # seconds between pictures that networks have to be run for
WORDS_EVERY = 1.0  # seconds between verdicts while it runs


@dataclass(frozen=True)
class Look:
    """What a tab draws from: the training, its records, the step looked at (None: the newest)."""

    training: Training
    records: Sequence[Snapshot]
    names: list[str]
    at: int | None

    @property
    def step(self) -> int:
        """The step that is looked at."""
        return self.records[-1].step if self.at is None else self.at


def draw() -> None:
    """Draws all that moves; runs many times a second while the training does."""
    training = live.current()
    if training is None:
        return
    live.beat()
    busy = live.is_busy(training)
    if busy != st.session_state.get("train.busy"):
        st.rerun()  # the buttons and the pace of this very fragment follow
    records = history(training)
    steps = max(arm.training.steps for arm in training.experiments)
    done, text = training_words.pace(records, steps, training.job.state)
    st.progress(done, text)
    if not records:
        return
    at = None if busy else _scrub(training, records)
    named = training_words.names(training.experiments)
    look = Look(training, _shown(training, busy), named, at)
    regression = _regression(training.experiments[0])
    plotly_view(
        training_figures.curves(look.records, named, regression, at),
        "curves",
        training_words.curves_alt(look.records, named, regression),
        live=True,
    )
    _verdicts(look, busy)
    _tabs(look, busy)


def remember(name: str, usual: str) -> None:
    """Remembers a choice of what is looked at."""
    state.look(name, st.session_state[name], usual)


def go_on(training: Training, at: int, arms: tuple[Experiment, ...] | None = None) -> None:
    """Goes back to the last networks kept up to a step, and on from there if it was running."""
    state.touch()
    playing = live.is_busy(training)
    if not training.job.alive:
        live.revive(training)
    go_back(training, at, arms)
    st.session_state["train.at"] = None
    if playing:
        training.job.play()


def _regression(experiment: Experiment) -> bool:
    load = dataset_of(experiment).load
    return load is not None and is_regression(load())


def _shown(training: Training, busy: bool) -> list[Snapshot]:
    """Returns few enough records to draw; which ones does not change when others come."""
    news, stride = training.job.since(), 1
    while news.next / stride > MOST_POINTS:
        stride *= 2
    pairs = zip(news.indices, news.items, strict=True)
    shown = [item for index, item in pairs if index % stride == 0]
    if not busy and shown[-1] is not news.items[-1]:
        shown.append(news.items[-1])
    return shown


def _scrub(training: Training, records: Sequence[Snapshot]) -> int | None:
    """Draws the slider through the steps of a training that rests; None is the newest."""
    last = records[-1].step
    if last == 0:
        return None
    at = st.session_state.get("train.at")
    at = last if at is None else min(at, last)
    st.session_state["train.slider"] = at
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.slider(
            "Step shown",
            0,
            last,
            key="train.slider",
            on_change=_scrubbed,
            args=(last,),
            help="Look back: figures of layers, boundary and histograms show this step.",
        )
        if at < last:
            st.button(
                f"Go on from step {at}",
                on_click=go_on,
                args=(training, at),
                key="go_on",
                width=190,
                help="Forgets what came after. Another learning rate, optimizer or "
                "constraint may be set first.",
            )
    return None if at == last else at


def _scrubbed(last: int) -> None:
    at = st.session_state["train.slider"]
    st.session_state["train.at"] = None if at >= last else at


def _verdicts(look: Look, busy: bool) -> None:
    """Draws a sentence for every arm and the table of arms."""
    goal = state.view("goal", GOALS)
    key = (look.training.job.id, look.records[-1].step, goal, look.training.job.state)
    known, when, text = st.session_state.get("train.verdicts", (None, 0.0, ""))
    if known != key and not (busy and time.monotonic() - when < WORDS_EVERY):
        text = _verdict_text(look, int(goal) / 100)
        st.session_state["train.verdicts"] = (key, time.monotonic(), text)
    st.markdown(text)


def _verdict_text(look: Look, goal: float) -> str:
    """A sentence for every arm, and the table of arms, as Markdown."""
    records, arms = history(look.training), look.training.experiments
    score = "R²" if _regression(arms[0]) else "accuracy"
    lines, rows = [], []
    for index, (arm, name) in enumerate(zip(arms, look.names, strict=True)):
        said = verdict(records, index, arm)
        lines.append(f"- **{name}.** {notices.plain(said.sentence)}")
        found = summary(records, index, arm, goal)
        if found is not None:
            rows.append(_row(name, said.short, found))
    head = (
        f"| arm | verdict | validation {score} | best | test | steps to {goal:.2g} | time |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return "\n".join(lines) + "\n\n" + head + "\n".join(rows)


def _row(name: str, short: str, found: Summary) -> str:
    test = (
        "at the end"
        if found.test_accuracy is None or found.test_deviation is None
        else _spread(found.test_accuracy, found.test_deviation)
    )
    seeds = len(found.steps_to)
    there = "–" if found.median_steps_to is None else f"{found.median_steps_to:,.0f}"
    cells = (
        f"**{name}**",
        notices.plain(short),
        _spread(found.accuracy, found.accuracy_deviation),
        f"{amount(found.best_accuracy, 3)} at {found.best_step:,}",
        test,
        f"{there} ({found.reached} of {seeds} seeds)",
        f"{found.seconds:.1f} s",
    )
    return "| " + " | ".join(cells) + " |"


def _spread(mean: float, deviation: float) -> str:
    if math.isnan(deviation):
        return amount(mean, 3)
    return f"{amount(mean, 3)} ± {amount(deviation, 2)}"


def _tabs(look: Look, busy: bool) -> None:
    tabs = {n: draw for n, draw in TABS.items() if n != "Boundary" or _plane(look.training)}
    chosen = state.view("tab", list(tabs))
    if st.session_state.get("tab") != chosen:
        st.session_state["tab"] = chosen
    drawn = st.tabs(list(tabs), key="tab", on_change=remember, args=("tab", next(iter(tabs))))
    for tab, draw in zip(drawn, tabs.values(), strict=True):
        if tab.open:
            with tab:
                draw(look)


def _plane(training: Training) -> bool:
    """Whether the arms decide over a plane: two features, and classes."""
    arm = training.experiments[0]
    return input_shape(arm) == (2,) and not _regression(arm)


def _moments(look: Look) -> None:
    for name in ("variance", "mean"):
        figure = training_figures.heat(look.records, name, look.names, look.at)
        alt = training_words.layers_alt(look.records, look.names, name)
        plotly_view(figure, f"heat.{name}", alt, live=True)
    st.caption(training_words.MOMENTS)


def _orbits(look: Look) -> None:
    figure = training_figures.orbits(look.records, look.names, look.at)
    alt = training_words.layers_alt(look.records, look.names, "variance")
    plotly_view(figure, "orbits", f"Orbits. {alt}", live=True)
    st.caption(training_words.ORBITS)


def _drift(look: Look) -> None:
    figure = training_figures.drift(look.records, look.at)
    plotly_view(
        figure, "drift", training_words.layers_alt(look.records, look.names, "tau"), live=True
    )
    st.caption(training_words.DRIFT)


def _gradients(look: Look) -> None:
    figure = layer_figures.gradients(look.records, look.at)
    alt = training_words.layers_alt(look.records, look.names, "gradient_variance")
    plotly_view(figure, "gradients", alt, live=True)
    st.caption(f"At step {look.step}. {training_words.GRADIENTS}")


def _saturation(look: Look) -> None:
    figure = layer_figures.saturation(look.records, look.at)
    alt = training_words.layers_alt(look.records, look.names, "saturated")
    plotly_view(figure, "saturation", alt, live=True)
    st.caption(f"At step {look.step}. {training_words.SATURATION}")


def _boundary(look: Look) -> None:
    _picture(look, "boundary", decision_boundary, partial(_draw_boundary, look))


def _draw_boundary(look: Look, found: list, step: int) -> None:
    alt = f"Decision boundary at step {step} of " + ", ".join(look.names) + "."
    plotly_view(layer_figures.boundaries(found, look.names), "boundary", alt)
    st.caption(f"At step {step}. {training_words.BOUNDARY}")


def _histograms(look: Look) -> None:
    deepest = max(arm.network.depth for arm in look.training.experiments)
    allowed = [str(layer) for layer in range(1, deepest + 1)]
    layer = int(state.view("layer", allowed))
    if deepest > 1:
        st.session_state["layer"] = layer
        st.slider(
            "Layer",
            1,
            deepest,
            key="layer",
            on_change=_look_at_layer,
            help="The hidden layer whose numbers are shown; 1 is the first.",
        )
    _picture(
        look, f"histograms.{layer}", partial(_of_layer, layer), partial(_draw_histograms, layer)
    )


def _look_at_layer() -> None:
    state.look("layer", str(st.session_state["layer"]), "1")


def _of_layer(layer: int, run, index: int, checkpoint: Checkpoint):  # noqa: ANN001, ANN202
    deepest = checkpoint.experiments[index].network.depth
    return histograms(run, index, checkpoint, layer) if layer <= deepest else None


def _draw_histograms(layer: int, found: list, step: int) -> None:
    alt = f"Histograms of layer {layer} at step {step}. " + " ".join(
        f"Arm {'ABCD'[index]}: weights of variance {each.weights.variance:.4g}, activations of "
        f"mean {each.activations.mean:.4g} and variance {each.activations.variance:.4g}."
        for index, each in enumerate(found)
        if each is not None
    )
    plotly_view(layer_figures.histogram(found, layer), "histograms", alt)
    st.caption(f"At step {step}. {alt} {training_words.HISTOGRAMS}")


def _picture(look: Look, name: str, compute: Callable, show: Callable) -> None:
    """Draws what networks have to be run for: not more than twice a second, and kept."""
    run = look.training.run
    if run is None or not run.checkpoints:
        st.info("The first networks are being drawn.")
        return
    kept = st.session_state.get("train.picture", (None, 0.0, [], 0))
    checkpoint = checkpoint_at(run, look.step)
    key = (look.training.job.id, look.training.job.since().epoch, name, checkpoint.step)
    stale = key[:3] != (kept[0] or ())[:3] or not live.is_busy(look.training)
    if key != kept[0] and (stale or time.monotonic() - kept[1] > PICTURE_EVERY):
        found = [compute(run, index, checkpoint) for index in range(len(run.arms))]
        kept = (key, time.monotonic(), found, checkpoint.step)
        st.session_state["train.picture"] = kept
    show(kept[2], kept[3])


TABS: dict[str, Callable[[Look], None]] = {
    "Mean and variance": _moments,
    "Orbits": _orbits,
    "Omega and tau": _drift,
    "Gradients": _gradients,
    "Saturation": _saturation,
    "Boundary": _boundary,
    "Histograms": _histograms,
}


def files(
    training: Training, named: Sequence[str]
) -> list[tuple[str, str, str, Callable[[], str | bytes]]]:
    """Returns what can be downloaded: label, file name, type, and how to make it when asked."""
    arms = training.experiments

    def curves() -> str:
        return curves_csv(history(training), arms, named)

    def layers() -> str:
        records = history(training)
        rows = sum(arm.seeds * (arm.network.depth + 1) for arm in arms) * len(records)
        return layers_csv(records[:: math.ceil(rows / MOST_ROWS)], arms, named)

    def whole() -> str:
        return run_json(history(training), arms, named, training.notes)

    def weights(index: int, at: int | None) -> bytes:
        run = training.run
        assert run is not None
        step = run.step if at is None else at
        return weights_safetensors(checkpoint_at(run, step), index)

    found = [
        ("Curves (CSV)", "curves.csv", "text/csv", curves),
        ("Layers (CSV)", "layers.csv", "text/csv", layers),
        ("Everything (JSON)", "training.json", "application/json", whole),
    ]
    if training.run is not None and training.run.checkpoints:
        at = st.session_state.get("train.at")
        found += [
            (
                f"Weights of {name} (safetensors)",
                f"weights_{name[0].lower()}.safetensors",
                "application/octet-stream",
                partial(weights, index, at),
            )
            for index, name in enumerate(named)
        ]
    return found
