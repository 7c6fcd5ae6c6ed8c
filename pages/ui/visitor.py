"""Who a visitor is: a secret that the browser keeps, so that a reloaded page is the same person.

A reload begins a new session, and what an address holds is in many hands. So the secret is a
cookie: it comes with the page, scripts can't read it (HttpOnly), pages of other sites can't send
it along (SameSite), and it is gone with the browser. Where a browser or a proxy lets no cookie
through, every session is a visitor of its own.
"""

from __future__ import annotations

import secrets

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["COOKIE", "Recognize", "key"]

COOKIE = "snn_visitor"
BYTES = 32
SHORTEST = 32  # characters; what is shorter is none of ours, and could be guessed
SESSION = "visitor"


class Recognize:
    """Gives a browser that opens a page its secret, where it has none; an ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the app does, for a new browser's page with the cookie besides."""
        if scope["type"] != "http" or not _is_new(HTTPConnection(scope)):
            await self.app(scope, receive, send)
            return
        secure = "; Secure" if scope["scheme"] == "https" else ""
        cookie = f"{COOKIE}={secrets.token_urlsafe(BYTES)}; Path=/; HttpOnly; SameSite=Lax{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("Set-Cookie", cookie)
                headers["Cache-Control"] = "no-store"  # a proxy would give it to others too
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def _is_new(request: HTTPConnection) -> bool:
    """Whether a browser without a secret asks for a page, not for a part of one."""
    return COOKIE not in request.cookies and "text/html" in request.headers.get("accept", "")


def key() -> str:
    """Returns the visitor's secret, 32 characters or more; never to be written into a page."""
    if SESSION not in st.session_state:
        kept = st.context.cookies.to_dict().get(COOKIE, "")
        new = secrets.token_urlsafe(BYTES)
        st.session_state[SESSION] = kept if len(kept) >= SHORTEST else new
    return st.session_state[SESSION]
