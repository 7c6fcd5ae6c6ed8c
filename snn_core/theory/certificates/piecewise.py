"""Rigorous Gaussian expectations of a z for z >= 0, b (e^(c z) - 1) + d z for z < 0."""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb

from snn_core.activations import Activation
from snn_core.activations.exponential import SELU_ALPHA, SELU_SCALE
from snn_core.theory.certificates.balls import ball, exact

__all__ = ["Pieces", "pieces_of", "selu_constants"]

Derivatives = tuple[list[arb], list[arb]]


@dataclass(frozen=True)
class Pieces:
    """An activation of that form, with the constants as balls.

    Since d/dm E h = E h' and d/dv E h = E h'' / 2 for z ~ N(m, v), the expectations of the
    derivatives of f and f^2, as distributions with what their jumps at 0 add, are all that the
    moments and their derivatives of any order need.
    """

    a: arb
    b: arb
    c: arb
    d: arb

    @property
    def method(self) -> str:
        return "ball arithmetic (Arb, 64 bits) on the closed form"

    def value(self, z: float) -> arb:
        """Returns f(z)."""
        return self.a * z if z >= 0 else self.b * (self.c * z).expm1() + self.d * z

    def at(self, m: arb, v: arb) -> Derivatives:
        """Returns E f^(k) and E (f^2)^(k) for k up to 2 at a point."""
        return self.over(m, v, orders=3)

    def over(self, m: arb, v: arb, orders: int = 5) -> Derivatives:
        """Returns balls that hold E f^(k) and E (f^2)^(k), k < orders, all over m and v."""
        a, b, c, d = self.a, self.b, self.c, self.d
        s = v.sqrt()
        t = m / (s * arb(2).sqrt())
        bell = (-t * t).exp()
        p = bell / (s * (2 * arb.pi()).sqrt())  # the density at 0
        right = (-t).erfc() / 2
        left = 1 - right
        sp = v * p
        left1 = m * left - sp  # E[z; z < 0]
        e1, e2 = (self._tail(k, m, v, s, bell) for k in (c, 2 * c))
        z1 = (m + c * v) * e1 - sp  # E[z e^(c z); z < 0]
        bc, bb, bd = b * c, b * b, 2 * b * d
        jump = a - bc - d  # of f' at 0
        bend = bc * c  # f'' at 0 from the left
        f = [
            a * (m * right + sp) + b * (e1 - left) + d * left1,
            a * right + bc * e1 + d * left,
            jump * p + bend * e1,
        ]
        square = m * m + v
        both = d + bc
        kink = 2 * (a * a - both * both)  # the jump of (f^2)'' at 0
        g = [
            a * a * (square * right + m * sp)
            + bb * (e2 - 2 * e1 + left)
            + bd * (z1 - left1)
            + d * d * (square * left - m * sp),
            2 * a * a * (m * right + sp)
            + 2 * bb * c * (e2 - e1)
            + bd * (e1 - left + c * z1)
            + 2 * d * d * left1,
            2 * a * a * right
            + bb * c * c * (4 * e2 - 2 * e1)
            + bd * c * (2 * e1 + c * z1)
            + 2 * d * d * left,
        ]
        if orders == 3:
            return f, g
        slope = -m / v * p  # minus the density's derivative at 0
        curve = (m * m / v - 1) / v * p  # its second derivative
        cube = c * c * c
        f += [
            jump * slope - bend * p + bend * c * e1,
            jump * curve - bend * slope - bend * c * p + bend * c * c * e1,
        ]
        third = bc * c * (6 * bc + 6 * d)  # (f^2)''' at 0 from the left
        g += [
            kink * p + bb * cube * (8 * e2 - 2 * e1) + bd * c * c * (3 * e1 + c * z1),
            kink * slope
            - third * p
            + bb * cube * c * (16 * e2 - 2 * e1)
            + bd * cube * (4 * e1 + c * z1),
        ]
        return f, g

    def _tail(self, k: arb, m: arb, v: arb, s: arb, bell: arb) -> arb:
        """E[e^(k z); z < 0] = e^(-m^2 / 2v) erfcx(x) / 2 at x = (m + k v) / (s sqrt 2)."""
        x = (m + k * v) / (s * arb(2).sqrt())
        if x.is_exact() or x.rad() < 1e-9:
            return bell * (x * x).exp() * x.erfc() / 2
        low, high = x.lower(), x.upper()  # erfcx falls
        most, least = (low * low).exp() * low.erfc(), (high * high).exp() * high.erfc()
        return bell * most.union(least) / 2


def selu_constants() -> tuple[arb, arb]:
    """Returns SELU's exact alpha and lambda, which solve E f = 0 and E f^2 = 1 at N(0, 1).

    Source: the condition is that of Klambauer et al. 2017 (arXiv:1706.02515), section 2.
    """
    root = arb(1).exp().sqrt()
    first, second = (arb(k * k / 2).sqrt().erfc() / 2 for k in (1, 2))  # Phi(-1), Phi(-2)
    falling = root * first - arb(0.5)  # E[e^z - 1; z < 0]
    square = (arb(2)).exp() * second - 2 * root * first + arb(0.5)
    alpha = -1 / ((2 * arb.pi()).sqrt() * falling)
    return alpha, 1 / (arb(0.5) + alpha * alpha * square).sqrt()


def pieces_of(act: Activation) -> Pieces | None:
    """Returns the constants of a member of the family, None for other activations.

    Parameters are the decimals that were typed. SELU's published digits stand for the exact
    solution of its equations, which they are the beginning of.
    """
    value = {name: ball(exact(number)) for name, number in act.values}
    one, zero = arb(1), arb(0)
    if act.name == "selu" and dict(act.values) == {"alpha": SELU_ALPHA, "scale": SELU_SCALE}:
        alpha, scale = selu_constants()
        return Pieces(scale, scale * alpha, one, zero)
    match act.name:
        case "selu" | "scaled_elu":
            return Pieces(value["scale"], value["scale"] * value["alpha"], one, zero)
        case "elu":
            return Pieces(one, value["alpha"], one, zero)
        case "celu":
            return Pieces(one, value["alpha"], 1 / value["alpha"], zero)
        case "sselu":
            return Pieces(value["scale"], value["scale"] * value["alpha"], value["beta"], zero)
        case "lselu":
            scale = value["scale"]
            return Pieces(scale, scale * value["alpha"], one, scale * value["beta"])
        case "relu":
            return Pieces(one, zero, one, zero)
        case "leaky_relu":
            return Pieces(one, zero, one, value["negative_slope"])
        case "prelu":
            return Pieces(one, zero, one, value["init"])
        case "identity":
            return Pieces(one, zero, one, one)
    return None
