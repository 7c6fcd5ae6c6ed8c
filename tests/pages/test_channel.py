"""The live channel: what it answers, whom it serves first, and what it refuses."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from pages.moment_map import figures as map_figures
from pages.moment_map import plane
from pages.moment_map import text as map_text
from pages.propagate import figures
from pages.train import job
from pages.train import live as live_of_train
from pages.train.live import curves as figures_now
from pages.train.look import Look, shown
from pages.ui import page_settings, warm_up
from pages.ui.live import cache, channel, work
from pages.ui.live.frames import framed
from pages.ui.visitor import COOKIE
from snn_core.activations import ACTIVATIONS
from snn_core.cache import Cache
from snn_core.propagate import Pass, Stopped, Watch, run
from snn_core.settings import Experiment, NetworkSpec, from_query
from snn_core.train.live import Training, history
from tests.frames import unframed

SMALL = {"depth": "4", "width": "16", "batch": "16", "seeds": "3"}
ORIGIN = {"origin": "http://testserver"}
LONG = 30.0


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


def test_after_a_stop_the_older_figure_is_told_and_nothing_is_computed(client: TestClient) -> None:
    with opened(client) as live:
        live.send_text(asked(SMALL))
        answered(live, "tab")
        live.send_text(asked(SMALL | {"depth": "64", "width": "512", "batch": "512"}, 2))
        assert unframed(live.receive_bytes())["stage"] == "theory"
        live.send_text(asked(SMALL, 3, older="1"))
        assert {m["n"] for m in answered(live, "tab")} <= {2, 3}
        wait_for(lambda: not work._under_way)  # long before all seeds of the second could be there
        live.send_text(asked(SMALL | {"seed": "5"}, 4, older="1"))  # not kept any more
        live.send_text(asked(SMALL, 5))
        assert {m["n"] for m in answered(live, "tab")} == {5}
    assert work.found((from_query(SMALL | {"seed": "5"}), False, True)) is None


@pytest.mark.parametrize("tab", ["Gradients", "Omega and tau", "Saturation and correlation"])
def test_the_open_tab_comes_along(client: TestClient, tab: str) -> None:
    with opened(client) as live:
        live.send_text(asked(SMALL, tab=tab, layer="2"))
        found = answered(live, "tab")[-1]
    names = {"Gradients": "gradients", "Omega and tau": "units"}
    assert found["chart"] == names.get(tab, "saturation") and found["alt"]


def test_a_hand_that_drags_gets_the_figure_and_at_rest_the_tab(client: TestClient) -> None:
    moving = asked(SMALL | {"seed": "11"}, tab="Distribution", moving="1")
    with opened(client) as live:
        live.send_text(moving)
        stages = [message["stage"] for message in answered(live, "done")]
        assert work.found((from_query(SMALL | {"seed": "11"}), False, True)) is None
        live.send_text(asked(SMALL | {"seed": "11"}, 2, tab="Distribution"))
        rest = answered(live, "tab")
    assert stages[-1] == "done" and rest[-1]["chart"] == "distribution"


def test_nobody_is_answered_before_the_core_is_imported() -> None:
    with (
        patch.object(warm_up, "done", side_effect=RuntimeError("still importing")),
        pytest.raises(RuntimeError, match="still importing"),
    ):
        answers()


def test_what_only_an_optimizer_needs_waits_for_the_first_page() -> None:
    order: list[str] = []
    shown = Mock(wait=lambda _: order.append("seen"))
    with (
        patch.object(warm_up, "done", lambda: order.append("imported")),
        patch.object(warm_up, "SHOWN", shown),
        patch.object(warm_up, "_train_a_step", lambda: order.append("trained")),
    ):
        warm_up._everything()
    assert order == ["imported", "seen", "trained"]


def test_results_without_numbers_are_bounded_too() -> None:
    kept = Cache(100 * cache.LEAST, cache.size)
    for key in range(1000):
        kept.put(key, f"a verdict {key}")
    assert kept.get(999) and kept.get(0) is None
    assert len(kept._kept) <= 100


def test_a_server_gives_free_memory_back_while_it_runs() -> None:
    trimmed = threading.Event()
    library = Mock(malloc_trim=lambda _: trimmed.set())

    async def live() -> bool:
        async with warm_up.lifespan(Mock()):
            return await asyncio.to_thread(trimmed.wait, LONG)

    with (
        patch.object(warm_up, "TRIM_EVERY", 0.01),
        patch.object(warm_up, "_everything"),
        patch.object(warm_up.ctypes, "CDLL", return_value=library),
        patch.object(warm_up.sys, "platform", "linux"),
    ):
        # Playwright keeps a loop running in the main thread, where no second one may run.
        with ThreadPoolExecutor(1) as beside:
            assert beside.submit(asyncio.run, live()).result()


def test_the_map_is_answered(client: TestClient) -> None:
    with opened(client) as live:
        live.send_text(asked({}, ask="map", omega="0.1", tau="1.2"))
        (found,) = answered(live, "done")
    assert found["chart"] == "plane" and "omega 0.1" in found["alt"]
    numbers = {name: usual for name, (_, _, usual) in page_settings.MAP.numbers.items()}
    numbers |= {"omega": 0.1, "tau": 1.2}
    wanted = plane.asked(ACTIVATIONS["selu"], numbers.__getitem__, "auto", "", moving=True)
    seen = plane.seen(wanted)
    assert found["alt"] == map_text.alt(wanted, seen)
    theirs = map_figures.moment_map(wanted, seen, None)["data"]
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
    with patch.object(work, "TURN", 0.001):
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


@pytest.mark.parametrize(("turn", "least", "most"), [(LONG, 3, 3), (0.0, 10, 12)])
def test_one_question_is_finished_after_another_unless_it_takes_too_long(
    turn: float, least: int, most: int
) -> None:
    order = []
    with patch.object(work, "TURN", turn), work._changed:
        asked = [work.ask(str(k), key(seeds=4, seed=k), nothing) for k in range(3)]
        for each in asked:
            each.pieces.popleft()
            each.predicted = Mock()
        while (each := work._next(False)) is not None:
            each.pieces.popleft()
            order.append(each.key)
            each.turn -= 0.1
            work._note(list(each.waiting), 0.1)
        for k in range(3):
            work.leave(str(k))
    assert least <= len(list(itertools.groupby(order))) <= most


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


# Train: follow and steer

ARMS = {"data": "moons", "depth": "2", "width": "8", "seeds": "1", "steps": "100000"}
OWNER, OTHER = "the secret of who began it, long enough", "the secret of someone else, as long"


@pytest.fixture
def training() -> Iterator[Training]:
    held: list[Training] = []  # as a session holds it while its connection is open
    job._connected()[id(held)] = held
    job._keep_alive()
    with (
        patch.object(job.visitor, "key", lambda: OWNER),
        patch.object(job.st, "session_state", {}),
        patch.object(job, "_held", lambda: held),
    ):
        begun = job.begin([from_query(ARMS)])
    begun.job.step(1)
    assert begun.job.wait(LONG) == "paused"
    yield begun
    del job._connected()[id(held)]
    begun.job.stop()
    assert begun.job.join(LONG)
    wait_for(lambda: not live_of_train._followers())


def as_visitor(client: TestClient, secret: str) -> WebSocketTestSession:
    headers = ORIGIN | ({"cookie": f"{COOKIE}={secret}"} if secret else {})
    return client.websocket_connect("/live", headers=headers)


def steered(live: WebSocketTestSession, training: Training, what: str, count: int = 0) -> str:
    """Returns the stage of the answer to a command."""
    query = {"job": training.job.id, "what": what, "count": str(count)}
    live.send_text(asked(query, 2**41, "steer"))
    while True:
        message = unframed(live.receive_bytes())
        if message["n"] == 2**41:
            return message["stage"]


def test_who_began_a_training_steers_it_over_the_channel(
    client: TestClient, training: Training
) -> None:
    with as_visitor(client, OWNER) as live:
        assert steered(live, training, "step", 10) == "done"
        assert training.job.wait(LONG) == "paused" and history(training)[-1].step == 10
        assert steered(live, training, "play") == "done" and training.job.playing
        assert steered(live, training, "pause") == "done" and not training.job.playing
        epoch = training.job.since().epoch
        assert steered(live, training, "reset") == "done"
        wait_for(lambda: training.job.since().epoch > epoch)
        assert training.job.wait(LONG) == "paused" and history(training)[-1].step == 0
        assert steered(live, training, "a word that is none") == "done"
        assert steered(live, training, "stop") == "done" and not training.job.alive
        assert steered(live, training, "play") == "refused"  # the page gives it a thread again


@pytest.mark.parametrize("secret", [OTHER, "", OWNER[:-1]])
@pytest.mark.parametrize("what", ["play", "step", "reset", "stop"])
def test_nobody_else_does(client: TestClient, training: Training, secret: str, what: str) -> None:
    before = training.job.since()
    with as_visitor(client, secret) as live:
        assert steered(live, training, what, 10) == "refused"
    after = training.job.since()
    assert (after.epoch, after.next, after.state) == (before.epoch, before.next, "paused")


def followed(training: Training, n: int = 1, tab: str = "Orbits", drawn: str = "") -> str:
    return asked({"job": training.job.id}, n, "train", tab=tab, drawn=drawn, goal="90")


def patched(figure: dict[str, Any], patch: dict[str, Any]) -> None:
    """Does to a figure what the browser does; fails where numbers are missing."""
    for index, name, start, rest in patch["append"]:
        row = list(figure["data"][index][name])
        assert len(row) >= start
        figure["data"][index][name] = row[:start] + list(rest)
    for index, name, whole in patch["set"]:
        figure["data"][index][name] = whole
    figure["layout"] = patch["layout"]


def test_a_follower_is_told_all_without_a_gap_also_after_a_lost_connection(
    client: TestClient, training: Training
) -> None:
    charts: dict[str, dict[str, Any]] = {}
    status: dict[str, Any] = {}

    def hear(live: WebSocketTestSession, until: Callable[[], bool]) -> None:
        while not until():
            told = unframed(live.receive_bytes())
            if told["chart"] == "transport":
                status.update(told["status"])
            elif "figure" in told:
                charts[told["chart"]] = told["figure"]
            elif "patch" in told:
                patched(charts[told["chart"]], told["patch"])

    def at(least: int) -> Callable[[], bool]:
        return lambda: "curves" in charts and max(
            max(np.asarray(t["x"], float), default=0)
            for t in charts["curves"]["data"] if t.get("hovertemplate", "").startswith("A val")
        ) >= least  # fmt: skip

    with as_visitor(client, OWNER) as live:
        live.send_text(followed(training))
        hear(live, lambda: bool(status) and "curves" in charts)
        assert status["said"].startswith("Step 0 of") and not status["busy"]
        training.job.play()
        hear(live, at(50))

    with as_visitor(client, OWNER) as live:
        live.send_text(followed(training))
        hear(live, at(100))
        training.job.pause()
        training.job.settle(LONG)
        last = history(training)[-1].step
        hear(live, lambda: at(last)() and not status["busy"])
    now = Look(training, shown(training, False), ["A"], None)
    for ours, theirs in zip(charts["curves"]["data"], figures_now(now)["data"], strict=True):
        for name in {"x", "y"} & theirs.keys():
            np.testing.assert_allclose(
                np.asarray(ours[name], float), np.asarray(theirs[name], float), rtol=1e-6
            )


def test_what_is_drawn_already_is_not_told_again(client: TestClient, training: Training) -> None:
    news = training.job.since()
    with as_visitor(client, OTHER) as live:
        live.send_text(followed(training, drawn=f"{news.epoch}.{news.version}"))
        assert unframed(live.receive_bytes())["chart"] == "transport"
        training.job.step(1)
        charts = [unframed(live.receive_bytes())["chart"] for _ in range(3)]
        assert "curves" in charts


def test_who_leaves_the_page_is_told_nothing_more(client: TestClient, training: Training) -> None:
    with as_visitor(client, OWNER) as live:
        live.send_text(followed(training))
        wait_for(lambda: len(live_of_train._followers()) == 1)
        live.send_text(asked({}, 2**41, "train"))
        wait_for(lambda: not live_of_train._followers())


def test_a_training_that_is_gone_is_said_to_be(client: TestClient) -> None:
    with as_visitor(client, OWNER) as live:
        live.send_text(asked({"job": "gone"}, 1, "train"))
        (found,) = answered(live, "refused")
    assert "no such training" in found["sentence"]
