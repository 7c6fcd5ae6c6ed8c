"""Where a formula has kinks, jumps or is not a number, found on a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from snn_core.activations.formulas.tokens import Refused
from snn_core.activations.formulas.tree import Call, Condition, Node, Number, dual, value

__all__ = ["ORDINARY", "check_usable", "find_kinks", "largest_slope", "left_limit"]

ORDINARY = 8.0  # in a working network few pre-activations are larger
MOST = 16  # each adds a panel to the quadrature
JUMP = 1e-3  # relative to f; constants typed with four digits leave less
# Whole numbers, halves and so on are on the grids.
_ORDINARY_GRID = torch.arange(-8_000, 8_001, dtype=torch.float64) / 1000
_FAR_GRID = torch.arange(-10_000, 10_001, dtype=torch.float64) / 200  # to 50 on either side
# Far left, for limits that are approached slowly; nearer, where an exponential overflows there.
_LEFT = ([-1.00e8, -1.37e8, -2.11e8, -1e9], [-200.0, -237.1, -311.3, -400.0])


def find_kinks(tree: Node) -> tuple[tuple[float, ...], bool]:
    """Returns the points where f or f' may jump, increasing, and whether these are all.

    Beyond MOST the ones nearest to 0 are kept.
    """
    found = _roots(tree, for_kinks=True)
    return tuple(sorted(found[:MOST])), len(found) <= MOST


def check_usable(tree: Node) -> None:
    """Raises Refused where the formula is constant, jumps or is not a finite number."""
    if isinstance(tree, Number):
        raise Refused(0, "it is constant: it does not depend on z.")
    f, slope = dual(tree, _ORDINARY_GRID)
    for values, what in ((f, "its value"), (slope, "its slope")):
        bad = _ORDINARY_GRID[~values.isfinite()]
        if len(bad):
            z = float(bad[bad.abs().argmin()])
            raise Refused(0, f"{what} is not a finite number at z = {z:.4g}; between "
                          f"-{ORDINARY:g} and {ORDINARY:g} it has to be.")  # fmt: skip
    for z in _roots(tree, for_kinks=True) + _roots(tree, for_kinks=False):
        _check_jump(tree, z)
    if float(f.max() - f.min()) <= 1e-12 * float(f.abs().max()):
        raise Refused(0, f"it is constant between z = -{ORDINARY:g} and {ORDINARY:g}.")


def largest_slope(tree: Node, kinks: Sequence[float]) -> float:
    """Returns the largest |f'(z)| of an ordinary z, on both sides of every kink."""
    beside = [kink + side for kink in kinks for side in (-1e-9, 1e-9) if abs(kink) <= ORDINARY]
    z = torch.cat([_ORDINARY_GRID, torch.tensor(beside, dtype=torch.float64)])
    return float(dual(tree, z)[1].abs().max())


def left_limit(tree: Node) -> float | None:
    """Returns lim f(z) for z -> -infinity where that looks finite, else None."""
    for points in _LEFT:
        values = value(tree, torch.tensor(points, dtype=torch.float64))
        if values.isfinite().all():
            limit = float(values[-1])
            near = (values - limit).abs().max() <= 1e-6 * (1.0 + abs(limit))
            return limit if near else None
    return None


def _check_jump(tree: Node, z: float) -> None:
    """Refuses a gap at z that does not shrink as both sides approach it."""
    steps = torch.tensor([[-1e-7, 1e-7], [-1e-10, 1e-10]], dtype=torch.float64)
    sides = value(tree, z + steps)
    (wide, narrow), (left, right) = (sides[:, 1] - sides[:, 0]).abs().tolist(), sides[1].tolist()
    if not (narrow < 0.5 * wide or narrow <= JUMP * (1e-6 + min(abs(left), abs(right)))):
        raise Refused(0, f"it jumps at z = {z:.4g}, from {left:.4g} to {right:.4g}. The theory "
                      "here needs a function without jumps.")  # fmt: skip


def _critical(node: Node, for_kinks: bool) -> Iterator[Node]:
    """Terms at whose roots the formula may have a kink, or else a pole or an edge."""
    if isinstance(node, Condition):
        for _, *sides in node.pairs:
            if for_kinks:
                yield Call("sub", tuple(sides))
            for side in sides:
                yield from _critical(side, for_kinks)
    elif isinstance(node, Call):
        if for_kinks and node.name in ("min", "max"):
            yield Call("sub", node.args)
        elif node.name in (("abs", "sign") if for_kinks else ("log", "sqrt", "pow")):
            yield node.args[0]
        elif not for_kinks and node.name == "div":
            yield node.args[1]
        for arg in node.args:
            yield from _critical(arg, for_kinks)


def _roots(tree: Node, for_kinks: bool) -> list[float]:
    """The different roots of all critical terms, the nearest to 0 first."""
    found: list[float] = []
    for term in dict.fromkeys(_critical(tree, for_kinks)):
        for z in _roots_of(term):
            if all(abs(z - other) > 1e-9 for other in found):
                found.append(z)
    return sorted(found, key=abs)


def _roots_of(term: Node) -> list[float]:
    """Where the term changes sign or starts or stops being 0; only the nearest to 0."""

    def sign(z: Tensor) -> Tensor:
        return value(term, z).sign().nan_to_num(2.0)

    signs = sign(_FAR_GRID)
    edges = (signs[1:] != signs[:-1]).nonzero().flatten()
    nearest = _FAR_GRID[edges].abs().argsort()
    edges = edges[nearest][: 2 * MOST + 2]  # two of them where it is 0 on the grid
    low, high, left = _FAR_GRID[edges], _FAR_GRID[edges + 1], signs[edges]
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = sign(middle) == left
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    # Of both ends and the nearest short number the one at which the term is smallest.
    ends = torch.stack([high.round(decimals=12), low, high])
    sizes = value(term, ends).abs().nan_to_num(torch.inf)
    return ends.gather(0, sizes.argmin(0, keepdim=True)).flatten().tolist()
