"""Writes the table of activations in README.md: ``python -m docs.make_readme``."""

from __future__ import annotations

from pathlib import Path

from snn_core.activations import ACTIVATIONS, Activation
from snn_core.theory.moments.fixed_points import FixedPoint, NoFixedPoint, fixed_point

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN = "<!-- activations: written by docs/make_readme.py -->"
END = "<!-- end of activations -->"
HEAD = """\
| name | f(z) | paper | fixed point (mean, variance) | attracting |
|---|---|---|---|---|"""


def main() -> None:
    """Replaces the table between the two marks."""
    README.write_text(rewritten(README.read_text("utf-8")), "utf-8")


def rewritten(text: str) -> str:
    """Returns the text with the table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """Returns the table of activations; the fixed points are computed, at omega = 0, tau = 1."""
    return "\n".join([HEAD, *(_row(act) for act in ACTIVATIONS.values())])


def _row(act: Activation) -> str:
    found = fixed_point(act, omega=0.0, tau=1.0, start=(0.0, 1.0))
    where = _absence(found) if isinstance(found, NoFixedPoint) else _place(found)
    attracts = "–" if isinstance(found, NoFixedPoint) else _attraction(found)
    cells = [f"`{act.name}`", act.formula, act.citation, where, attracts]
    if "reconstruction" in act.label:
        cells[2] += " (parameters reconstructed)"
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _place(point: FixedPoint) -> str:
    # Parameters of five digits leave a mean of 1e-6, which is no more than their rounding.
    return f"({_short(point.mean)}, {_short(point.variance)})"


def _short(value: float) -> str:
    return "0" if abs(value) < 1e-5 else f"{value:.4g}"


def _attraction(point: FixedPoint) -> str:
    radius = abs(point.eigenvalues[0])
    if point.kind == "neutral":
        return "neutral: every (0, variance) is one" if point.mean == 0 else "neutral"
    return f"{'yes' if point.kind == 'attracting' else 'no'}, ×{radius:.3f} a layer"


def _absence(found: NoFixedPoint) -> str:
    if found.trend == "vanishing":
        return "none: the variance goes to 0"
    if found.trend == "exploding":
        return "none: the variance explodes"
    after = f"{found.variance:.1g} after {found.layers:,} layers"
    return f"none: the variance keeps {'falling' if found.variance < 1 else 'growing'}, {after}"


if __name__ == "__main__":
    main()
