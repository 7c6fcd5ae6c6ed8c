"""Interleaved rounds: the only honest way to compare on a machine that others share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleave", "ratio"]

PAUSE = 0.01  # seconds; thread pools go on spinning a little after their work


def interleave(
    contenders: Mapping[str, Callable[[], object]], rounds: int = 11
) -> dict[str, list[float]]:
    """Returns each contender's seconds, one per round, after one warm-up of all."""
    for work in contenders.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for index in range(rounds):
        names = list(contenders)
        for name in names[index % len(names) :] + names[: index % len(names)]:
            time.sleep(PAUSE)
            start = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, peer: str) -> str:
    """Returns "0.87 [0.70-1.04], best/best 0.88": median of the rounds' ratios, range, best."""
    each = [a / b for a, b in zip(seconds[name], seconds[peer], strict=True)]
    best = min(seconds[name]) / min(seconds[peer])
    middle = statistics.median(each)
    return f"{middle:.2f} [{min(each):.2f}-{max(each):.2f}], best/best {best:.2f}"
