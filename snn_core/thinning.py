"""Few enough of many: which ones to keep."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["evenly", "stride"]


def stride(total: int, most: int) -> int:
    """Returns the least power of two of which at most ``most`` multiples lie below ``total``.

    While ``total`` grows, what one stride keeps every later one finds.

    >>> stride(400, 400), stride(401, 400), stride(1601, 400)
    (1, 2, 8)
    """
    return 2 ** max(0, math.ceil(math.log2(max(total, 1) / most)))


def evenly(total: int, most: int) -> np.ndarray:
    """Returns at most ``most`` different places below ``total``, evenly spaced, with both ends.

    >>> evenly(3, 9), evenly(11, 5)
    (array([0, 1, 2]), array([ 0,  2,  5,  7, 10]))
    """
    count = min(total, most)
    return np.arange(count) * (total - 1) // max(count - 1, 1)
