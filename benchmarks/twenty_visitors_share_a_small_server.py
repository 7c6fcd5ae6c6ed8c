"""Twenty visitors on one server, each of whom changes a setting every two seconds.

A visitor is a session of the page and a live channel, without a browser: a change is asked over
the channel, and the page's script runs once with it, as when a hand comes to rest. Every setting
is one that nobody has asked before. Target: the changed plot, that is the first answer, within 1 s
in the median and 3 s at the 95th percentile. Beside it: one visitor alone, and the bare products
of the same network on this machine at the same time.

    python -m benchmarks.twenty_visitors_share_a_small_server [--visitors 20] [--seconds 40]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import torch
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from tests.browser.server import serve
from tests.frames import unframed

EVERY = 2.0  # seconds between two changes of one visitor
REST = 20.0  # seconds that all wait after their last change
DEPTH, WIDTH, BATCH = 32, 256, 256  # the default
NUMBERS = itertools.count(1)


class Visitor:
    """One visitor: what was asked when, and what came back when."""

    def __init__(self, live: ClientConnection, page: ClientConnection) -> None:
        self.live, self.page = live, page
        self.asked: dict[int, float] = {}
        self.first: list[float] = []
        self.whole: dict[int, float] = {}
        self.runs: list[float] = []
        self.query = ""

    async def change(self) -> None:
        n = next(NUMBERS)
        factor = f"{1.0 + 1e-5 * n:.5f}"
        self.asked[n], self.query = time.perf_counter(), f"weight_factor={factor}"
        view = {"axis": "auto", "tab": "Distribution"}
        said = {"n": n, "ask": "propagate", "query": {"weight_factor": factor}, "view": view}
        await self.live.send(json.dumps(said))

    async def listen(self) -> None:
        """Notes the answers, and lets the page's script run with a setting that is answered."""
        seen = set()
        async for frame in self.live:
            message, now = unframed(bytes(frame)), time.perf_counter()
            n = message["n"]
            if n not in seen:
                seen.add(n)
                self.first.append(now - self.asked[n])
            if message["stage"] == "tab":
                self.whole[n] = now - self.asked[n]
                await self.run()

    async def run(self) -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        await self.page.send(message.SerializeToString())

    async def read(self) -> None:
        """Takes what the page sends, as a browser does."""
        async for frame in self.page:
            message = ForwardMsg()
            message.ParseFromString(bytes(frame))


async def stay(address: str, seconds: float, begun: float) -> Visitor:
    """Comes at some moment within the first two seconds, and makes changes until the end."""
    base = address.replace("http", "ws")
    async with (
        connect(f"{base}/live", origin=address, max_size=None) as live,
        connect(
            f"{base}/_stcore/stream", origin=address, subprotocols=["streamlit"], max_size=None
        ) as page,
    ):
        visitor = Visitor(live, page)
        tasks = [asyncio.create_task(visitor.listen()), asyncio.create_task(visitor.read())]
        await visitor.run()
        await asyncio.sleep(3.0 + EVERY * random.random())
        while time.perf_counter() - begun < seconds:
            await visitor.change()
            await asyncio.sleep(EVERY)
        await asyncio.sleep(REST)
        for task in tasks:
            task.cancel()
        return visitor


def told(name: str, seconds: list[float], asked: int) -> None:
    if not seconds:
        print(f"{name}: none of {asked}")
        return
    found = sorted(seconds)
    print(f"{name}: median {1000 * statistics.median(found):.0f} ms, 95th percentile "
          f"{1000 * found[int(0.95 * len(found))]:.0f} ms, {len(found)} of {asked}")  # fmt: skip


def bare() -> float:
    """Returns the milliseconds of one seed's matrix products on one thread, the best of some."""
    torch.set_num_threads(1)
    x, w = torch.randn(BATCH, WIDTH), torch.randn(WIDTH, WIDTH) / WIDTH**0.5
    best = float("inf")
    for _ in range(10):
        begun = time.perf_counter()
        h = x
        for _ in range(DEPTH):
            h = h @ w
        best = min(best, time.perf_counter() - begun)
    return 1000 * best


async def together(address: str, visitors: int, seconds: float) -> None:
    begun = time.perf_counter()
    found = await asyncio.gather(*(stay(address, seconds, begun) for _ in range(visitors)))
    asked = sum(len(visitor.asked) for visitor in found)
    print(f"{visitors} visitor{'s' if visitors > 1 else ''}, {asked} changes in {seconds:.0f} s")
    told("  to the changed plot (target 1000 / 3000)", [s for v in found for s in v.first], asked)
    told("  to all seeds and the open tab", [s for v in found for s in v.whole.values()], asked)
    rested = [v.whole[n] for v in found if (n := max(v.asked)) in v.whole]
    told("  of everybody's last change, where they rest", rested, visitors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    print(f"bare products of one seed on one core: {bare():.1f} ms")
    with serve(Path(tempfile.mkdtemp()) / "server.log") as address:
        time.sleep(8)  # it has warmed up
        for visitors in (1, given.visitors):
            asyncio.run(together(address, visitors, given.seconds))


if __name__ == "__main__":
    main()
