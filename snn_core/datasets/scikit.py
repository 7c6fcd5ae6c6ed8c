"""Small real data sets that scikit-learn carries: digits, wine, breast cancer, diabetes."""

from __future__ import annotations

import functools
from functools import partial

import numpy as np

from snn_core.datasets.dataset import Dataset, Table

__all__ = ["BREAST_CANCER", "DIABETES", "DIGITS", "WINE"]

LICENCE = "CC BY 4.0 (UCI Machine Learning Repository); the copy is scikit-learn's."


@functools.lru_cache(maxsize=4)
def _load(name: str) -> Table:
    # Lazily: importing scikit-learn takes longer than importing this whole package.
    from sklearn import datasets

    load = {
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
        "breast_cancer": datasets.load_breast_cancer,
        "diabetes": partial(datasets.load_diabetes, scaled=False),
    }[name]
    bunch = load()
    x = np.ascontiguousarray(bunch["data"], dtype=np.float32)
    y = np.asarray(bunch["target"], dtype=np.float32 if name == "diabetes" else np.int64)
    for array in (x, y):  # shared by every caller of the cache
        array.setflags(write=False)
    names = tuple(str(label) for label in bunch.get("target_names", ()))
    return Table(x, y, names, (1, 8, 8) if name == "digits" else None)


DIGITS = Dataset(
    name="digits",
    label="Digits (8 x 8)",
    description="1,797 handwritten digits of 8 x 8 pixels, brightness 0 to 16 as it comes; "
    "10 classes. The test part of the set 'optical'.",
    citation="Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. "
    "UCI Machine Learning Repository, doi:10.24432/C50P49.",
    licence=LICENCE,
    kind="real",
    load=partial(_load, "digits"),
)

WINE = Dataset(
    name="wine",
    label="Wine",
    description="178 wines, 13 chemical measurements on very different scales; 3 cultivars.",
    citation="Forina, M. et al., PARVUS; donated by Aeberhard, S. Aeberhard, S. and Forina, M. "
    "(1992). Wine. UCI Machine Learning Repository, doi:10.24432/C5PC7J.",
    licence=LICENCE,
    kind="real",
    load=partial(_load, "wine"),
)

BREAST_CANCER = Dataset(
    name="breast_cancer",
    label="Breast cancer (Wisconsin, diagnostic)",
    description="569 cases, 30 measurements of cell nuclei; 2 classes, malignant and benign.",
    citation="Wolberg, W., Mangasarian, O., Street, N. and Street, W. (1993). Breast Cancer "
    "Wisconsin (Diagnostic). UCI Machine Learning Repository, doi:10.24432/C5DW2B.",
    licence=LICENCE,
    kind="real",
    load=partial(_load, "breast_cancer"),
)

DIABETES = Dataset(
    name="diabetes",
    label="Diabetes (regression)",
    description="442 patients, 10 measurements; the target is a number, the disease's progress "
    "after a year.",
    citation="Efron, B., Hastie, T., Johnstone, I. and Tibshirani, R. (2004). Least Angle "
    "Regression. Annals of Statistics 32(2), 407-499, doi:10.1214/009053604000000067.",
    licence="None stated by the source; the copy is scikit-learn's (BSD 3-Clause).",
    kind="real",
    load=partial(_load, "diabetes"),
)
