"""One server and one browser for all browser tests, a fresh context and page for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

OpenPage = Callable[..., Page]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder, so that ``-m "not browser"`` leaves them out."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running app; its log must hold no traceback in the end."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with serve(log) as address:
        yield address
    text = log.read_text()
    assert "Traceback" not in text, text


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    path = install()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[OpenPage]:
    """Opens pages, each in a context of its own; none may write an error to its console."""
    contexts, errors = [], []

    def note(message: ConsoleMessage) -> None:
        where = message.location.get("url") or ""
        # A deep link makes the front end ask for /page/_stcore/health first: a harmless 404. A
        # page that looks at a job finds the connection down before it is taken up again.
        lost = ("when disconnected from server", "WebSocket is already in CLOSING or CLOSED")
        known = "/_stcore/" in where or any(text in message.text for text in lost)
        if message.type == "error" and not known:
            errors.append(f"{message.text} ({where})")

    def open_one(**options: object) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(base_url=server, **options)  # pyright: ignore
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page in a fresh context, as large as a laptop's window."""
    return open_page()
