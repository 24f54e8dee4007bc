"""What holds for every page at every size: it fits, and axe finds nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
both_widths = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])


FOUR = [(size, scheme) for size in (PHONE, DESK) for scheme in ("dark", "light")]


def must_look_right_everywhere(page: Page, name: str, *, at: str) -> None:
    """At both widths, in both schemes, without opening the page again."""
    for size, scheme in FOUR:
        page.set_viewport_size({"width": size["width"], "height": size["height"]})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        must_look_right(page, name, size, scheme, at=at)


def must_look_right(page: Page, name: str, size: dict[str, int], scheme: str, *, at: str) -> None:
    """Nothing scrolls sideways, and axe finds nothing. With SCREENSHOT=directory it keeps a picture.

    `at` is the page's first heading: a click returns while the browser still shows the page before,
    or between two pages, none at all.
    """
    expect(page.locator("h1")).to_have_text(re.compile(at))
    page.wait_for_load_state()
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    if (directory := Path(os.environ.get("SCREENSHOT", ""))).is_dir() and directory.name:
        page.screenshot(path=directory / f"{name}-{size['width']}-{scheme}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0, f"{name} is {wide} px too wide"
    page.evaluate("document.getElementById('zones')?.replaceChildren()")  # 600 hidden options cost axe a second
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
