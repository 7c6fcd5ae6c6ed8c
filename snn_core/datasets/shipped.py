"""Real data sets whose files come with the package; ``files/NOTICE.md`` says where from."""

from __future__ import annotations

import functools
from functools import partial
from pathlib import Path

import numpy as np

from snn_core.datasets.dataset import Dataset, Table

__all__ = [
    "FASHION_MNIST",
    "LETTER",
    "MAGIC",
    "OPTICAL",
    "PENDIGITS",
    "SPAMBASE",
    "STATLOG_IMAGE",
    "STATLOG_LANDSAT",
    "VOWEL",
]

FILES = Path(__file__).parent / "files"
UCI = "CC BY 4.0 (UCI Machine Learning Repository)."
TEN = tuple("0123456789")


def _table(
    x: np.ndarray, y: np.ndarray, names: tuple[str, ...], shape: tuple[int, int, int] | None
) -> Table:
    y = y.astype(np.int64)
    for array in (x, y):  # shared by every caller of the cache
        array.setflags(write=False)
    return Table(x, y, names, shape)


# All of them together hold some 8 MB, so none is ever read twice.
@functools.lru_cache(maxsize=8)
def _read(name: str, classes: tuple[str, ...], shape: tuple[int, int, int] | None = None) -> Table:
    with np.load(FILES / f"{name}.npz", allow_pickle=False) as file:
        x = np.ascontiguousarray(file["x"], dtype=np.float32)
        return _table(x, file["y"], classes, shape)


@functools.lru_cache(maxsize=1)  # 22 MB
def _fashion_mnist() -> Table:
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
    classes += ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    with np.load(FILES / "fashion_mnist_6k_1k.npz", allow_pickle=False) as file:
        images = np.concatenate([file["x_train"], file["x_test"]])
        y = np.concatenate([file["y_train"], file["y_test"]])
    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    return _table(x, y, classes, (1, 28, 28))


FASHION_MNIST = Dataset(
    name="fashion_mnist",
    label="Fashion-MNIST (7,000 images)",
    description="7,000 of the 70,000 pictures of clothing, 28 x 28 pixels, brightness divided by "
    "255 into [0, 1]; 10 classes. The first 6,000 rows are from the training part, the last "
    "1,000 from the test part.",
    citation="Xiao, H., Rasul, K. and Vollgraf, R. (2017). Fashion-MNIST: a Novel Image Dataset "
    "for Benchmarking Machine Learning Algorithms. arXiv:1708.07747.",
    licence="MIT, Copyright (c) 2017 Zalando SE.",
    kind="real",
    load=_fashion_mnist,
)

LETTER = Dataset(
    name="letter",
    label="Letter recognition",
    description="20,000 printed capital letters, 16 statistics of each image, 0 to 15; "
    "26 classes.",
    citation="Slate, D. (1991). Letter Recognition. UCI Machine Learning Repository, "
    "doi:10.24432/C5ZP40.",
    licence=UCI,
    kind="real",
    load=partial(_read, "letter", tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
)

MAGIC = Dataset(
    name="magic",
    label="MAGIC gamma telescope",
    description="19,020 simulated air showers, 10 shape measurements; gamma ray or hadron.",
    citation="Bock, R. K. (owner; MAGIC project) and Savicky, P. (donor, 2007). MAGIC Gamma "
    "Telescope. UCI Machine Learning Repository, doi:10.24432/C52C8B.",
    licence=UCI,
    kind="real",
    load=partial(_read, "magic", ("gamma", "hadron")),
)

OPTICAL = Dataset(
    name="optical",
    label="Optical digits (8 x 8)",
    description="5,620 handwritten digits of 8 x 8 pixels, brightness 0 to 16 as it comes; "
    "10 classes.",
    citation="Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. "
    "UCI Machine Learning Repository, doi:10.24432/C50P49.",
    licence=UCI,
    kind="real",
    load=partial(_read, "optical", TEN, (1, 8, 8)),
)

PENDIGITS = Dataset(
    name="pendigits",
    label="Pen digits",
    description="10,992 digits written with a pen: 8 points along the stroke, coordinates 0 to "
    "100; 10 classes.",
    citation="Alpaydin, E. and Alimoglu, F. (1996). Pen-Based Recognition of Handwritten "
    "Digits. UCI Machine Learning Repository, doi:10.24432/C5MG6K.",
    licence=UCI,
    kind="real",
    load=partial(_read, "pendigits", TEN),
)

SPAMBASE = Dataset(
    name="spambase",
    label="Spambase",
    description="4,597 e-mails, 57 frequencies of words and characters and lengths of capital "
    "runs, with very heavy tails; 2 classes.",
    citation="Hopkins, M., Reeber, E., Forman, G. and Suermondt, J. (1999). Spambase. "
    "UCI Machine Learning Repository, doi:10.24432/C53G6X.",
    licence=UCI,
    kind="real",
    load=partial(_read, "spambase", ("not spam", "spam")),
)

STATLOG_IMAGE = Dataset(
    name="statlog_image",
    label="Image segmentation (Statlog)",
    description="2,310 regions of 3 x 3 pixels from outdoor images, 19 measurements, one of "
    "them constant; 7 classes.",
    citation="Vision Group, University of Massachusetts (creators) and Brodley, C. (donor, "
    "1990). Statlog (Image Segmentation). UCI Machine Learning Repository, "
    "doi:10.24432/C5P01G.",
    licence=UCI,
    kind="real",
    load=partial(
        _read,
        "statlog_image",
        ("brickface", "sky", "foliage", "cement", "window", "path", "grass"),
    ),
)

STATLOG_LANDSAT = Dataset(
    name="statlog_landsat",
    label="Landsat satellite (Statlog)",
    description="6,435 places, 3 x 3 pixels in 4 spectral bands, 0 to 255; 6 kinds of ground.",
    citation="Srinivasan, A. (1993). Statlog (Landsat Satellite). UCI Machine Learning "
    "Repository, doi:10.24432/C55887.",
    licence=UCI,
    kind="real",
    load=partial(
        _read,
        "statlog_landsat",
        (
            "red soil",
            "cotton crop",
            "grey soil",
            "damp grey soil",
            "soil with vegetation stubble",
            "very damp grey soil",
        ),
    ),
)

VOWEL = Dataset(
    name="vowel",
    label="Vowels (Deterding)",
    description="990 spoken British English vowels, 10 log area ratios; 11 classes, named by "
    "the word spoken.",
    citation="Deterding, D. (data), Niranjan, M. and Robinson, T. Connectionist Bench (Vowel "
    "Recognition - Deterding Data). UCI Machine Learning Repository, doi:10.24432/C58P4S.",
    licence=UCI,
    kind="real",
    load=partial(
        _read,
        "vowel",
        ("heed", "hid", "head", "had", "hud", "hard") + ("hod", "hoard", "hood", "who'd", "heard"),
    ),
)
