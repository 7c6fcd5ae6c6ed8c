"""A growing figure and what is sent of it: the browser ends with the figure, whatever is lost."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pages.ui.chart.delta import OVERLAP, difference, numbers, opened

Figure = dict[str, Any]


def figure(length: int, end: float = 0.0, title: str = "") -> Figure:
    """One line that grows, one rectangle of numbers that grows, one point that moves."""
    x = np.arange(length)
    return {
        "data": [
            {"type": "scatter", "x": x, "y": np.where(x % 5 == 3, np.nan, x / 3.0)},
            {"type": "heatmap", "x": x, "z": np.outer(x, [1.0, 2.0]) if length else x},
            {"type": "scatter", "x": np.array([length]), "y": np.array([end]), "text": ["A"]},
        ],
        "layout": {"title": title, "ticks": np.array([1.5, 2.5])},
    }


class Browser:
    """What view.js does with a message."""

    def __init__(self) -> None:
        self.held: Figure | None = None

    def take(self, message: Figure) -> bool:
        message = json.loads(json.dumps(message, allow_nan=False))
        if "data" in message:
            self.held = message
            return True
        assert self.held is not None
        traces = self.held["data"]
        if any(len(traces[i][name]) < start for i, name, start, _ in message["append"]):
            return False
        for i, name, start, values in message["append"]:
            traces[i][name] += values[len(traces[i][name]) - start :]
        for i, name, values in message["set"]:
            traces[i][name] = values
        self.held["layout"] = message["layout"]
        return True


def sent(known: Any, new: Figure) -> tuple[Any, Figure]:
    patch = difference(known, new) if known else None
    if patch is None:
        return opened(new), numbers(new)
    return known, numbers(patch)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_the_browser_ends_with_the_figure(steps: list[tuple[int, bool]], source: Any) -> None:
    browser, known, length, missed = Browser(), None, 0, 0
    for grown, lost in steps:
        length += grown
        new = figure(length, source.random(), str(length))
        known, message = sent(known, new)
        if lost and browser.held is not None and missed < OVERLAP - 2 and "data" not in message:
            missed += 1
            continue
        missed = 0
        assert browser.take(message)
        assert browser.held == numbers(new)


def test_only_what_is_new_travels() -> None:
    known, _ = sent(None, figure(1000))
    for length in range(1001, 1020):
        known, message = sent(known, figure(length))
    assert len(json.dumps(message)) < 2000
    assert [start for *_, start, _ in message["append"]] == [1020 - 1 - OVERLAP] * 4


def test_a_gap_is_noticed() -> None:
    browser, known = Browser(), None
    known, message = sent(known, figure(5))
    assert browser.take(message)
    for length in range(6, 6 + 2 * OVERLAP):
        known, message = sent(known, figure(length))
    assert not browser.take(message)


@pytest.mark.parametrize("change", ["trace", "style", "key", "shrunk", "rewritten"])
def test_another_figure_is_sent_in_full(change: str) -> None:
    old = figure(3000)
    new = copy.deepcopy(old)
    if change == "trace":
        new["data"].pop()
    elif change == "style":
        new["data"][0]["type"] = "bar"
    elif change == "key":
        new["data"][0]["name"] = "new"
    elif change == "shrunk":
        new = figure(2500)
    else:
        new["data"][0]["y"] = new["data"][0]["y"] + 1
    assert difference(opened(old), new) is None


def test_numbers_are_json_with_six_digits() -> None:
    found = numbers({"a": np.array([1 / 3, np.nan, np.inf]), "b": [np.int64(3), True, "x", None]})
    assert found == {"a": [0.333333, None, None], "b": [3, True, "x", None]}
    assert json.dumps(numbers(-math.inf), allow_nan=False) == "null"
