"""The live channel: what it answers, whom it serves first, and what it refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock, patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from app import answers
from pages.moment_map import plane, proofs
from pages.propagate import figures
from pages.ui.live import cache, channel, work
from pages.ui.live.frames import framed, unframed
from snn_core.activations import ACTIVATIONS
from snn_core.propagate import Pass, Stopped, Watch, run
from snn_core.spec import Experiment, NetworkSpec, from_query

SMALL = {"depth": "4", "width": "16", "batch": "16", "seeds": "3"}
ORIGIN = {"origin": "http://testserver"}
LONG = 30.0
BOX = ((-0.1, 0.1), (0.8, 1.5))


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    cache.results.cache_clear()
    yield
    assert not channel._open
    wait_for(lambda: not work._under_way)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[channel.route(answers)])) as client:
        yield client


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def opened(client: TestClient) -> WebSocketTestSession:
    return client.websocket_connect("/live", headers=ORIGIN)


def asked(query: dict[str, str], n: int = 1, ask: str = "propagate", **view: str) -> str:
    return json.dumps({"n": n, "ask": ask, "query": query, "view": view})


def answered(live: WebSocketTestSession, last: str) -> list[dict[str, Any]]:
    """Returns the messages until that stage."""
    found = [unframed(live.receive_bytes())]
    while found[-1]["stage"] not in (last, "refused"):
        found.append(unframed(live.receive_bytes()))
    return found


def lines(figure: dict[str, Any], group: str) -> list[np.ndarray]:
    return [np.asarray(t["y"], float) for t in figure["data"] if t.get("legendgroup") == group]


def test_a_question_is_answered_by_the_theory_and_then_with_the_seeds(client: TestClient) -> None:
    with opened(client) as live:
        live.send_text(asked(SMALL, axis="linear", tab="Distribution"))
        found = answered(live, "tab")
    stages = [message["stage"] for message in found]
    assert stages[0] == "theory" and stages[-2:] == ["done", "tab"]
    assert set(stages[1:-2]) <= {"seeds"} and {m["n"] for m in found} == {1}
    whole = run(from_query(SMALL), detail=True)
    wanted = figures.moments_by_layer(whole, "linear")
    done = found[-2]
    for group in ("predicted", "median", "seeds"):
        for ours, theirs in zip(lines(done["figure"], group), lines(wanted, group), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    for ours, theirs in zip(
        lines(found[0]["figure"], "predicted"), lines(wanted, "predicted"), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    assert done["id"] == figures.identity(from_query(SMALL), "linear") and "depth 4" in done["alt"]
    assert found[-1]["chart"] == "distribution"


def test_what_is_kept_is_answered_at_once(client: TestClient) -> None:
    with opened(client) as live:
        live.send_text(asked(SMALL))
        answered(live, "tab")
        live.send_text(asked(SMALL, 2))
        assert [m["stage"] for m in answered(live, "tab")] == ["done", "tab"]


@pytest.mark.parametrize("tab", ["Gradients", "Omega and tau", "Saturation and correlation"])
def test_the_open_tab_comes_along(client: TestClient, tab: str) -> None:
    with opened(client) as live:
        live.send_text(asked(SMALL, tab=tab, layer="2"))
        found = answered(live, "tab")[-1]
    names = {"Gradients": "gradients", "Omega and tau": "units"}
    assert found["chart"] == names.get(tab, "saturation") and found["alt"]


def test_the_map_is_answered(client: TestClient) -> None:
    with opened(client) as live:
        live.send_text(asked({}, ask="map", omega="0.1", tau="1.2"))
        (found,) = answered(live, "done")
    assert found["chart"] == "plane" and "omega 0.1" in found["alt"]
    theorem, domain = proofs.domain_of("")
    place = plane.is_log("auto", domain), BOX, tuple(domain), theorem
    wanted = plane.Asked(ACTIVATIONS["selu"], 0.1, 1.2, (0.5, 2.0), *place, moving=True)
    shown = plane.seen(wanted)
    assert found["alt"] == plane.alt(wanted, shown)
    theirs = plane.figure(wanted, shown, None)["data"]
    for ours, trace in zip(found["figure"]["data"], theirs, strict=True):
        assert ours.get("name") == trace.get("name")
        if "z" in trace:
            np.testing.assert_allclose(np.asarray(ours["z"]), np.asarray(trace["z"], "f4"))


@pytest.mark.parametrize(("query", "view", "said"), [
    ({"depth": "0"}, {}, "depth"), ({"activation": "sellu"}, {}, "Did you mean"),
    ({"depth": "x" * 100}, {}, "depth"), ({"foo": "1"}, {}, "foo"),
    ({"width": "4096", "depth": "512", "batch": "4096", "seeds": "64"}, {}, "Too big"),
    ({"activation": "=__import__('os')"}, {}, "not known"),
])  # fmt: skip
def test_a_setting_that_is_refused_is_a_sentence(
    client: TestClient, query: dict[str, str], view: dict[str, str], said: str
) -> None:
    with opened(client) as live:
        live.send_text(asked(query, **view))
        (found,) = answered(live, "refused")
        assert said in found["sentence"] and found["n"] == 1
        live.send_text(asked(SMALL, 2))
        assert answered(live, "tab")[-1]["n"] == 2


@pytest.mark.parametrize(("text", "code"), [
    ("", 1007), ("{", 1007), ("[]", 1007), ("null", 1007), ("1", 1007), ("[" * 5000, 1007),
    ('{"n": 1, "ask": "propagate", "query": {}}', 1007),
    ('{"n": true, "ask": "propagate", "query": {}, "view": {}}', 1007),
    ('{"n": -1, "ask": "propagate", "query": {}, "view": {}}', 1007),
    ('{"n": 1, "ask": "evil", "query": {}, "view": {}}', 1007),
    ('{"n": 1, "ask": "propagate", "query": {"depth": 4}, "view": {}}', 1007),
    ('{"n": 1, "ask": "propagate", "query": {}, "view": {"tab": [1]}}', 1007),
    ('{"n": 1, "ask": "propagate", "query": {}, "view": {}, "more": 1}', 1007),
    (" " * 20_000, 1009),
])  # fmt: skip
def test_what_is_malformed_closes_the_connection(client: TestClient, text: str, code: int) -> None:
    with opened(client) as live:
        live.send_text(text)
        with pytest.raises(WebSocketDisconnect) as closed:
            live.receive_bytes()
    assert closed.value.code == code


def test_bytes_and_a_flood_close_the_connection(client: TestClient) -> None:
    with opened(client) as live:
        live.send_bytes(b"\x00")
        with pytest.raises(WebSocketDisconnect) as closed:
            live.receive_bytes()
    assert closed.value.code == 1007
    with opened(client) as live, pytest.raises(WebSocketDisconnect) as closed:
        for n in range(300):
            live.send_text(asked({"depth": "0"}, n))
        while True:
            live.receive_bytes()
    assert closed.value.code == 1008


@pytest.mark.parametrize("headers", [
    {}, {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://testserver.evil"},
    {"origin": "http://testserver:81"},
])  # fmt: skip
def test_another_origin_is_turned_away(client: TestClient, headers: dict[str, str]) -> None:
    with (
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        client.websocket_connect("/live", headers=headers),
    ):
        pass


def test_a_full_server_takes_nobody_more(client: TestClient) -> None:
    with (
        patch.object(channel, "MOST_OPEN", 0),
        pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
        opened(client),
    ):
        pass


@given(st.text(max_size=200))
def test_no_text_is_read_as_a_question_by_mistake(text: str) -> None:
    assert channel.read(text) is None


FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
KEYS = st.text(max_size=3).filter(lambda key: key != "f4")
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5)
    | st.lists(FLOATS, max_size=4).map(lambda v: np.array(v, "f4")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from("abc"), TREES))
def test_a_frame_is_read_back_as_it_was(message: dict[str, Any]) -> None:
    def same(ours: Any, theirs: Any) -> bool:
        if isinstance(ours, np.ndarray):
            finite = np.where(np.isfinite(ours), ours, np.nan)
            return np.array_equal(finite, np.asarray(theirs), equal_nan=True)
        if isinstance(ours, dict):
            return ours.keys() == theirs.keys() and all(
                same(v, theirs[k]) for k, v in ours.items()
            )
        if isinstance(ours, list):
            return len(ours) == len(theirs) and all(map(same, ours, theirs))
        return ours == theirs

    assert same(message, unframed(framed(message)))


def test_rows_of_numbers_keep_their_shape() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    found = unframed(framed({"z": rows, "text": np.array(["a"]), "one": np.float32(2)}))
    np.testing.assert_array_equal(found["z"], rows)
    assert found["text"] == ["a"] and found["one"] == 2.0


# Work


def key(**settings: Any) -> work.Key:
    return (Experiment(NetworkSpec(depth=2, width=4), batch=4, **settings), False, False)


class Held:
    """A core whose seeds wait until they are let go, so that a test sees who is served."""

    def __init__(self) -> None:
        self.go, self.done = threading.Event(), []

    def one_seed(self, experiment: Experiment, k: int, *_: bool, watch: Watch) -> Pass:
        while not self.go.wait(0.005) and not watch.stop.is_set():
            pass
        if watch.stop.is_set():
            raise Stopped
        self.done.append((experiment.seed, k))
        time.sleep(0.005)
        return real_seed(experiment, k, watch=Watch(1))


real_seed = work.one_seed


@pytest.fixture
def held() -> Iterator[Held]:
    core = Held()
    with patch.object(work, "one_seed", core.one_seed):
        yield core
        core.go.set()


def nothing(_: work.Propagating) -> None:
    pass


def test_who_asks_for_the_same_shares_it(held: Held) -> None:
    one, other = work.ask("a", key(seeds=2), nothing), work.ask("b", key(seeds=2), nothing)
    assert one is other
    work.leave("a")
    held.go.set()
    assert other.over.wait(LONG) and other.result is not None and len(held.done) == 2
    work.leave("b")


def test_a_newer_question_stops_the_older_one(held: Held) -> None:
    old = work.ask("a", key(seeds=4), nothing)
    new = work.ask("a", key(seeds=4, seed=1), nothing)
    assert old.watch.stop.is_set() and not new.watch.stop.is_set()
    held.go.set()
    assert new.over.wait(LONG) and {seed for seed, _ in held.done} == {1}


def test_nobody_left_means_nothing_done(held: Held) -> None:
    each = work.ask("a", key(seeds=4), nothing)
    work.leave("a")
    assert each.watch.stop.is_set() and not work._under_way


def test_a_visitor_who_asks_little_is_not_kept_waiting_by_one_who_asks_much(held: Held) -> None:
    much = work.ask("greedy", key(seeds=40), nothing)
    held.go.set()
    wait_for(lambda: len(held.done) > 6)
    little = work.ask("modest", key(seeds=2, seed=7), nothing)
    assert little.over.wait(LONG) and not much.over.is_set()
    assert much.over.wait(LONG) and much.result is not None and len(much.result.mean) == 40


@pytest.mark.parametrize("theory_first", [True, False])
def test_theory_and_seeds_each_have_a_worker_that_prefers_them(theory_first: bool) -> None:
    order = []
    with work._changed:  # the workers wait meanwhile
        for k in range(3):
            work.ask(str(k), key(seeds=2, seed=k), nothing)
        while (each := work._next(theory_first)) is not None:
            piece = each.pieces.popleft()
            order.append(piece is work._theory)
            each.predicted = each.predicted or Mock()
        for k in range(3):
            work.leave(str(k))
    seeds_first = [True, False, False] * 3
    assert order == ([True] * 3 + [False] * 6 if theory_first else seeds_first)


def test_a_failure_is_told_and_the_workers_go_on() -> None:
    told = threading.Event()
    with patch.object(work, "one_seed", side_effect=RuntimeError("no memory")):
        each = work.ask("a", key(seeds=2), lambda e: told.set() if e.failure else None)
        assert each.over.wait(LONG) and told.wait(LONG)
    assert isinstance(each.failure, RuntimeError) and each.result is None
    again = work.ask("a", key(seeds=2), nothing)
    assert again.over.wait(LONG) and again.result is not None


def test_one_who_cannot_be_told_stops_nobody() -> None:
    def broken(_: work.Propagating) -> None:
        raise RuntimeError("gone")

    with patch.object(work.logging, "getLogger"):
        each = work.ask("a", key(seeds=2), broken)
        assert each.over.wait(LONG)
    again = work.ask("b", key(seeds=3), nothing)
    assert again.over.wait(LONG) and again.result is not None


def test_the_queue_is_bounded() -> None:
    with patch.object(work, "MOST_WAITING", 0), pytest.raises(ValueError, match="Too many"):
        work.ask("a", key(), nothing)


def test_a_stop_is_within_a_layer() -> None:
    slow = (Experiment(NetworkSpec(depth=200, width=1024), batch=1024, seeds=1), False, False)
    started = threading.Event()
    each = work.ask("a", slow, lambda e: started.set())
    assert started.wait(LONG)  # the theory
    wait_for(lambda: each.watch.done > 2)
    work.leave("a")
    before = each.watch.done
    wait_for(lambda: not each.pieces)
    time.sleep(0.3)
    assert each.watch.done <= before + 2


def test_more_than_was_asked_for_will_do() -> None:
    experiment = from_query(SMALL)
    whole = run(experiment, backward=True, detail=True)
    cache.results().put((experiment, True, True), whole)
    for flags in ((False, False), (True, False), (False, True), (True, True)):
        assert work.found((experiment, *flags)) is whole
    assert work.found((from_query({}), False, False)) is None
