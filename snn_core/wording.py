"""Numbers as a person reads them: few digits, a real minus sign, powers of ten."""

from __future__ import annotations

import math

__all__ = ["amount", "brief", "count", "percent"]

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def amount(value: float, digits: int = 4) -> str:
    """Returns the number with so many significant digits, "infinite" or "not a number".

    Below 1e-4 and from 1e4 on as a power of ten, with one digit less but at least one.

    >>> amount(-0.69315), amount(1.96e-9, 2), amount(1234.5, 2)
    ('−0.6932', '2×10⁻⁹', '1200')
    """
    if not math.isfinite(value):
        return "infinite" if math.isinf(value) else "not a number"
    if value != 0 and not 1e-4 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
        return f"{mantissa}×10{str(int(exponent)).translate(_RAISED)}".replace("-", "−")
    rounded = float(f"{value:.{digits}g}")  # "g" alone would write 1200 as 1.2e+03
    return f"{rounded:.10g}".replace("-", "−")


def brief(value: float) -> str:
    """Returns the number with two significant digits, also where the second is a 0.

    >>> brief(1.0), brief(0.0123), brief(37.4), brief(1.96e-9)
    ('1.0', '0.012', '37', '2×10⁻⁹')
    """
    text = amount(value, 2)
    return f"{text}.0" if len(text.lstrip("−")) == 1 and value != 0 else text


def percent(share: float) -> str:
    """Returns the share as a percentage with one decimal, none where it is whole.

    What is not quite all or nothing is not rounded to it.

    >>> percent(0.9834), percent(1.0), percent(0.9999), percent(0.0002)
    ('98.3 %', '100 %', 'over 99.9 %', 'under 0.1 %')
    """
    if not math.isfinite(share):
        return amount(share)
    if 0.9995 <= share < 1.0:
        return "over 99.9 %"
    if 0.0 < share < 0.0005:
        return "under 0.1 %"
    return f"{float(f'{100.0 * share:.1f}'):g} %".replace("-", "−")


def count(number: int, noun: str) -> str:
    """Returns the number with its noun, in the plural where it is not 1.

    >>> count(1, "seed"), count(4, "seed")
    ('1 seed', '4 seeds')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
