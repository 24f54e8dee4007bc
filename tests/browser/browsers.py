"""The browsers that Debian has: each is started when a test first asks for it, and kept."""

from __future__ import annotations

import shlex
import shutil
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

from tests.browser import firefox
from tests.browser.looks import DESK, PHONE
from tests.support import need

CHROMIUM, FIREFOX = "chromium", "firefox"
#: The first is the same engine without windows and tabs: a quarter of the processor time.
CHROMIUMS = ("chromium-headless-shell", "chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
both_browsers = pytest.mark.parametrize("open_page", [CHROMIUM, FIREFOX], indirect=True)
#: Playwright cannot switch scripts off in Firefox.
with_and_without_javascript_and_in_firefox = pytest.mark.parametrize(
    ("open_page", "javascript"),
    [(CHROMIUM, True), (CHROMIUM, False), (FIREFOX, True)],
    indirect=["open_page"],
    ids=["javascript", "no javascript", "firefox"],
)
#: Firefox has its own engine, but not its own style sheet: two of the four are enough to see that it reads that too.
everywhere = pytest.mark.parametrize(
    ("open_page", "size", "scheme"),
    [
        *(pytest.param(CHROMIUM, size, scheme) for size in (PHONE, DESK) for scheme in ("light", "dark")),
        pytest.param(FIREFOX, PHONE, "dark"),
        pytest.param(FIREFOX, DESK, "light"),
    ],
    indirect=["open_page"],
    ids=lambda value: (
        {PHONE["width"]: "phone", DESK["width"]: "desk"}[value["width"]] if value in (PHONE, DESK) else value
    ),
)


def check() -> None:
    """Go on only if Playwright can start, and there is a browser that it can drive."""
    missing = [] if find_library("atomic") else ["libatomic1"]  # its Node.js is linked with that
    missing += [] if any(map(shutil.which, CHROMIUMS)) else [CHROMIUMS[0]]
    if missing:
        need.lacks(need.install(*missing))


class Browsers:
    """Those that are running."""

    def __init__(self, playwright: Playwright, directory: Path) -> None:
        self.playwright, self.directory = playwright, directory
        self.running: dict[tuple[str, str], Browser] = {}

    def start(self, name: str, scheme: str) -> Browser:
        """The browser of this name. Firefox has one colour scheme for all its pages."""
        key = (name, scheme if name == FIREFOX else "")
        if key not in self.running:
            self.running[key] = self.start_firefox(scheme) if name == FIREFOX else self.start_chromium()
        return self.running[key]

    def start_chromium(self) -> Browser:
        path = next(filter(None, map(shutil.which, CHROMIUMS)))
        return self.playwright.chromium.launch(executable_path=path, args=QUIET)

    def start_firefox(self, scheme: str) -> Browser:
        need.program(firefox.PROGRAM)
        program = self.directory / "firefox"
        program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, firefox.__file__])} "$@"\n')
        program.chmod(0o700)
        preferences = firefox.DARK if scheme == "dark" else firefox.LIGHT
        return self.playwright.firefox.launch(
            executable_path=program,
            channel="moz-firefox",
            firefox_user_prefs=preferences,  # type: ignore[arg-type]
        )

    def close(self) -> None:
        for browser in self.running.values():
            browser.close()
