"""A click that the browser tells of twice acts once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import streamlit as st

from pages.ui import clicks

WATCH, PAGE = ["watch"], None  # a run of a fragment, a run of the whole page


@pytest.mark.parametrize(
    ("told", "acted"),
    [
        ([(0.0, PAGE)], 1),
        ([(0.0, WATCH)], 1),  # by a fragment's run alone
        ([(0.0, WATCH), (0.02, PAGE)], 1),  # by both
        ([(0.0, PAGE), (0.02, PAGE)], 2),  # two clicks
        ([(0.0, WATCH), (0.02, PAGE), (0.1, PAGE)], 2),
        ([(0.0, WATCH), (5.0, PAGE)], 2),
    ],
)
def test_a_click_acts_once(
    told: list[tuple[float, list[str] | None]], acted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    reruns: list[bool] = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "rerun", lambda: reruns.append(True))
    for when, fragments in told:
        context = SimpleNamespace(fragment_ids_this_run=fragments)
        monkeypatch.setattr(clicks, "get_script_run_ctx", lambda context=context: context)
        monkeypatch.setattr(clicks.time, "monotonic", lambda when=when: 100.0 + when)
        clicks.once("play", seen.append)(1)
    assert len(seen) == acted
    assert st.session_state["touched"]  # no run of a click reads the URL anew
    assert len(reruns) == sum(fragments is WATCH for _, fragments in told)
