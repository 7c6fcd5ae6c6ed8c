"""Figures are functions of a result: any result draws, and a prediction is always dashed."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from plotly import graph_objects as go

from pages.propagate import figures, text
from pages.ui import panels
from pages.ui.chart.delta import numbers
from pages.ui.text import caption
from snn_core.propagate import QUANTILES, Detail, Propagation
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.mean_field.prediction import Prediction
from snn_core.wording import amount

UNITS = 5


def detail(seeds: int, depth: int, values: np.ndarray) -> Detail:
    """Returns made-up details of the right shapes; NaN wherever the values are."""
    layers = depth + 1
    gaps = np.where(np.isfinite(values), 0, np.nan)
    table = gaps + np.linspace(0, 1, layers)
    first = table.copy()
    first[:, 0] = np.nan
    units = tuple(np.repeat(values[:, [k]], UNITS, axis=1) for k in range(layers))
    weights = tuple(np.linspace(-2, 2, seeds * UNITS).reshape(seeds, UNITS) for _ in range(depth))
    return Detail(
        between=table,
        within=1 - table,
        saturated=first,
        dead=first,
        correlation=table,
        quantiles=table[..., None] + np.arange(len(QUANTILES)),
        histogram=np.full((seeds, layers, 10), 0.1) + gaps[..., None],
        edges=np.linspace(-3, 3, 11),
        unit_mean=units,
        unit_variance=units,
        unit_omega=weights,
        unit_tau=tuple(np.abs(w) for w in weights),
    )


def result(seeds: int = 3, depth: int = 6, growth: float = 1.0, known: bool = True) -> Propagation:
    """Returns a made-up propagation whose variance is multiplied by ``growth`` in every layer."""
    variance = np.tile(growth ** np.arange(depth + 1.0), (seeds, 1))
    variance *= np.linspace(0.9, 1.1, seeds)[:, None] if seeds > 1 else 1
    return made(variance, variance[0] if known else np.full(depth + 1, np.nan), known)


def made(variance: np.ndarray, expected: np.ndarray, known: bool = True) -> Propagation:
    """Returns a propagation with this variance, (seeds, layers), and this prediction."""
    seeds, layers = variance.shape
    zeros = np.zeros((seeds, layers))
    nan = np.full(layers, np.nan)
    theory = expected if known else nan
    bad = [np.flatnonzero(~np.isfinite(row)) for row in variance]
    dead = [np.flatnonzero(row == 0) for row in variance]
    return Propagation(
        experiment=Experiment(network=NetworkSpec(depth=layers - 1, width=16), seeds=seeds),
        layers=("input", *(f"dense {k}" for k in range(1, layers))),
        mean=variance * 0.01,
        variance=variance,
        omega=zeros[:, 1:],
        tau=variance[:, 1:],
        inside=np.full((seeds, layers - 1), 0.25),
        gradient_mean=zeros,
        gradient_variance=variance[:, ::-1],
        diverged_at=tuple(int(b[0]) if len(b) else None for b in bad),
        died_at=tuple(int(d[0]) if len(d) else None for d in dead),
        detail=detail(seeds, layers - 1, variance),
        predicted=Prediction(
            mean=theory * 0,
            variance=theory,
            between=theory * 0.2,
            within=theory * 0.8,
            correlation=theory * 0,
            gradient_variance=theory[::-1],
            mean_sd=theory * 0.1,
            variance_sd=theory * 0.1,
            unit_mean=theory * 0,
            unit_variance=theory,
            reasons=() if known else ("No theory.",),
        ),
        seconds=0.1,
    )


def broken(bad: float, seeds: int = 3) -> Propagation:
    """Returns a propagation in which every seed, or all but the first, turns bad at layer 3."""
    variance = np.ones((seeds, 7))
    variance[min(1, seeds - 1) :, 3:] = bad
    return made(variance, np.ones(7))


RESULTS = {
    "normal": result(),
    "depth 1": result(depth=1),
    "one seed": result(seeds=1),
    "explodes": result(growth=1e6, depth=20),
    "vanishes": result(growth=1e-3, depth=20),
    "no prediction": result(known=False),
    "overflowed": broken(math.inf),
    "NaN": broken(math.nan),
    "all NaN": made(np.full((2, 4), math.nan), np.full(4, math.nan)),
    "died": broken(0.0),
    "one seed died": broken(0.0, seeds=1),
}
FIGURES = {
    "moments": figures.moments_by_layer,
    "gradients": figures.gradients_by_layer,
    "distribution": figures.distribution_by_layer,
    "saturation": figures.saturation_by_layer,
    "units": lambda p: figures.units_of_layer(p, 1, (p.detail.unit_mean[1], p.detail.unit_tau[0])),
    "units, no theory": lambda p: figures.units_of_layer(p, len(p.layers) - 1, None),
}
WORDS = (
    text.moments,
    text.moments_alt,
    lambda p: " ".join(text.gradients(p)),
    text.gradients_alt,
    text.distribution_alt,
    text.saturation,
    lambda p: " ".join(text.units(p, 1)),
    lambda p: " ".join(text.accidents(p)),
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("draw", FIGURES)
def test_every_result_draws_and_is_valid_json(name: str, draw: str) -> None:
    figure = numbers(FIGURES[draw](RESULTS[name]))
    assert go.Figure(figure).data  # Plotly checks every attribute
    json.dumps(figure, allow_nan=False)  # a browser reads no NaN in JSON


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_says_of_what_setting_it_is(draw: str) -> None:
    p = RESULTS["normal"]
    said = FIGURES[draw](p)["layout"]["meta"]["caption"]
    assert said.endswith(caption(p.experiment)) and "SELU, LeCun normal" in said


def test_a_caption_tells_all_that_is_not_the_default() -> None:
    net = NetworkSpec(
        kind="cnn",
        activation="leaky_relu",
        activation_parameters={"negative_slope": 0.3},
        constraint="centralize_unit",
        channels=8,
    )
    said = caption(Experiment(net, "digits", seeds=1, standardize=True))
    for part in ("Leaky ReLU, negative slope 0.3,", "channels 8", "1 seed,", "CNN", "Digits",
                 "Centralize every unit", "standardize the input"):  # fmt: skip
        assert part in said, part


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_has_words(name: str) -> None:
    for say in WORDS:
        text = say(RESULTS[name])
        assert isinstance(text, str) and "None" not in text


@pytest.mark.parametrize("draw", ["moments", "gradients", "saturation", "units"])
def test_predicted_is_dashed_and_measured_is_not(draw: str) -> None:
    figure = go.Figure(FIGURES[draw](RESULTS["normal"]))
    dashed = [t for t in figure.data if t.legendgroup == "predicted"]
    assert dashed and all(t.line.dash == "dash" for t in dashed)
    rest = [t for t in figure.data if t.legendgroup in ("median", "seeds")]
    assert all(t.line.dash in (None, "solid") for t in rest)


def test_hero_shows_the_numbers_of_the_result() -> None:
    p = RESULTS["normal"]
    lines = {
        (t.name, t.yaxis): np.asarray(t.y)
        for t in go.Figure(figures.moments_by_layer(p)).data
        if t.y is not None
    }
    np.testing.assert_array_equal(lines["median", "y2"], np.median(p.variance, axis=0))
    np.testing.assert_array_equal(lines["predicted", "y2"], p.predicted.variance)
    np.testing.assert_array_equal(lines["median", "y"], np.median(p.mean, axis=0))


@pytest.mark.parametrize(("growth", "scale", "kind"), [
    (1.0, "auto", "linear"), (3.0, "auto", "log"), (0.3, "auto", "log"),
    (1.0, "log", "log"), (3.0, "linear", "linear"),
])  # fmt: skip
def test_axis_is_logarithmic_where_it_spans_decades(growth: float, scale: str, kind: str) -> None:
    figure = figures.moments_by_layer(result(growth=growth), scale)
    assert figure["layout"]["yaxis2"]["type"] == kind


def test_band_is_named_after_what_it_is() -> None:
    def names(p: Propagation) -> set[str]:
        return {t.name for t in go.Figure(figures.moments_by_layer(p)).data}

    assert "±2 sd at this width (theory)" in names(RESULTS["normal"])
    assert "spread over seeds" in names(RESULTS["no prediction"])


def test_theory_band_is_two_standard_deviations() -> None:
    p = RESULTS["normal"]
    drawn = go.Figure(figures.moments_by_layer(p))
    spread = [t for t in drawn.data if t.legendgroup == "spread" and t.fill]
    high = p.predicted.variance + 2 * p.predicted.variance_sd
    np.testing.assert_allclose(np.asarray(spread[1].y)[len(high) :][::-1], high)


def test_a_log_axis_gets_no_value_that_it_can_not_draw() -> None:
    for trace in go.Figure(figures.moments_by_layer(RESULTS["died"], "log")).data:
        if trace.yaxis == "y2":
            y = np.asarray(trace.y, dtype=float)
            assert not (y <= 0).any()


def test_accidents_are_said_with_their_layer() -> None:
    said = text.accidents(RESULTS["overflowed"])
    assert said == [
        "2 seeds of 3 overflowed: numbers too large for float32, first at layer 3 (dense 3)."
    ]
    assert "died" in text.accidents(RESULTS["died"])[0]
    assert not text.accidents(RESULTS["normal"])


def test_units_inside_the_box_are_counted() -> None:
    p = RESULTS["normal"]  # omega = tau up to sign, so no unit has both near their targets
    assert text.units(p, 1)[0].startswith("0 % of the units of layer 1 (dense 1)")


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (1.0, "1"), (-0.25, "−0.25"), (1.23456, "1.235"), (2.185e5, "2.18×10⁵"),
    (3e-12, "3.00×10⁻¹²"), (math.inf, "infinite"), (math.nan, "not a number"),
])  # fmt: skip
def test_amounts_are_short(value: float, text: str) -> None:
    assert amount(value) == text


def test_palette_is_the_themes() -> None:
    config = Path(__file__).parents[1] / ".streamlit" / "config.toml"
    theme = tomllib.loads(config.read_text())["theme"]
    assert tuple(theme["light"]["chartCategoricalColors"]) == panels.PALETTE
    assert theme["light"]["textColor"] == panels.INK
    assert len(theme["dark"]["chartCategoricalColors"]) == len(panels.PALETTE)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_line_has_contrast(mode: str) -> None:
    config = Path(__file__).parents[1] / ".streamlit" / "config.toml"
    theme = tomllib.loads(config.read_text())["theme"][mode]
    paper = _luminance(theme["backgroundColor"])
    for colour in theme["chartCategoricalColors"]:
        light, dark = sorted((paper, _luminance(colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(5,), (0, 3), (1, 4), (4, 6), (5, 3, 4)], ids=str)
@pytest.mark.parametrize("lost", [0.0, 0.3, 0.8, 1.0])
def test_quartiles_are_those_of_the_finite_seeds(shape: tuple[int, ...], lost: float) -> None:
    source = np.random.default_rng(3)
    values = source.standard_normal(shape)
    gone = source.random(shape) < lost
    values[gone] = source.choice([np.nan, np.inf, -np.inf], gone.sum())

    def of_finite(column: np.ndarray, level: float) -> float:
        finite = column[np.isfinite(column)]
        return float(np.quantile(finite, level)) if len(finite) else math.nan

    for axis in range(len(shape)):
        columns = np.moveaxis(values, axis, -1)
        expected = [of_finite(columns[at], 0.5) for at in np.ndindex(columns.shape[:-1])]
        found = panels.median(values, axis)
        assert np.shape(found) == columns.shape[:-1]
        np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-12, atol=1e-15)
    if len(shape) == 2:
        for found, level in zip(panels.quartiles(values), (0.25, 0.5, 0.75), strict=True):
            expected = [of_finite(column, level) for column in values.T]
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
