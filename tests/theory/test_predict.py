"""Mean field, SNN map and gradients, against recursions written out by hand."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS, gaussian_moments
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS
from snn_core.initializers import INITIALIZERS
from snn_core.normalizations import NORMALIZATIONS
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.mean_field.forward import tap_matrix
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.mean_field.prediction import Prediction
from snn_core.theory.mean_field.state import after_activation
from snn_core.theory.moments.maps import correlation_map

ARRAYS = [f.name for f in fields(Prediction) if f.name != "reasons"]
CHI = 1.0715750  # E f'^2 of SELU at (0, 1)


def experiment(data: str = "gaussian", batch: int = 256, **network: Any) -> Experiment:
    own = {f.name for f in fields(Experiment)}
    outer = {key: network.pop(key) for key in list(network) if key in own}
    return Experiment(network=NetworkSpec(**network), data=data, batch=batch, **outer)


def check_complete(p: Prediction, depth: int) -> None:
    """Every array is there, free of infinities, and NaN nowhere without a reason."""
    for name in ARRAYS:
        values = getattr(p, name)
        assert values.shape == (depth + 1,) and values.dtype == np.float64, name
        assert not np.isinf(values).any(), name
        assert np.isfinite(values).all() or p.reasons, name


# --- whole tables


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_predicts_every_activation(name: str, kind: str) -> None:
    p = predict(experiment(kind=kind, activation=name, depth=5, dense=2, width=64, image_size=6))
    check_complete(p, 5)
    assert np.isfinite(p.mean).all() and np.isfinite(p.variance).all()
    assert np.isfinite(p.gradient_variance).all()


@pytest.mark.parametrize("constraint", list(CONSTRAINTS))
@pytest.mark.parametrize(
    ("initializer", "kind"),
    [(law.name, kind) for law in INITIALIZERS.values() for kind in law.kinds],
)
def test_predicts_every_weight_law(initializer: str, constraint: str, kind: str) -> None:
    for normalization in NORMALIZATIONS if initializer == "lecun_normal" else ["none"]:
        p = predict(
            experiment(
                kind=kind, initializer=initializer, constraint=constraint, depth=4, dense=1,
                width=64, image_size=6, normalization=normalization,
            )
        )  # fmt: skip
        check_complete(p, 4)
        if (initializer, constraint, kind) != ("delta_orthogonal", "orthogonal", "cnn"):
            assert np.isfinite(p.variance).all()


@pytest.mark.parametrize("name", list(DATASETS))
def test_predicts_every_data_set(name: str) -> None:
    p = predict(experiment(name, depth=3, width=64))
    check_complete(p, 3)
    assert np.isfinite(p.within).all() and np.isfinite(p.gradient_variance).all()


@pytest.mark.parametrize("normalization", [n for n in NORMALIZATIONS if n != "none"])
@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("pool", ["none", "max", "average"])
def test_normalization_with_pooling(normalization: str, position: str, pool: str) -> None:
    p = predict(
        experiment(
            kind="cnn", depth=6, dense=2, image_size=8, pool=pool, pool_every=2,
            normalization=normalization, normalization_position=position,
        )
    )  # fmt: skip
    check_complete(p, 6)
    if pool == "none":
        assert np.isfinite(p.variance).all()
    else:
        assert np.isnan(p.variance[2]) and any("Pooling" in reason for reason in p.reasons)
        assert np.isfinite(p.variance[3]) == (position == "before")


@pytest.mark.parametrize("dropout", ["none", "standard", "alpha"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("normalization", list(NORMALIZATIONS))
def test_predicts_the_rest(dropout: str, residual: bool, normalization: str) -> None:
    p = predict(
        experiment(dropout=dropout, residual=residual, normalization=normalization, depth=4)
    )
    check_complete(p, 4)
    assert np.isfinite(p.variance).all() and np.isfinite(p.correlation).all()


@pytest.mark.parametrize("settings", [
    {}, {"weight_factor": 1.4}, {"data": "correlated"}, {"activation": "relu", "residual": True},
    {"activation": "tanh", "weight_factor": 1.5}, {"activation": "sigmoid"},
    {"initializer": "orthogonal", "dropout": "alpha"}, {"normalization": "batch"},
    {"normalization": "layer", "activation": "relu"}, {"constraint": "centralize_layer"},
    {"data": "digits", "activation": "softplus"}, {"kind": "cnn", "dense": 0, "image_size": 8},
])  # fmt: skip
def test_what_has_settled_is_a_copy(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every layer computed, and those after a network has settled copied, come to the same."""
    data = settings.get("data", "gaussian")
    e = experiment(data, depth=96, **{k: v for k, v in settings.items() if k != "data"})
    copied = predict(e)
    monkeypatch.setattr(
        "snn_core.theory.mean_field.forward.has_settled", lambda before, after: False
    )
    computed = predict(e)
    assert copied.reasons == computed.reasons
    for name in ARRAYS:
        first, second = getattr(copied, name), getattr(computed, name)
        assert np.allclose(first, second, rtol=1e-11, atol=1e-14, equal_nan=True), name


@pytest.mark.parametrize("settings", [
    {}, {"activation": "mish", "bias": 0.3}, {"initializer": "lsuv", "activation": "gelu"},
    {"kind": "cnn", "dense": 1, "activation": "tanh"}, {"activation": "relu", "bias": 0.1},
    {"activation": "sigmoid"}, {"normalization": "batch"}, {"dropout": "alpha"},
])  # fmt: skip
def test_shallower_is_a_prefix(settings: dict[str, Any]) -> None:
    deep, shallow = (predict(experiment(depth=d, **settings)) for d in (128, 16))
    if settings.get("kind") == "cnn":  # the dense layer comes at another depth
        assert np.array_equal(deep.variance[:16], shallow.variance[:16])
        return
    for name in set(ARRAYS) - {"gradient_variance"}:
        first, whole = getattr(deep, name)[:17], getattr(shallow, name)
        assert np.allclose(first, whole, rtol=1e-12, atol=1e-14, equal_nan=True), name


def test_divergence_is_told() -> None:
    p = predict(experiment(weight_factor=100.0, activation="relu", depth=512))
    check_complete(p, 512)
    assert np.isnan(p.variance[-1]) and any("range" in reason for reason in p.reasons)
    check_complete(predict(experiment(weight_factor=100.0, depth=200)), 200)
    steep = predict(experiment(weight_factor=100.0, activation="sin", depth=512))
    check_complete(steep, 512)
    assert np.isfinite(steep.variance).all() and np.isnan(steep.gradient_variance[0])
    dead = predict(experiment(weight_factor=0.0, depth=3))
    check_complete(dead, 3)
    assert dead.variance[-1] == 0.0


@pytest.mark.parametrize("name", ["selu", "elu", "gelu", "tanh"])
def test_samples_keep_a_cosine_however_small_they_become(name: str) -> None:
    """The exact map of pairs loses its digits at variances that a deep network may come to."""
    data = {"data": "correlated", "data_parameters": (("correlation", 0.5),)}
    e = Experiment(NetworkSpec(activation=name, weight_factor=0.1, depth=100), **data)
    p = predict(e)
    assert p.variance[-1] < 1e-40
    assert (np.abs(p.correlation) <= 1 + 1e-9).all()


# --- published and derived numbers


@pytest.mark.parametrize(("settings", "mean", "variance"), [
    ({}, 0.0, 1.0),
    ({"initializer": "selu_gain"}, -0.0335, 0.0398),
    ({"weight_factor": 0.95}, None, 0.830),
    ({"weight_factor": 1.1}, None, 1.408),
])  # fmt: skip
def test_selu_initializers(settings: dict, mean: float | None, variance: float) -> None:
    p = predict(experiment(depth=500, **settings))
    assert p.variance[-1] == pytest.approx(variance, abs=6e-4)
    if mean is not None:
        assert p.mean[-1] == pytest.approx(mean, abs=1e-4)


def test_pytorch_default_shrinks_to_its_biases() -> None:
    # Weights of variance 1/(3 n) alone send SELU to 0; the biases' 1/(3 n) is what is left.
    p = predict(experiment(initializer="pytorch_default", depth=200, width=4096))
    assert (np.diff(p.variance) <= 1e-15).all() and p.variance[-1] < 1e-3
    second = p.variance[-1] + p.mean[-1] ** 2
    m = gaussian_moments("selu", 0.0, second / 3 + 1 / (3 * 4096))
    assert p.variance[-1] == pytest.approx(float(m.variance), rel=1e-9)


def test_he_diverges_with_selu() -> None:
    variance = predict(experiment(initializer="he_normal", depth=200)).variance
    assert variance[-1] / variance[-2] == pytest.approx(1.0507009873554805**2, abs=1e-3)


def test_selu_gradient_grows_by_chi() -> None:
    p = predict(experiment())
    assert p.gradient_variance[-1] == 1.0
    assert np.allclose(p.gradient_variance[:-1] / p.gradient_variance[1:], CHI, rtol=1e-7)
    narrowing = predict(experiment(features=512, depth=1, width=128))
    assert narrowing.gradient_variance[0] == pytest.approx(CHI / 4)


def test_selu_correlation_map() -> None:
    c = 1e-3
    p = predict(experiment("correlated", data_parameters=(("correlation", c),), depth=1))
    assert p.correlation[1] / c == pytest.approx(0.97068, abs=3e-5)
    assert predict(experiment(depth=8)).correlation == pytest.approx(0.0, abs=1e-12)


def test_alpha_dropout_keeps_selu_at_its_fixed_point() -> None:
    p = predict(experiment(dropout="alpha", dropout_rate=0.3))
    assert np.allclose(p.mean, 0.0, atol=1e-12) and np.allclose(p.variance, 1.0, atol=1e-12)
    assert np.allclose(p.unit_mean, 0.0, atol=1e-12)
    assert np.allclose(p.unit_variance, 1.0, atol=1e-12)


# --- recursions by hand


@pytest.mark.parametrize("name", ["relu", "selu", "tanh", "gelu"])
def test_constraints_by_hand(name: str) -> None:
    data: dict[str, Any] = {"data_parameters": (("mean", 0.5),), "features": 64, "width": 64}
    plain = predict(experiment(activation=name, depth=6, **data))
    centred = predict(experiment(activation=name, constraint="centralize_unit", depth=6, **data))
    mean, variance = 0.5, 1.0
    pooled = (mean, variance)
    for layer in range(1, 7):
        # With sum w = 0 exactly, the layer's own mean does not count, and tau = 1 - 1/64.
        m = gaussian_moments(name, 0.0, variance * 63 / 64)
        mean, variance = float(m.mean), float(m.variance)
        assert centred.mean[layer] == pytest.approx(mean, rel=1e-12, abs=1e-15)
        assert centred.variance[layer] == pytest.approx(variance, rel=1e-12)
        m = gaussian_moments(name, 0.0, pooled[1] + pooled[0] ** 2)
        pooled = float(m.mean), float(m.variance)
        assert plain.variance[layer] == pytest.approx(pooled[1], rel=1e-12)


def test_pairs_and_units_by_hand() -> None:
    rho, batch = 0.3, 10
    p = predict(
        experiment(
            "correlated", batch, activation="gelu", depth=4, width=32, bias=0.2,
            data_parameters=(("correlation", rho),),
        )
    )  # fmt: skip
    q, product, unit = 1.0, rho, 1.0 - rho
    for layer in range(1, 5):
        second = float(gaussian_moments("gelu", 0.2, q).second_moment)
        product = float(correlation_map("gelu", q, product / q, 0.2))
        q = second
        assert p.correlation[layer] == pytest.approx(product / q, rel=1e-10)
        assert p.within[layer] == pytest.approx(0.9 * (q - product), rel=1e-9)
        assert p.between[layer] + p.within[layer] == pytest.approx(p.variance[layer], rel=1e-12)
        m = gaussian_moments("gelu", 0.2, unit)
        unit = float(m.variance)
        assert p.unit_variance[layer] == pytest.approx(unit, rel=1e-12)


def test_bias_and_weight_factor_by_hand() -> None:
    settings = (("sigma_b", 0.4), ("sigma_w", 1.3))
    p = predict(
        experiment(
            activation="tanh", initializer="mean_field", initializer_parameters=settings,
            bias=-0.2, weight_factor=0.8, depth=5,
        )
    )  # fmt: skip
    second, gradient = 1.0, []
    for layer in range(1, 6):
        m = gaussian_moments("tanh", -0.2, 0.8 * 1.69 * second + 0.16)
        second = float(m.second_moment)
        gradient.append(0.8 * 1.69 * float(m.derivative_second_moment))
        assert p.variance[layer] == pytest.approx(float(m.variance), rel=1e-12)
    assert p.gradient_variance[0] == pytest.approx(math.prod(gradient), rel=1e-10)


def test_residual_adds() -> None:
    p = predict(experiment(residual=True, residual_scale=0.5, depth=3, activation="relu"))
    mean, second = 0.0, 1.0
    for layer in range(1, 4):
        m = gaussian_moments("relu", 0.0, second)
        second = second + 2 * 0.5 * mean * float(m.mean) + 0.25 * float(m.second_moment)
        mean += 0.5 * float(m.mean)
        assert p.mean[layer] == pytest.approx(mean)
        assert p.variance[layer] == pytest.approx(second - mean**2)
    assert p.gradient_variance[0] == pytest.approx((1 + 0.25 * 0.5) ** 3)
    none = predict(experiment(residual=True, depth=3, width=64, features=32))
    assert none.variance[1] == pytest.approx(1.0)  # shapes differ: nothing is added


def test_lsuv_sets_the_variance() -> None:
    p = predict(experiment("uniform", initializer="lsuv", weight_factor=1.5, activation="gelu"))
    expected = float(gaussian_moments("gelu", 0.0, 1.5).variance)
    assert p.variance[1:] == pytest.approx(expected, rel=1e-10)
    clipped = predict(
        experiment("uniform", initializer="lsuv", weight_factor=1.5, constraint="unit_norm")
    )
    assert clipped.variance[1] < 0.5  # the projection takes the calibration back


@pytest.mark.parametrize("batch", [4, 64])
def test_batch_normalization_leaves_no_common_part(batch: int) -> None:
    p = predict(experiment("correlated", batch, normalization="batch", depth=3))
    second = float(gaussian_moments("selu", 0.0, 1 / (1 + 1e-5)).second_moment)
    product = float(correlation_map("selu", 1.0, -1 / (batch - 1)))
    assert p.variance[-1] == pytest.approx(second, rel=2e-4)
    assert p.correlation[-1] == pytest.approx(product, abs=2e-4)


def test_batch_normalization_gradient() -> None:
    # Yang et al. 2019, arXiv:1902.08129: pi / (pi - 1) a layer for ReLU in the large-batch limit.
    p = predict(experiment(batch=8192, normalization="batch", activation="relu", depth=20))
    ratio = p.gradient_variance[5] / p.gradient_variance[6]
    assert ratio == pytest.approx(math.pi / (math.pi - 1), rel=1e-3)


# --- convolutions


def test_circular_convolutions_are_dense_layers() -> None:
    settings: dict[str, Any] = {"depth": 8, "activation": "mish", "weight_factor": 1.2}
    dense = predict(experiment("uniform", **settings))
    circular = predict(experiment("uniform", kind="cnn", padding="circular", **settings))
    assert np.allclose(circular.mean, dense.mean, rtol=1e-11)
    assert np.allclose(circular.variance, dense.variance, rtol=1e-11)
    ratio = circular.gradient_variance[:5] / circular.gradient_variance[1:6]
    # 32 channels in and out but for the 3 channels of the input
    expected = dense.gradient_variance[:5] / dense.gradient_variance[1:6]
    assert ratio[1:] == pytest.approx(expected[1:], rel=1e-10)
    assert ratio[0] == pytest.approx(expected[0] * 32 / 3, rel=1e-10)


def test_zero_padding_loses_variance() -> None:
    found = {
        padding: predict(experiment(kind="cnn", padding=padding, activation="relu", depth=8))
        for padding in ("zeros", "circular", "reflect")
    }
    assert (found["zeros"].variance[1:] < found["circular"].variance[1:]).all()
    assert np.allclose(found["reflect"].variance, found["circular"].variance)
    assert (found["zeros"].gradient_variance[:5] < found["circular"].gradient_variance[:5]).all()


def test_taps_by_hand() -> None:
    assert tap_matrix(4, 3, "zeros")[0].tolist() == [1, 1, 0, 0]
    assert tap_matrix(4, 3, "circular")[0].tolist() == [1, 1, 0, 1]
    assert tap_matrix(4, 3, "reflect")[0].tolist() == [1, 2, 0, 0]
    assert tap_matrix(4, 5, "circular")[1].tolist() == [1, 1, 1, 2]
    for padding in ("circular", "reflect"):
        assert (tap_matrix(5, 5, padding).sum(1) == 5).all()


def test_delta_orthogonal_sees_no_edge() -> None:
    p = predict(
        experiment(
            kind="cnn", initializer="delta_orthogonal", image_channels=32, activation="tanh",
            depth=6, dense=1,
        )
    )  # fmt: skip
    mlp = predict(experiment(activation="tanh", depth=6))
    assert np.allclose(p.variance, mlp.variance, rtol=1e-11)
    wider = predict(experiment(kind="cnn", initializer="delta_orthogonal", depth=4))
    expected = float(gaussian_moments("selu", 0.0, 3 / 32).variance)
    assert wider.variance[1] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", ["selu", "softplus"])
@pytest.mark.parametrize("centre", [1e-3, 0.02, 0.3, 50.0])
def test_variances_that_differ_by_rounding_alone(name: str, centre: float) -> None:
    """Of a real data set's samples, which a deep network makes alike."""
    variance = centre * (1 + 1e-15 * (np.arange(64.0) % 2)).reshape(64, 1, 1)
    found = after_activation(ACTIVATIONS[name], np.zeros((1, 1, 1)), variance)
    exact = gaussian_moments(name, 0.0, centre)
    references = (exact.mean, exact.second_moment, exact.derivative_second_moment)
    for values, reference in zip(found, references, strict=True):
        assert values == pytest.approx(float(reference), rel=1e-12)


@pytest.mark.parametrize("name", ["selu", "tanh", "relu6", "sin"])
@pytest.mark.parametrize("mean", [0.0, 0.7])
def test_many_points_are_interpolated_closely(name: str, mean: float) -> None:
    act = ACTIVATIONS[name]
    variance = np.geomspace(1e-4, 30.0, 3000).reshape(3, 20, 50)
    variance[0, 0, 0] = 0.0
    centre = np.full_like(variance, mean)
    some = (np.array([0, 1, 2, 2]), np.array([0, 7, 13, 19]), np.array([0, 3, 31, 49]))
    exact = gaussian_moments(act, centre[some], variance[some])
    found = after_activation(act, centre, variance)
    references = (exact.mean, exact.second_moment, exact.derivative_second_moment)
    for values, reference in zip(found, references, strict=True):
        assert values[some] == pytest.approx(reference, rel=1e-11, abs=1e-13)
