"""The secret that a browser keeps: who gets one, when, and what it may look like."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from streamlit.runtime.context import StreamlitCookies

from pages.ui import visitor

PAGE = {"accept": "text/html,application/xhtml+xml"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"set-cookie", b"other=1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"page"})


def answered(headers: dict[str, str], kind: str = "http", scheme: str = "http") -> list[str]:
    """Returns the cookies that the answer sets."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "scheme": scheme, "path": "/train", "headers": raw}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {}

    # Playwright keeps a loop running in the main thread, where no second one may run.
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, visitor.Recognize(app)(scope, receive, send)).result()
    assert sent[1] == {"type": "http.response.body", "body": b"page"}
    found = Headers(raw=sent[0]["headers"])
    assert (found.get("cache-control") == "no-store") == (len(found.getlist("set-cookie")) == 2)
    return found.getlist("set-cookie")[1:]


def test_a_new_browser_gets_a_secret_that_neither_scripts_nor_other_sites_can_use() -> None:
    given = {}
    for scheme in ("http", "https"):
        (text,) = answered(PAGE, scheme=scheme)
        (cookie,) = SimpleCookie(text).values()
        assert cookie.key == visitor.COOKIE and len(cookie.value) >= visitor.SHORTEST
        assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
        assert not cookie["max-age"] and not cookie["expires"]  # gone with the browser
        assert bool(cookie["secure"]) == (scheme == "https")
        given[scheme] = cookie.value
    assert given["http"] != given["https"]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (PAGE | {"cookie": f"a=1; {visitor.COOKIE}=known"}, "http"),
        ({"accept": "*/*"}, "http"),  # a part of a page
        ({}, "http"),
        (PAGE, "websocket"),
    ],
)
def test_who_has_one_and_whatever_is_no_page_gets_none(headers: dict[str, str], kind: str) -> None:
    assert answered(headers, kind) == []


@pytest.mark.parametrize("cookie", ["", "short", "x" * 31, "é" * 40, "k" * 43])
def test_a_session_has_the_browsers_secret_or_one_of_its_own(cookie: str) -> None:
    cookies = StreamlitCookies({visitor.COOKIE: cookie} if cookie else {})
    state: dict[str, str] = {}
    context = SimpleNamespace(cookies=cookies)
    with patch.multiple(visitor.st, session_state=state, context=context):
        first = visitor.key()
        assert (first == cookie) == (len(cookie) >= visitor.SHORTEST)
        assert len(first) >= visitor.SHORTEST and visitor.key() == first
        state.clear()
        assert (visitor.key() == first) == (len(cookie) >= visitor.SHORTEST)
