"""The route of the live channel: a WebSocket that takes questions and sends figures.

A question is JSON text: ``{"n": 17, "ask": "propagate", "query": {...}, "view": {...}}``, names
and numbers only, read by the same codec as a link. Of each visitor only the newest counts. An
answer is a frame (`frames.py`) that carries the question's number. Nothing else is understood:
what is malformed, too long or too fast closes the connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pages.ui.live.frames import framed
from pages.ui.visitor import COOKIE

__all__ = ["Answer", "Question", "Send", "read", "route"]

LONGEST = 16_384  # characters of a question; four arms' settings have some 3,000
MOST_A_SECOND, BURST = 60.0, 120.0  # questions
MOST_OPEN = 256  # connections
MOST_QUEUED = 32  # frames that a slow browser may be behind; then the oldest are dropped
WRONG, TOO_LONG, TOO_FAST, FULL = 1007, 1009, 1008, 1013  # RFC 6455, section 7.4.1

Send = Callable[[dict[str, Any]], None]  # may be called on any thread


@dataclass(frozen=True)
class Question:
    """What a browser asks: for which page, its number, the setting's query, what is looked at.

    ``secret`` is the visitor's (`pages.ui.visitor`), empty where the browser keeps none.
    """

    ask: str
    n: int
    query: Mapping[str, str]
    view: Mapping[str, str]
    secret: str = ""


# Called with the visitor, the question and where to send; None instead of a question: they left.
Answer = Callable[[str, Question | None, Send], None]
_open: set[str] = set()


def route(answers: Callable[[], Mapping[str, Answer]]) -> WebSocketRoute:
    """Returns the route; ``answers`` gives who answers what, once the first visitor is there."""

    async def live(socket: WebSocket) -> None:
        if not _same_origin(socket) or len(_open) >= MOST_OPEN:
            await socket.close(FULL if len(_open) >= MOST_OPEN else TOO_FAST)
            return
        await socket.accept()
        visitor = secrets.token_hex(16)
        _open.add(visitor)
        try:
            await _serve(socket, visitor, await asyncio.to_thread(answers))
        finally:
            _open.discard(visitor)

    return WebSocketRoute("/live", live)


def _same_origin(socket: WebSocket) -> bool:
    """Whether the page that opens it came from this very server, as a browser tells."""
    return urlsplit(socket.headers.get("origin", "")).netloc == socket.headers.get("host")


async def _serve(socket: WebSocket, visitor: str, answers: Mapping[str, Answer]) -> None:
    loop = asyncio.get_running_loop()
    frames: asyncio.Queue[bytes] = asyncio.Queue()

    def queue(frame: bytes) -> None:
        if frames.qsize() >= MOST_QUEUED:
            frames.get_nowait()
        frames.put_nowait(frame)

    def send(message: dict[str, Any]) -> None:
        frame = framed(message)
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue, frame)

    writer = asyncio.create_task(_write(socket, frames))
    try:
        await _read(socket, visitor, answers, send)
    except (WebSocketDisconnect, RuntimeError):  # a client may go at any moment
        pass
    finally:
        writer.cancel()
        for answer in answers.values():
            answer(visitor, None, send)


async def _write(socket: WebSocket, frames: asyncio.Queue[bytes]) -> None:
    try:
        while True:
            await socket.send_bytes(await frames.get())
    except (WebSocketDisconnect, RuntimeError, OSError):
        return


async def _read(
    socket: WebSocket, visitor: str, answers: Mapping[str, Answer], send: Send
) -> None:
    """Takes questions until the client leaves or misbehaves."""
    allowance, before = BURST, time.monotonic()
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        now = time.monotonic()
        allowance = min(allowance + MOST_A_SECOND * (now - before), BURST) - 1.0
        before = now
        text = message.get("text")
        if allowance < 0.0:
            return await socket.close(TOO_FAST)
        if text is None or len(text) > LONGEST:
            return await socket.close(WRONG if text is None else TOO_LONG)
        question = read(text)
        if question is None or question.ask not in answers:
            return await socket.close(WRONG)
        question = replace(question, secret=socket.cookies.get(COOKIE, ""))
        await asyncio.to_thread(_answer, answers[question.ask], visitor, question, send)


def _answer(answer: Answer, visitor: str, question: Question, send: Send) -> None:
    """Asks; a setting that is refused is an answer too."""
    try:
        answer(visitor, question, send)
    except (ValueError, MemoryError, RuntimeError) as error:
        if not isinstance(error, ValueError):
            logging.getLogger(__name__).error("a question failed", exc_info=error)
        refused = str(error) if isinstance(error, ValueError) else "This setting failed."
        send({"n": question.n, "stage": "refused", "sentence": refused.split(" Known:")[0]})


def read(text: str) -> Question | None:
    """Returns the question of a message, None where it is not one."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or set(said) != {"n", "ask", "query", "view"}:
        return None
    n, ask, query, view = said["n"], said["ask"], said["query"], said["view"]
    whole = isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**53
    if not (whole and isinstance(ask, str) and _is_text(query) and _is_text(view)):
        return None
    return Question(ask, n, query, view)


def _is_text(value: object) -> bool:
    """Whether it is an object of texts."""
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
