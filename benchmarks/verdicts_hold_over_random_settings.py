"""Random settings: does every repair that a verdict offers do, measured, what it says?

A setting is drawn, propagated and diagnosed; then every repair is applied, propagated and
diagnosed as well. Prints each complaint with the seed that draws its setting again. Needs the
number of settings, 5,000 by default, and the first seed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

import numpy as np

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.diagnosis import Diagnosis, diagnose, repaired
from snn_core.diagnosis.trend import RUNAWAY
from snn_core.initializers import INITIALIZERS
from snn_core.propagate import Propagation, run
from snn_core.settings import Experiment, from_query

SETTINGS = 5000
LONGEST = 5  # first repairs, one after the other, until nothing is at fault
USUAL = ("selu", "relu", "tanh", "gelu", "leaky_relu", "elu")
LAWS = ("lecun_normal", "he_normal", "glorot_uniform", "pytorch_default")
# How far from well: a repair has to come nearer.
DISTANCE = {"holds": 0, "settles": 0, "drifts": 1, "scatters": 2, "forgets": 2, "vanishes": 3,
            "explodes": 3, "dies": 4, "overflows": 4}  # fmt: skip


def drawn(seed: int) -> Experiment | None:
    """Returns the seed's setting; None where its parts don't go together."""
    rng = np.random.default_rng(seed)

    def one_of(names: Iterable[object]) -> str:
        return str(rng.choice([str(name) for name in names]))

    def sometimes(share: float, **settings: object) -> dict[str, str]:
        return {k: str(v) for k, v in settings.items()} if rng.random() < share else {}

    laws = [name for name, law in INITIALIZERS.items() if "mlp" in law.kinds]
    query = {
        "depth": str(int(math.exp(rng.uniform(math.log(2.0), math.log(200.0))))),
        "width": one_of((16, 32, 64, 128, 256)),
        "batch": "32",
        "seeds": "4",
        "seed": str(rng.integers(1000)),
        "activation": one_of(ACTIVATIONS if rng.random() < 0.6 else USUAL),
        "initializer": one_of(laws if rng.random() < 0.5 else LAWS),
    }
    query |= sometimes(0.2, weight_factor=f"{math.exp(rng.uniform(-1.5, 1.5)):.3g}")
    query |= sometimes(0.15, bias=f"{0.5 * rng.normal():.2g}")
    query |= sometimes(0.15, constraint=one_of(CONSTRAINTS))
    query |= sometimes(
        0.15, normalization=one_of(("batch", "layer")),
        normalization_position=one_of(("before", "after")),
    )  # fmt: skip
    query |= sometimes(
        0.15, dropout=one_of(("standard", "alpha")), dropout_rate=one_of((0.05, 0.1, 0.2, 0.4))
    )
    query |= sometimes(0.15, residual=1, residual_scale=one_of((1.0, 0.5, 0.1)))
    query |= sometimes(0.1, dtype=one_of(("float16", "bfloat16")))
    query |= sometimes(0.1, data="uniform") or sometimes(
        0.1, data=one_of(("wine", "digits", "diabetes", "moons")), standardize=rng.integers(2)
    )
    try:
        return from_query(query)
    except ValueError:
        return None


def distance(found: Diagnosis) -> float:
    """Returns how far a verdict is from well."""
    aside = 0.5 if found.kind == "settles" and found.cause else 0.0
    return DISTANCE[found.kind] + aside + (0.5 if found.gradient in RUNAWAY else 0.0)


def complaints(experiment: Experiment) -> list[str]:
    """Returns a line for every property that the experiment's verdict breaks."""
    p, found = _diagnosed(experiment)
    said = [*_contradictions(found)]
    for repair in found.repairs:
        after = _diagnosed(repaired(experiment, repair))
        nearer = distance(after[1]) < distance(found) or _ends_nearer(p, after[0])
        if not nearer:
            said.append(f"{repair.label}: {found.title} -> {after[1].title}")
    return said + _circle(experiment, found)


def _diagnosed(experiment: Experiment) -> tuple[Propagation, Diagnosis]:
    p = run(experiment, backward=True)
    return p, diagnose(p)


def _ends_nearer(before: Propagation, after: Propagation) -> bool:
    """Whether the last layer's variance has come nearer to the first's."""
    with np.errstate(all="ignore"):
        ratios = [np.median(p.variance[:, -1] / p.variance[:, 1]) for p in (before, after)]
        old, new = (abs(math.log(r)) if 0.0 < r < math.inf else math.inf for r in ratios)
    return new < old


def _contradictions(found: Diagnosis) -> list[str]:
    said = " ".join((found.headline, *found.sentences, found.reason))
    broken = []
    if "not known" in found.reason and "says the same" in said:
        broken.append("theory says the same, and the cause is not known")
    if found.kind == "explodes" and "×0." in found.headline:
        broken.append("explodes at a factor below 1")
    if found.kind in RUNAWAY and "In theory the variance settles" in found.reason:
        broken.append("runs away, and settles in theory")
    if "does no harm" in said and found.cause:
        broken.append("does no harm, and something is at fault")
    return broken


def _circle(experiment: Experiment, found: Diagnosis) -> list[str]:
    """Whether first repairs, one after the other, come to an end."""
    seen = {experiment}
    for _ in range(LONGEST):
        if not found.repairs:
            return []
        experiment = repaired(experiment, found.repairs[0])
        if experiment in seen:
            return ["repairs lead in a circle"]
        seen.add(experiment)
        found = _diagnosed(experiment)[1]
    return ["repairs do not come to an end"] if found.repairs else []


def main(settings: int, first: int) -> None:
    """Prints every complaint and the share of settings without one."""
    tried = broken = 0
    for seed in range(first, first + settings):
        experiment = drawn(seed)
        if experiment is None:
            continue
        said, tried = complaints(experiment), tried + 1
        broken += bool(said)
        for line in said:
            print(f"seed {seed}: {line}", flush=True)
    print(f"{tried - broken} of {tried} settings have a verdict and repairs that hold")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SETTINGS,
         int(sys.argv[2]) if len(sys.argv) > 2 else 0)  # fmt: skip
