"""What is kept of many is few enough, reaches both ends, and is found again as they grow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from snn_core.cache import Cache
from snn_core.thinning import evenly, stride

numbers = st.integers(1, 100_000)


@given(numbers, st.integers(1, 5_000))
def test_the_stride_is_the_least_power_of_two_that_leaves_few_enough(
    total: int, most: int
) -> None:
    every = stride(total, most)
    assert every & (every - 1) == 0
    assert len(range(0, total, every)) <= most
    assert every == 1 or len(range(0, total, every // 2)) > most


@given(numbers, st.integers(2, 5_000))
def test_even_places_are_different_and_have_both_ends(total: int, most: int) -> None:
    places = evenly(total, most)
    assert len(places) == min(total, most) and places[0] == 0 and places[-1] == total - 1
    steps = np.diff(places)
    assert not len(steps) or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60)), max_size=60))
def test_a_cache_counts_what_it_holds_also_where_a_value_is_replaced(
    put: list[tuple[int, int]],
) -> None:
    cache, newest = Cache(100, size=int), {}
    for key, size in put:
        cache.put(key, size)
        newest[key] = size
        held = {k: cache.get(k) for k in newest if cache.get(k) is not None}
        assert held[key] == size and sum(held.values()) <= 100
        assert held.items() <= newest.items()
    fits = sum(newest.values()) <= 60
    assert not fits or len(put) == 0 or newest[put[-1][0]] == cache.get(put[-1][0])
