"""Files that the browser is sent: the chart library is the one that plotly.py is made for."""

from __future__ import annotations

import re

import pytest
from plotly.offline import get_plotlyjs_version
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.ui import assets


def test_the_chart_library_is_of_the_version_that_plotly_is_made_for() -> None:
    head = assets.PLOTLY.read_text("utf-8")[:500]
    found = re.search(r"plotly\.js \(cartesian - minified\) v([\d.]+)", head)
    assert found is not None and found[1] == get_plotlyjs_version()


def test_its_licence_stands_beside_it() -> None:
    assert "MIT" in (assets.PLOTLY.parent / "plotly-LICENSE.txt").read_text("utf-8")


def test_no_private_function_of_it_is_patched() -> None:
    source = (assets.PLOTLY.parent / "view.js").read_text("utf-8")
    assert "PlotSchema" not in source


@pytest.fixture(scope="module")
def browser() -> TestClient:
    def page(request: Request) -> Response:
        return HTMLResponse("<p>")

    routes = [assets.ROUTE, Route("/train", page)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(assets.Preload)]))


def test_a_page_names_the_files_that_its_charts_will_fetch(browser: TestClient) -> None:
    links = re.findall(r"<([^>]+)>", browser.get("/train").headers["link"])
    assert assets.url(assets.PLOTLY.name) in links and len(links) == 4
    assert all(browser.get(f"/{link}").status_code == 200 for link in links)
    assert all("link" not in browser.get(f"/{link}").headers for link in links)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_every_file_comes_as_it_is_and_is_kept_by_the_browser(
    browser: TestClient, encoding: str
) -> None:
    for file in assets.PLOTLY.parent.iterdir():
        answer = browser.get(f"/{assets.url(file.name)}", headers={"accept-encoding": encoding})
        assert answer.content == file.read_bytes(), file.name
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert "immutable" in answer.headers["cache-control"]
        assert file.suffix != ".js" or "javascript" in answer.headers["content-type"]


@pytest.mark.parametrize("name", ["none.js", "..%2fassets.py", "%2e%2e/assets.py", ""])
def test_nothing_else_is_served(browser: TestClient, name: str) -> None:
    assert browser.get(f"/{assets.url(name)}").status_code == 404
