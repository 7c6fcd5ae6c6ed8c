"""One server and one browser for the browser tests of a worker, a fresh page for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

OpenPage = Callable[..., Page]

HERE = Path(__file__).parent
PATIENCE = 60_000  # ms: a busy machine is no failure
expect.set_options(timeout=PATIENCE)


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


@pytest.fixture(scope="session")
def shared(browser: Browser, server: str) -> Iterator[BrowserContext]:
    """Where the first page of every test opens: the app's own files are fetched once."""
    context = browser.new_context(base_url=server)
    yield context
    context.close()


@pytest.fixture
def open_page(browser: Browser, shared: BrowserContext, server: str) -> Iterator[OpenPage]:
    """Opens pages, each as another person's; none may write an error to its console."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        where = message.location.get("url") or ""
        # A deep link makes the front end ask for /page/_stcore/health first: a harmless 404. A
        # page that looks at a job finds the connection down before it is taken up again.
        lost = ("when disconnected from server", "WebSocket is already in CLOSING or CLOSED")
        known = "/_stcore/" in where or any(text in message.text for text in lost)
        if message.type == "error" and not known:
            errors.append(f"{message.text} ({where})")

    def of_a_new_person(context: BrowserContext) -> Page:
        context.set_default_timeout(PATIENCE)
        context.clear_cookies()
        page = context.new_page()
        what = {"origin": server, "storageTypes": "local_storage"}
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", what)
        return page

    def open_one(
        viewport: ViewportSize | None = None,
        color_scheme: Literal["light", "dark"] = "light",
        reduced_motion: Literal["no-preference", "reduce"] = "no-preference",
    ) -> Page:
        contexts.append(browser.new_context(base_url=server) if contexts else shared)
        page = of_a_new_person(contexts[-1])
        page.set_viewport_size(viewport or {"width": 1280, "height": 800})
        page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_one
    for page in shared.pages:
        page.close()
    for context in contexts[1:]:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page as large as a laptop's window."""
    return open_page()
