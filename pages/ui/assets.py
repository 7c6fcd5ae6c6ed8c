"""Files for the browser: scripts of components, and the chart library.

The script of a component is sent with every message to it, so what is sent only fetches a file of
these. Plotly's official bundle of cartesian charts is a third of the whole library's size.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.components import v2

__all__ = ["PLOTLY", "ROUTE", "Preload", "component", "url"]

_FOLDER = Path(__file__).parent / "served"
PLOTLY = _FOLDER / "plotly-cartesian.min.js"
# The address holds a hash, so that an old file in a browser's cache is of no account.
_HASH = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(_FOLDER.iterdir()))).hexdigest()
_ADDRESS = f"served/{_HASH[:12]}"


def url(name: str) -> str:
    """Returns a file's address, relative to the app's root."""
    return f"{_ADDRESS}/{name}"


def component(module: str, name: str, html: str = "", **options: bool) -> Callable[..., Any]:
    """Returns a component made of the style sheet, the script and the HTML beside a module.

    In the script ``LIVE`` and ``VIEW`` stand for the addresses of ``live.js`` and ``view.js``.
    """

    def beside(kind: str) -> str:
        (found,) = Path(module).parent.glob(f"*.{kind}")
        return found.read_text()

    js = beside("js").replace("LIVE", url("live.js")).replace("VIEW", url("view.js"))
    html = html or beside("html")
    return v2.component(name, html=html, css=beside("css"), js=js, **options)


_FILES = {file.name: file for file in _FOLDER.iterdir()}
_MODULES = [f"<{url(name)}>; rel=modulepreload" for name in ("view.js", "live.js", "history.js")]
_LINKS = ", ".join([f"<{url(PLOTLY.name)}>; rel=preload; as=script; fetchpriority=low", *_MODULES])


@lru_cache
def _compressed(name: str) -> bytes:
    """A file, compressed once: the chart library takes 70 ms, too long for every new visitor."""
    return gzip.compress(_FILES[name].read_bytes())


def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _FILES:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(_FILES[name], headers=headers)
    headers["Content-Encoding"] = "gzip"
    kind = mimetypes.guess_type(name)[0]
    return Response(_compressed(name), headers=headers, media_type=kind)


ROUTE = Route(f"/{_ADDRESS}/{{name}}", _file)


class Preload:
    """Names the charts' files in a header of every page (RFC 8288); an ASGI middleware.

    A browser fetches them beside Streamlit's own scripts then. The first figure would ask for
    them when those have run, a second later.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the app does, with the header besides."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_links(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("Link", _LINKS)
            await send(message)

        await self.app(scope, receive, send_with_links)
