"""Certificates checked again from their JSON, box by box, by another method.

Claim: what `certificate_json` wrote is a proof. The boxes cover the domain without overlap, and
on each the claim follows from integrals of the activation's definition (acb.integral), and its
Gaussian moments' derivatives from its largest slope alone. Nothing of snn_core's enclosures is
used, neither its closed forms nor its bounds; snn_core is asked only for a certificate to check.

Prints how many boxes were claimed, into how many they were halved, and the seconds, since the
coarser bounds need more and smaller boxes.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from flint import acb, arb, ctx, fmpq

THEOREMS = ("theorem_1", "theorem_2", "theorem_3")
REACH = 10  # standard deviations; the rest is bounded
SMALLEST = 1e-7  # of a box's side against the leaf's; smaller ones are a failure

Branch = Callable[[acb], acb]
Numbers = tuple[list[arb], list[arb]]


def decimal(value: float) -> arb:
    exact = Fraction(repr(value))
    return arb(fmpq(exact.numerator, exact.denominator))


@dataclass(frozen=True)
class Function:
    """An activation by its definition: two branches that meet at 0, f(0), and f' within ends."""

    left: Branch
    right: Branch
    at_zero: arb
    least_slope: arb
    most_slope: arb


def function(name: str, given: dict[str, float]) -> Function:
    """Returns the activation of that name, all from its definition."""
    p = {key: decimal(value) for key, value in given.items()}
    one, zero = arb(1), arb(0)
    if name in ("tanh", "sigmoid", "erf"):
        branch, most = {
            "tanh": (lambda z: z.tanh(), one),
            "sigmoid": (lambda z: 1 / (1 + (-z).exp()), one / 4),
            "erf": (lambda z: z.erf(), 2 / arb.pi().sqrt()),
        }[name]
        return Function(branch, branch, arb(0.5) if name == "sigmoid" else zero, zero, most)
    scale, alpha = p.get("scale", one), p.get("alpha", zero)
    if name == "selu" and abs(given["alpha"] - 1.6732632423543772) < 1e-15:
        # Its published form: Klambauer et al. 2017, the fixed point (0, 1).
        e, root, c = arb(1).exp(), arb(1).exp().sqrt(), (1 / arb(2).sqrt()).erfc()
        alpha = -(2 / arb.pi()).sqrt() / (c * root - 1)
        below = 2 * (arb(2).sqrt()).erfc() * e * e + arb.pi() * c * c * e
        below += -2 * (2 + arb.pi()) * c * root + arb.pi() + 2
        scale = (1 - c * root) * (2 * arb.pi()).sqrt() / below.sqrt()
    rate = p.get("beta", one) if name == "sselu" else 1 / alpha if name == "celu" else one
    leak = {
        "lselu": p.get("beta", zero),
        "leaky_relu": p.get("negative_slope", zero),
        "prelu": p.get("init", zero),
        "identity": one,
    }.get(name, zero)
    left_most = alpha * rate + leak
    return Function(
        lambda z: scale * (alpha * ((rate * z).exp() - 1) + leak * z),
        lambda z: scale * z,
        zero,
        scale * one.min(leak),
        scale * one.max(left_most),
    )


def integrals(f: Function, m: arb, v: arb) -> Numbers:
    """Returns E f^(k) and E (f^2)^(k), k = 0, 1, 2, at a point.

    They are integrals of f He_k(t) / s^k, t standard normal.
    """
    s, end, root = v.sqrt(), arb(REACH), (2 * arb.pi()).sqrt()
    kink = (-m / s).max(-end).min(end)
    beyond = (end**3 + 3 * end) * (-end * end / 2).exp() / root + (end / arb(2).sqrt()).erfc() * 2
    size = abs(f.at_zero) + f.most_slope * (abs(m) + s)  # |f| <= size (1 + |t|)

    def whole(power: int, weight: Branch) -> arb:
        def over(branch: Branch, low: arb, high: arb) -> arb:
            def integrand(t: acb, analytic: bool) -> acb:
                return branch(m + s * t) ** power * weight(t) * (-t * t / 2).exp()

            tolerance = arb(2) ** -36
            return acb.integral(integrand, low, high, rel_tol=tolerance, abs_tol=tolerance).real

        rest = arb(0, float((2.5 * size**power * beyond).upper()) * 1.001)
        return (over(f.left, -end, kink) + over(f.right, kink, end)) / root + rest

    hermite = (lambda t: acb(1), lambda t: t, lambda t: t * t - 1)
    first, second = ([whole(p, h) / s**k for k, h in enumerate(hermite)] for p in (1, 2))
    return first, second


def slopes(f: Function, m: arb, v: arb) -> Numbers:
    """Returns balls for E f^(k), E (f^2)^(k), k = 3, 4, all over a box, from the slope of f alone.

    E h^(k) = E h' He_(k-1)(t) / s^(k-1), a constant may be taken from h' since E He = 0, and
    E |h' He_(k-1)| is at most the root of E h'^2 times (k-1)!.
    """
    s = v.sqrt().lower()
    spread = (f.most_slope - f.least_slope) / 2
    square = 2 * f.most_slope * (abs(f.at_zero) + f.most_slope * (m * m + v).sqrt())
    weights = [(arb(math.factorial(k - 1)).sqrt() / s ** (k - 1)).upper() for k in (3, 4)]
    first = [arb(0, float((spread * w).upper()) * 1.001) for w in weights]
    second = [arb(0, float((square * w).upper()) * 1.001) for w in weights]
    return first, second


class Checker:
    """Checks the leaves of one certificate, which it has as parsed JSON."""

    def __init__(self, certificate: dict[str, Any]) -> None:
        self.c = certificate
        self.f = function(**_activation(certificate))
        self.domain = {key: [decimal(x) for x in ends] for key, ends in self.c["domain"].items()}
        self.omega = max((abs(x) for x in self.domain["omega"]), key=float)
        self.halves = 0

    def covers(self) -> None:
        """Raises unless the leaves are disjoint and fill a box that holds the domain's."""
        boxes = np.array([[*leaf["m"], *leaf["v"]] for leaf in self.c["leaves"]])
        low, high = boxes.min(0), boxes.max(0)
        reach = (low[0], high[1], low[2], high[3])
        for k in (0, 2):  # a mean or omega of 0 makes lines of the boxes
            if reach[k] == reach[k + 1]:
                boxes[:, k : k + 2] = (0, 1)
        low, high = boxes.min(0), boxes.max(0)
        outer = (low[0], high[1], low[2], high[3])
        area = sum(_area(box) for box in boxes.tolist())
        assert area == _area(outer), "the boxes leave something out, or overlap"
        for i, (a, b, c, d) in enumerate(boxes):
            rest = boxes[i + 1 :]
            over = (rest[:, 0] < b) & (rest[:, 1] > a) & (rest[:, 2] < d) & (rest[:, 3] > c)
            assert not over.any(), "two boxes overlap"
        ends = {key: [Fraction(repr(x)) for x in self.c["domain"][key]] for key in self.domain}
        m = [x * y for x in ends["mean"] for y in ends["omega"]]
        v = [x * y for x in ends["variance"] for y in ends["tau"]]
        assert reach[0] <= min(m) and max(m) <= reach[1], "the boxes do not reach all means"
        assert reach[2] <= min(v) and max(v) <= reach[3], "the boxes do not reach all variances"

    def leaf(self, leaf: dict[str, Any]) -> None:
        """Raises unless the claim is true on the leaf, and its bounds at the leaf's centre."""
        self._stated(leaf)
        waiting = [(*leaf["m"], *leaf["v"])]
        size = max(leaf["m"][1] - leaf["m"][0], leaf["v"][1] - leaf["v"][0])
        while waiting:
            box = waiting.pop()
            self.halves += 1
            if self._holds(*box):
                continue
            a, b, c, d = box
            assert max(b - a, d - c) > SMALLEST * size, f"not proved on {box}"
            # Derivatives in v are worth 1 / s of those in m, roughly.
            if (b - a) * math.sqrt(c) > (d - c):
                waiting += [(a, (a + b) / 2, c, d), ((a + b) / 2, b, c, d)]
            else:
                waiting += [(a, b, c, (c + d) / 2), (a, b, (c + d) / 2, d)]

    def _stated(self, leaf: dict[str, Any]) -> None:
        m, v = (arb(sum(leaf[key]) / 2) for key in ("m", "v"))
        (f0, *_), (g0, *_) = integrals(self.f, m, v)
        found = {"mean": f0, "variance": g0 - f0 * f0}
        for name, bound in zip(self.c["columns"], leaf["bounds"], strict=True):
            quantity, _, side = name.partition("_")
            if quantity in found:
                wrong = found[quantity] < bound if side == "low" else found[quantity] > bound
                assert not wrong, f"{name} {bound} is not true at the centre of {leaf}"

    def _holds(self, a: float, b: float, c: float, d: float) -> bool:
        at_m, at_v = arb(a + (b - a) / 2), arb(c + (d - c) / 2)
        m, v = arb(a).union(arb(b)), arb(c).union(arb(d))
        dm, dv = m - at_m, v - at_v
        f, g = integrals(self.f, at_m, at_v)
        f_top, g_top = slopes(self.f, m, v)
        mean, variance = f[0], g[0] - f[0] * f[0]
        f, g = [*f, *f_top], [*g, *g_top]
        for values in (f, g):  # from the highest derivative down
            for k in (2, 1, 0):
                values[k] = values[k] + values[k + 1] * dm + values[k + 2] * dv / 2
        j = ((f[1], f[2] / 2), (g[1] - 2 * f[0] * f[1], g[2] / 2 - f[0] * f[2]))
        mean = mean + j[0][0] * dm + j[0][1] * dv
        centre, variance = variance, variance + j[1][0] * dm + j[1][1] * dv
        good = True
        if into := self.c["into"]:
            for value, (low, high) in zip((mean, variance), into.values(), strict=True):
                good = good and bool(value > decimal(low)) and bool(value < decimal(high))
        if self.c["factor"] is not None:
            good = good and self._contracts(j, d)
        if self.c["kind"] in ("variance_falls", "variance_grows"):
            falls = self.c["kind"] == "variance_falls"
            nu = self.domain["variance"][0 if falls else 1]
            tau = self.domain["tau"][1 if falls else 0]
            moving = centre - at_v / tau + j[1][0] * dm + (j[1][1] - 1 / tau) * dv
            sides = (variance - nu, moving)
            good = good and any(bool(side < 0) if falls else bool(side > 0) for side in sides)
        return good

    def _contracts(self, j: tuple[tuple[arb, arb], tuple[arb, arb]], v_high: float) -> bool:
        """Whether c^2 - J'J is positive definite, by its trace and determinant."""
        ratio, most = arb(v_high) / self.domain["variance"][0], self.domain["tau"][1]
        tau = ratio if bool(ratio < most) else most
        columns = [(j[0][k] * w, j[1][k] * w) for k, w in enumerate((self.omega, tau))]
        (p, q), (r, s) = columns
        square, trace = decimal(self.c["factor"]) ** 2, p * p + q * q + r * r + s * s
        determinant = (p * s - q * r) ** 2
        return bool(trace < 2 * square) and bool(square**2 - trace * square + determinant > 0)

    def witness(self) -> None:
        """Raises unless the witness is in the domain and the claim false there."""
        at = self.c["witness"]
        for key, (low, high) in self.c["domain"].items():
            assert low <= at[key] <= high, f"the witness is outside: {key}"
        point = {**self.c, "domain": {key: [at[key], at[key]] for key in self.domain}}
        nu, tau = decimal(at["variance"]), decimal(at["tau"])
        f, g = integrals(self.f, decimal(at["mean"]) * decimal(at["omega"]), nu * tau)
        mean, variance = f[0], g[0] - f[0] * f[0]
        false = False
        if into := point["into"]:
            for value, (low, high) in zip((mean, variance), into.values(), strict=True):
                false = false or bool(value < decimal(low)) or bool(value > decimal(high))
        if point["factor"] is not None:
            omega, square = abs(decimal(at["omega"])), decimal(point["factor"]) ** 2
            p, q = f[1] * omega, (g[1] - 2 * f[0] * f[1]) * omega
            r, s = f[2] / 2 * tau, (g[2] / 2 - f[0] * f[2]) * tau
            trace, determinant = p * p + q * q + r * r + s * s, (p * s - q * r) ** 2
            false = false or bool(square**2 - trace * square + determinant < 0)
            false = false or bool(trace > 2 * square)
        if point["kind"] == "variance_falls":
            false = bool(variance > nu)
        if point["kind"] == "variance_grows":
            false = bool(variance < nu)
        assert false, "the claim is not false at the witness"


def _activation(certificate: dict[str, Any]) -> dict[str, Any]:
    given = certificate["activation"]
    parameters = dict(given["parameters"])
    if given["name"] in ("elu", "celu") and "alpha" not in parameters:
        parameters["alpha"] = 1.0
    return {"name": given["name"], "given": parameters}


def _area(box: tuple[float, ...] | list[float]) -> Fraction:
    a, b, c, d = map(Fraction, box)
    return (b - a) * (d - c)


def chained(certificate: dict[str, Any]) -> None:
    """Raises unless every part of a chain starts where all that the one before reaches is."""
    parts = certificate["parts"]
    whole = {key: certificate["domain"][key] for key in ("mean", "variance")}
    for part in parts:
        for key, ends in whole.items():
            assert _within(ends, part["domain"][key]), f"a step leaves out some {key}"
        for key in ("omega", "tau"):
            assert _within(certificate["domain"][key], part["domain"][key]), f"another {key}"
        whole = part["into"]
    last = parts[-1]
    assert all(_within(last["into"][key], last["domain"][key]) for key in whole), "it may leave"
    assert all(_within(parts[-2]["into"][key], certificate["into"][key]) for key in whole)


def _within(part: list[float], whole: list[float]) -> bool:
    return whole[0] <= part[0] and part[1] <= whole[1]


def check(certificate: dict[str, Any]) -> tuple[int, int]:
    """Returns how many leaves were checked and on how many boxes; AssertionError if one fails."""
    if certificate["parts"]:
        if certificate["kind"] == "chain":
            chained(certificate)
        counts = [check(part) for part in certificate["parts"]]
        agree = all(part["holds"] for part in certificate["parts"])
        assert certificate["holds"] is not True or agree, "a part does not hold"
        return sum(a for a, _ in counts), sum(b for _, b in counts)
    checker = Checker(certificate)
    if certificate["holds"] is False:
        checker.witness()
    if certificate["holds"] is not True:
        return 0, 0
    checker.covers()
    for leaf in certificate["leaves"]:
        checker.leaf(leaf)
    return len(certificate["leaves"]), checker.halves


def check_json(text: str) -> tuple[int, int]:
    """Returns what `check` does for the text of a certificate."""
    with ctx.workprec(64):
        return check(json.loads(text)["certificate"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", help="a certificate; by default Theorems 1 to 3")
    parser.add_argument("--entry", action="store_true", help="the entry theorem too, some minutes")
    arguments = parser.parse_args()
    if arguments.file:
        texts = {arguments.file: Path(arguments.file).read_text("utf-8")}
    else:
        import snn_core as snn

        names = [*THEOREMS, *(["entry_theorem"] if arguments.entry else [])]
        texts = {name: snn.certificate_json(getattr(snn, name)()) for name in names}
    for name, text in texts.items():
        start = time.perf_counter()
        leaves, boxes = check_json(text)
        seconds = time.perf_counter() - start
        print(f"{name}: {leaves} boxes checked, on {boxes} halves of them, {seconds:.1f} s")


if __name__ == "__main__":
    main()
