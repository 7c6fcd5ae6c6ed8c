"""Where a formula bends, jumps or is no number, found on a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from snn_core.activations.formulas.tree import Call, Condition, Node, Number, dual, value

__all__ = ["ORDINARY", "bends", "fault", "largest_slope", "left_limit"]

ORDINARY = 8.0  # a pre-activation beyond is rare where a network is worth looking at
FAR = 50.0  # as far as bends are looked for
MOST = 16  # every one costs the quadrature a panel
JUMP = 1e-3  # of the size of f: constants typed with four digits leave less
ALIKE = 1e-9
# Whole numbers, halves and so on are met exactly.
_ORDINARY_GRID = torch.arange(-8_000, 8_001, dtype=torch.float64) / 1000
_FAR_GRID = torch.arange(-10_000, 10_001, dtype=torch.float64) / 200
# Far left of everything, for limits that are reached slowly; nearer, where an exponential of the
# former overflows.
_LEFT = tuple(torch.tensor(points, dtype=torch.float64) for points in (
    [-1.00e8, -1.37e8, -2.11e8, -1e9], [-200.0, -237.1, -311.3, -400.0],
))  # fmt: skip


def bends(tree: Node) -> tuple[tuple[float, ...], bool]:
    """Returns the points where f or f' may jump, increasing, and whether these are all.

    Beyond MOST the ones nearest to 0 are kept.
    """
    found = _roots(tree, bending=True)
    return tuple(sorted(found[:MOST])), len(found) <= MOST


def fault(tree: Node) -> str:
    """Returns the sentence that says why the formula is of no use; empty where it is."""
    if isinstance(tree, Number):
        return "it is constant: z has no say in it."
    f, slope = (_full(part, _ORDINARY_GRID) for part in dual(tree, _ORDINARY_GRID))
    for values, what in ((f, "its value"), (slope, "its slope")):
        bad = ~values.isfinite()
        if bad.any():
            at = _ORDINARY_GRID[bad]
            z = float(at[at.abs().argmin()])
            return (
                f"{what} is not a finite number at z = {z:.4g}; between -{ORDINARY:g} and "
                f"{ORDINARY:g} it has to be."
            )
    for z in _roots(tree, bending=True) + _roots(tree, bending=False):
        left, right = _sides(tree, z)
        if left is not None:
            return (
                f"it jumps at z = {z:.4g}, from {left:.4g} to {right:.4g}. The theory here needs "
                "a function without jumps."
            )
    if float(f.max() - f.min()) <= 1e-12 * float(f.abs().max()):
        return f"it is constant between z = -{ORDINARY:g} and {ORDINARY:g}."
    return ""


def largest_slope(tree: Node, kinks: Sequence[float]) -> float:
    """Returns the largest |f'(z)| of an ordinary z, on both sides of every kink."""
    beside = [kink + side for kink in kinks for side in (-1e-9, 1e-9) if abs(kink) <= ORDINARY]
    z = torch.cat([_ORDINARY_GRID, torch.tensor(beside, dtype=torch.float64)])
    return float(_full(dual(tree, z)[1], z).abs().max())


def left_limit(tree: Node) -> float | None:
    """Returns lim f(z) for z -> -infinity where it seems to be finite, else None."""
    for points in _LEFT:
        values = _full(value(tree, points), points)
        if values.isfinite().all():
            limit = float(values[-1])
            near = (values - limit).abs().max() <= 1e-6 * (1.0 + abs(limit))
            return limit if near else None
    return None


def _full(found: Tensor | float, z: Tensor) -> Tensor:
    return found if isinstance(found, Tensor) else torch.full_like(z, found)


def _sides(tree: Node, z: float) -> tuple[float | None, float]:
    """The values left and right of a jump; None for the left one where there is no jump."""
    gaps, sides = [], (0.0, 0.0)
    for step in (1e-7, 1e-10):
        points = torch.tensor([z - step, z + step], dtype=torch.float64)
        sides = tuple(_full(value(tree, points), points).tolist())
        gaps.append(abs(sides[1] - sides[0]))
    smooth = gaps[1] < 0.5 * gaps[0] or gaps[1] <= JUMP * (1e-6 + min(map(abs, sides)))
    return (None if smooth else sides[0]), sides[1]


def _critical(node: Node, bending: bool) -> Iterator[Node]:
    """The terms at whose roots the formula may bend, or else may have a pole or an edge."""
    if isinstance(node, Condition):
        if bending:
            yield from (Call("sub", (a, b)) for _, a, b in node.pairs)
        for _, a, b in node.pairs:
            yield from _critical(a, bending)
            yield from _critical(b, bending)
    elif isinstance(node, Call):
        if bending and node.name in ("min", "max"):
            yield Call("sub", node.args)
        elif bending and node.name in ("abs", "sign"):
            yield node.args[0]
        elif not bending and node.name in ("log", "sqrt", "pow"):
            yield node.args[0]
        elif not bending and node.name == "div":
            yield node.args[1]
        for arg in node.args:
            yield from _critical(arg, bending)


def _roots(tree: Node, bending: bool) -> list[float]:
    """The roots of all critical terms, once each, the nearest to 0 first."""
    found: list[float] = []
    for term in dict.fromkeys(_critical(tree, bending)):
        for z in _roots_of(term):
            if all(abs(z - other) > ALIKE for other in found):
                found.append(z)
    return sorted(found, key=abs)


def _roots_of(term: Node) -> list[float]:
    """Where the term changes its sign, or begins or ends to be 0: the nearest to 0."""

    def at(z: Tensor) -> Tensor:
        return _full(value(term, z), z)

    def sign(values: Tensor) -> Tensor:
        return values.sign().nan_to_num(2.0)

    signs = sign(at(_FAR_GRID))
    edges = (signs[1:] != signs[:-1]).nonzero().flatten()
    edges = edges[_FAR_GRID[edges].abs().argsort()][
        : 2 * MOST + 2
    ]  # twice where it is 0 on the grid
    low, high, left = _FAR_GRID[edges], _FAR_GRID[edges + 1], signs[edges]
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = sign(at(middle)) == left
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    # Of both ends and the nearest short number the one at which the term is smallest.
    ends = torch.stack([high.round(decimals=12), low, high])
    sizes = torch.stack([at(end).abs().nan_to_num(torch.inf) for end in ends])
    return ends.gather(0, sizes.argmin(0, keepdim=True)).flatten().tolist()
