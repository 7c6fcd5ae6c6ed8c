"""A Chromium for the tests: the one that is there, else one to install (``make test`` does)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

__all__ = ["FLAGS", "find", "install"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
# The browser speaks to the test's own server and to nobody else.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Returns the path of a Chromium: $CHROMIUM, one on the path, or Playwright's own; or None."""
    if chosen := os.environ.get("CHROMIUM"):
        return chosen
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return next((place for place in (*PLACES, own) if Path(place).exists()), None)


def install() -> str:
    """Returns the path of a Chromium, installed if there was none.

    Debian's package where this is Debian (or Ubuntu) and we are root, else Playwright's own build.

    Raises:
        RuntimeError: Neither way gave one.
    """
    if path := find():
        return path
    print("No Chromium found: installing one for the browser tests ...", flush=True)
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in ("update -q", "install -qy --no-install-recommends chromium"):
            subprocess.run(["apt-get", *arguments.split()], env=environment, check=False)
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if path := find():
        return path
    raise RuntimeError("No Chromium could be installed; set CHROMIUM to the path of one.")


if __name__ == "__main__":
    print("Chromium:", install())
