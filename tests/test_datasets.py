"""Data sets: draws follow their law, tables arrive whole, and the theory gets true moments."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from snn_core import datasets
from snn_core.datasets import DATASETS, Dataset, Table, dataset, input_law, sample, shipped
from snn_core.datasets.moments import representatives

SYNTHETIC = [name for name, data in DATASETS.items() if data.kind == "synthetic"]
REAL = [name for name, data in DATASETS.items() if data.kind == "real"]
PLANAR = {"moons": 2, "circles": 2, "spirals": 2, "blobs": 3, "xor": 2}  # classes
ROWS_FEATURES_CLASSES = {
    "fashion_mnist": (7000, 784, 10),
    "digits": (1797, 64, 10),
    "optical": (5620, 64, 10),
    "wine": (178, 13, 3),
    "breast_cancer": (569, 30, 2),
    "vowel": (990, 10, 11),
    "letter": (20000, 16, 26),
    "magic": (19020, 10, 2),
    "pendigits": (10992, 16, 10),
    "spambase": (4597, 57, 2),
    "statlog_image": (2310, 19, 7),
    "statlog_landsat": (6435, 36, 6),
    "diabetes": (442, 10, 0),
}
IMAGES = {"fashion_mnist": (1, 28, 28), "digits": (1, 8, 8), "optical": (1, 8, 8)}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def whole(data: Dataset, standardize: bool) -> np.ndarray:
    """The whole table as `sample` gives it, in some order."""
    count = len(data.load().x)
    return sample(data, count, 1, seeded(0), standardize).numpy().astype(np.float64)


def small(image: bool) -> Dataset:
    """A table of 9 rows with a constant feature, outside DATASETS."""
    x = np.random.default_rng(5).gamma(0.7, 3.0, size=(9, 12)).astype(np.float32)
    x[:, 4] = 2.5
    read = Table(x, np.arange(9) % 3, ("a", "b", "c"), (2, 3, 2) if image else None)
    return Dataset("small", "", "", "", "", "real", load=lambda: read)


# Every data set


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_is_complete(name: str) -> None:
    data = DATASETS[name]
    assert data.name == name and dataset(name) is data
    assert data.kind in ("synthetic", "formula", "real")
    assert (data.draw is None) == (data.kind != "synthetic") == (data.load is not None)
    assert all(len(text) > 3 for text in (data.label, data.description, data.licence))
    assert len(data.citation) > 20
    if data.kind == "real":
        assert "doi:10." in data.citation or "arXiv:" in data.citation
        assert any(name in data.licence for name in ("CC BY 4.0", "MIT", "BSD"))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", DATASETS)
def test_a_sample_is_finite_and_decided_by_the_seed(name: str, standardize: bool) -> None:
    data = DATASETS[name]
    x = sample(data, 33, 7, seeded(1), standardize)
    assert x.shape == (33, datasets.features(data, 7)) and x.dtype == torch.float32
    assert torch.isfinite(x).all()
    assert torch.equal(x, sample(data, 33, 7, seeded(1), standardize))
    assert not torch.equal(x, sample(data, 33, 7, seeded(2), standardize))


@pytest.mark.parametrize("name", DATASETS)
def test_a_wrong_request_is_a_value_error(name: str) -> None:
    data = DATASETS[name]
    with pytest.raises(ValueError, match="count"):
        sample(data, 0, 7, seeded(0), False)
    with pytest.raises(ValueError):
        dataset(name, nonsense=1.0)
    for parameter in data.parameters:
        for value in (parameter.low - 0.01, parameter.high + 0.01, math.nan):
            with pytest.raises(ValueError, match=parameter.name):
                dataset(name, **{parameter.name: value})


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'gaussian'"):
        dataset("gausian")


# Laws


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {}),
        ("gaussian", {"mean": -3.0, "variance": 0.25}),
        ("uniform", {}),
        ("correlated", {"correlation": 0.0}),
        ("correlated", {"correlation": 0.5}),
        ("correlated", {"correlation": 0.9}),
    ],
)
def test_draws_have_the_moments_of_the_law(
    name: str, parameters: dict[str, float], standardize: bool
) -> None:
    data = dataset(name, **parameters)
    count, features = 64, 8192
    x = sample(data, count, features, seeded(3), standardize).double()
    law = input_law(data, features, standardize)
    variance = float(law.second_moment[0] - law.mean[0] ** 2)
    if not standardize:
        assert law.mean[0] == data.mean and variance == pytest.approx(data.variance)
    # Features are independent, so averages over samples first and then standard errors over them.
    pairs = (x.sum(0) ** 2 - (x**2).sum(0)) / (count * (count - 1))
    for per_feature, expected in (
        (x.mean(0), law.mean[0]),
        ((x**2).mean(0), law.second_moment[0]),
        (pairs, law.pair_product),
    ):
        error = float(per_feature.std()) / math.sqrt(features)
        assert float(per_feature.mean()) == pytest.approx(expected, abs=4.5 * error + 1e-6)
    a, b = x[0] - law.mean[0], x[1] - law.mean[0]
    correlation = float((a * b).mean()) / variance
    assert correlation == pytest.approx(data.correlation, abs=4.5 * 1.5 / math.sqrt(features))


def test_correlation_one_makes_all_samples_equal() -> None:
    x = sample(dataset("correlated", correlation=1.0), 5, 40, seeded(0), True)
    assert torch.equal(x, x[:1].expand(5, 40)) and float(x.std()) > 0.5


def test_uniform_keeps_to_its_interval() -> None:
    x = sample(DATASETS["uniform"], 100, 100, seeded(0), False)
    assert 0.0 <= float(x.min()) < 0.01 and 0.99 < float(x.max()) <= 1.0


def test_a_constant_law_cannot_be_standardized() -> None:
    constant = dataset("gaussian", mean=2.0, variance=0.0)
    assert (sample(constant, 3, 4, seeded(0), False) == 2.0).all()
    assert input_law(constant, 4, False).pair_product == 4.0
    for call in (
        lambda: sample(constant, 3, 4, seeded(0), True),
        lambda: input_law(constant, 4, True),
    ):
        with pytest.raises(ValueError, match="variance 0"):
            call()


# Tables


def test_the_expected_sizes_cover_every_real_set() -> None:
    assert set(ROWS_FEATURES_CLASSES) == set(REAL) and len(SYNTHETIC) == 3
    assert set(DATASETS) == {*SYNTHETIC, *PLANAR, *REAL}


@pytest.mark.parametrize("name", REAL)
def test_a_table_arrives_whole(name: str) -> None:
    data = DATASETS[name]
    read = data.load()
    rows, features, classes = ROWS_FEATURES_CLASSES[name]
    assert read.x.shape == (rows, features) and read.x.dtype == np.float32
    assert read.y.shape == (rows,)
    assert np.isfinite(read.x).all()
    if classes:
        assert read.y.dtype == np.int64
        assert np.array_equal(np.unique(read.y), np.arange(classes))
    else:  # a regression
        assert read.y.dtype == np.float32 and np.isfinite(read.y).all() and np.ptp(read.y) > 0
    assert len(set(read.class_names)) == len(read.class_names) == classes
    assert datasets.features(data, 3) == features
    assert datasets.image_shape(data) == read.image_shape == IMAGES.get(name)
    assert data.load() is read
    with pytest.raises(ValueError):
        read.x[0, 0] = 1.0  # the cached table is everybody's


@pytest.mark.parametrize("name", REAL)
def test_standardized_tables_have_mean_zero_and_variance_one(name: str) -> None:
    data = DATASETS[name]
    x = data.load().x
    constant = x.max(axis=0) == x.min(axis=0)
    z = whole(data, True)
    assert np.abs(z.mean(axis=0)).max() < 1e-5
    assert np.abs(z.var(axis=0)[~constant] - 1.0).max() < 1e-5
    assert (z[:, constant] == 0.0).all()
    # undoing it gives the rows back
    mean, deviation = datasets.standardization(data)
    assert (deviation[constant] == 1.0).all()
    raw = whole(data, False)
    assert np.allclose(z * deviation + mean, raw, rtol=1e-5, atol=1e-5 * np.abs(raw).max())


def test_some_tables_have_constant_features() -> None:
    counts = {name: int((np.ptp(DATASETS[name].load().x, axis=0) == 0).sum()) for name in REAL}
    assert {name: count for name, count in counts.items() if count} == {
        "digits": 3,
        "optical": 2,
        "statlog_image": 1,
    }


def test_rows_repeat_only_when_the_table_is_too_short() -> None:
    data, rows = DATASETS["wine"], 178
    x = sample(data, rows, 1, seeded(4), False).numpy()
    assert np.array_equal(np.sort(x, axis=0), np.sort(data.load().x, axis=0))
    longer = sample(data, 3 * rows, 1, seeded(4), False).numpy()
    assert longer.shape == (3 * rows, 13) and len(np.unique(longer, axis=0)) < rows


def test_known_rows() -> None:
    vowel, letter = DATASETS["vowel"].load(), DATASETS["letter"].load()
    assert vowel.x[0] == pytest.approx(
        [-3.639, 0.418, -0.67, 1.779, -0.168, 1.627, -0.388, 0.529, -0.874, -0.814]
    )
    assert letter.class_names[letter.y[0]] == "Z" and letter.x[0, :4].tolist() == [2, 4, 4, 3]
    assert np.bincount(DATASETS["magic"].load().y).tolist() == [12332, 6688]
    assert np.bincount(DATASETS["spambase"].load().y).tolist() == [2785, 1812]
    clothes = DATASETS["fashion_mnist"].load()
    assert clothes.x.min() == 0.0 and clothes.x.max() == 1.0
    assert np.bincount(clothes.y[:6000]).tolist() == [600] * 10


def test_digits_are_a_part_of_optical() -> None:
    """scikit-learn's digits are the test part of the shipped set: two sources, one content."""
    digits, optical = DATASETS["digits"].load(), DATASETS["optical"].load()
    rows = {(*x.tolist(), y) for x, y in zip(optical.x, optical.y.tolist(), strict=True)}
    found = [(*x.tolist(), y) in rows for x, y in zip(digits.x, digits.y.tolist(), strict=True)]
    assert all(found)


# Points in the plane


@pytest.mark.parametrize("name", PLANAR)
def test_planar_points_are_a_table_of_equal_classes(name: str) -> None:
    data = DATASETS[name]
    read = data.load()
    assert read.x.shape == (1000, 2) and read.x.dtype == np.float32
    assert data.load() is read and dataset(name, **dict(data.values)) is data
    counts = np.bincount(read.y)
    assert len(counts) == PLANAR[name] == len(read.class_names)
    assert counts.min() > (0.95 if name != "xor" else 0.9) * 1000 / PLANAR[name]
    assert abs(np.corrcoef(np.arange(1000), read.y)[0, 1]) < 0.15  # the classes are mixed
    assert np.abs(read.x).max() < 4.0
    noisy = dataset(name, noise=1.0)
    assert noisy is dataset(name, noise=1.0) and noisy.load().x.std() > read.x.std()
    with pytest.raises(ValueError):
        read.x[0, 0] = 1.0


def test_clean_planar_points_lie_where_the_formula_says() -> None:
    def clean(name: str, **parameters: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        read = dataset(name, noise=0.0, **parameters).load()
        x = read.x.astype(float)
        return x, read.y, np.hypot(*x.T)

    x, y, radius = clean("circles", factor=0.25)
    assert np.allclose(radius, np.where(y == 0, 1.0, 0.25))
    x, y, radius = clean("moons")
    assert np.allclose(np.where(y == 0, radius, np.hypot(x[:, 0] - 1, x[:, 1] - 0.5)), 1.0)
    assert (x[y == 0, 1] >= -1e-6).all() and (x[y == 1, 1] <= 0.5).all()
    x, y, radius = clean("spirals", turns=2.0)
    turned = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi) + 0.5 * (y == 1)
    assert np.allclose(np.exp(2j * np.pi * turned), np.exp(2j * np.pi * 2.0 * radius), atol=1e-5)
    x, y, radius = clean("xor")
    assert np.array_equal(x[:, 0] * x[:, 1] > 0, y == 1) and np.abs(x).max() <= 1.0
    x, y, radius = clean("blobs")
    assert np.allclose(radius, 1.0) and len(np.unique(x.round(4), axis=0)) == 3


# Files


def test_the_notice_names_every_file_and_no_more() -> None:
    notice = (shipped.FILES / "NOTICE.md").read_text(encoding="utf-8")
    files = {path.name for path in shipped.FILES.iterdir()} - {"NOTICE.md"}
    assert len(files) == 9
    assert set(re.findall(r"`([a-z0-9_]+\.npz)`", notice)) == files
    assert "CC BY 4.0" in notice and "Copyright © 2017 Zalando SE" in notice


@pytest.mark.parametrize("name", shipped.__all__)
def test_the_notice_and_the_entry_give_the_same_source(name: str) -> None:
    notice = (shipped.FILES / "NOTICE.md").read_text(encoding="utf-8")
    data = getattr(shipped, name)
    assert DATASETS[data.name] is data
    assert data.citation.split()[-1].rstrip(".") in notice
    assert data.citation.split(",")[0].split()[-1] in notice  # the first creator's name


def test_the_files_are_small_and_hold_plain_arrays() -> None:
    paths = list(shipped.FILES.glob("*.npz"))
    assert 1e6 < sum(path.stat().st_size for path in paths) < 5e6
    for path in paths:
        with np.load(path, allow_pickle=False) as file:  # refuses what would need pickle
            assert all(file[key].dtype.kind in "uf" for key in file.files)


# What the theory is told


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("image", [False, True])
def test_the_input_law_of_a_small_table_is_its_brute_force(image: bool, standardize: bool) -> None:
    data = small(image)
    x = data.load().x.astype(np.float64)
    if standardize:
        deviation = x.std(axis=0)
        x = np.where(deviation > 0, (x - x.mean(axis=0)) / np.where(deviation, deviation, 1), 0)
    x = x[np.argsort(-(x**2).mean(axis=1))]
    law = input_law(data, 0, standardize)
    pairs = [np.mean(x[a] * x[b]) for a in range(9) for b in range(9) if a != b]
    assert law.pair_product == pytest.approx(np.mean(pairs), rel=1e-10)
    assert law.mean == pytest.approx(x.mean(axis=1), rel=1e-10)
    assert law.second_moment == pytest.approx((x**2).mean(axis=1), rel=1e-10)
    if image:
        pixels = x.reshape(9, 2, 3, 2)
        assert law.mean_map == pytest.approx((pixels[:, 0] + pixels[:, 1]) / 2, abs=1e-12)
        assert law.second_map == pytest.approx((pixels**2).mean(axis=1), rel=1e-10)
    else:
        assert law.mean_map is None and law.second_map is None


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", REAL)
def test_representatives_average_like_the_table(name: str, standardize: bool) -> None:
    data = DATASETS[name]
    x = whole(data, standardize)
    law = input_law(data, 0, standardize)
    mean, second = x.mean(axis=1), (x**2).mean(axis=1)
    scale = second.mean()
    assert law.second_moment.shape == law.mean.shape == (64,)
    assert abs(law.second_moment.mean() - scale) < 0.02 * scale
    assert abs(law.mean.mean() - mean.mean()) < 0.02 * math.sqrt(scale)
    assert abs((law.mean**2).mean() - (mean**2).mean()) < 0.02 * scale
    assert (law.second_moment >= law.mean**2 - 1e-12).all()
    # the pair product of all rows, from their mean: |mean|^2 = (second + (rows - 1) pair) / rows
    centre, rows = float((x.mean(axis=0) ** 2).mean()), len(x)
    expected = (rows * centre - scale) / (rows - 1)
    assert law.pair_product == pytest.approx(expected, rel=1e-4, abs=1e-7)
    if name in IMAGES:
        _, height, width = IMAGES[name]
        assert law.mean_map.shape == law.second_map.shape == (64, height, width)
        assert law.mean_map.mean(axis=(1, 2)) == pytest.approx(law.mean)
        assert law.second_map.mean(axis=(1, 2)) == pytest.approx(law.second_moment)
    assert input_law(data, 5, standardize) is law


def test_representatives_follow_a_heavy_tail() -> None:
    x = whole(DATASETS["spambase"], False)
    mean, second = x.mean(axis=1), (x**2).mean(axis=1)
    chosen = representatives(mean, second, 64)
    assert len(set(chosen.tolist())) == 64
    assert second[chosen].mean() == pytest.approx(second.mean(), rel=0.001)
    middles = np.sort(second)[((np.arange(64) + 0.5) / 64 * len(second)).astype(int)]
    assert middles.mean() < 0.75 * second.mean()  # what the care is for
