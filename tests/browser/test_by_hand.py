"""What people do most, by keyboard alone, also without JavaScript, and by touch on a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from scheduler.admin.service import Service
from scheduler.changes import clock
from tests.browser.browsers import both_browsers
from tests.browser.conftest import Open
from tests.browser.looks import PHONE
from tests.browser.test_pages import focused, with_and_without_javascript
from tests.browser.test_reach import press, three
from tests.integration.admin.runs import run

__all__ = ["three"]
FINGER_PX = 44
pytestmark = pytest.mark.xdist_group("browser")


def tab_to(page: Page, target: Locator, most: int = 25) -> None:
    """Move the focus with at most ``most`` Tabs; takes the link *Skip to content* if the page begins with it."""
    page.wait_for_load_state()
    for _ in range(most):
        press(page, "Tab")
        if page.evaluate("document.activeElement.innerText") == "Skip to content":
            press(page, "Enter")
        if target.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"{target} is not reached by {most} Tabs")


def use(page: Page, role: Literal["button", "link", "searchbox"], name: str, text: str = "") -> None:
    """Tab to it, type, and press Enter."""
    tab_to(page, page.get_by_role(role, name=name, exact=True).first)
    page.keyboard.type(text)
    press(page, "Enter")


def unfold(page: Page, title: str) -> None:
    """Open this block, and go to its first field."""
    tab_to(page, page.locator("summary", has_text=title))
    press(page, "Enter", "Tab")


@with_and_without_javascript
def test_the_first_schedule_is_reached_by_five_keys(open_page: Open, three: Service, javascript: bool) -> None:
    page = open_page(java_script_enabled=javascript)
    press(page, "Tab", "Tab")
    expect(focused(page)).to_have_text("Skip to the schedules")
    press(page, "Enter", "Tab", "Tab")
    expect(focused(page)).to_have_text("beta")


def test_a_schedule_is_found_paused_resumed_skipped_edited_and_that_undone_with_neither_mouse_nor_javascript(
    open_page: Open, three: Service
) -> None:
    page = open_page(java_script_enabled=False)
    use(page, "searchbox", "Search", "alpha")
    page.wait_for_url("**/schedules?q=alpha**")
    use(page, "link", "alpha")
    expect(page.get_by_role("heading", level=1)).to_have_text("alpha")
    unfold(page, "Pause")
    page.keyboard.type("printer is away")
    press(page, "Enter")
    expect(page.get_by_text("printer is away")).to_be_visible()
    use(page, "button", "Resume")
    expect(page.get_by_text("Resumed. Next run:")).to_be_visible()
    unfold(page, "Skip next run")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="will be skipped")).to_be_visible()
    use(page, "link", "Edit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit alpha")
    tab_to(page, page.get_by_label("Description"))
    page.keyboard.type("It prints")
    tab_to(page, page.get_by_role("button", name="Save", exact=True))
    press(page, "Enter")
    expect(page.get_by_text("Saved. Next run:")).to_be_visible()
    assert three.store.get("alpha").fields["description"] == "It prints"
    use(page, "link", "Change history")
    expect(page.get_by_role("heading", level=1)).to_have_text("Change history of alpha")
    tab_to(page, page.get_by_role("button", name="Undo edit of alpha"))
    press(page, "Enter")
    expect(page.get_by_text("Undone: alpha has its earlier values again")).to_be_visible()
    assert "description" not in three.store.get("alpha").fields


def test_runs_are_started_stopped_and_retried_with_neither_mouse_nor_javascript(
    open_page: Open, three: Service
) -> None:
    page = open_page("/schedules/alpha", java_script_enabled=False)
    use(page, "button", "Run now")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Manual run, ")
    use(page, "button", "Stop")
    expect(page.locator("main .chip").first).to_have_text("stopped")
    page.goto("/runs")
    use(page, "link", "beta")
    expect(page.get_by_role("heading", level=1)).to_have_text("beta")
    use(page, "button", "Retry")
    expect(page.locator("main .chip").first).to_have_text("queued")
    assert three.ledger.runs("beta")[0].by == "admin"


@both_browsers
def test_a_run_is_stopped_and_another_retried_by_keyboard_alone(open_page: Open, three: Service) -> None:
    running = run(three, "alpha", clock(), "running")
    page = open_page()
    press(page, "/")
    page.keyboard.type("alpha")
    press(page, "Enter")
    expect(page.get_by_label("Search")).not_to_be_focused()  # with Enter, what it finds is a page of its own
    press(page, "j", "Enter")
    page.wait_for_url("**/schedules/alpha")
    press(page, "j", "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run, ")
    use(page, "link", "Stop…")
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop this run of alpha?")
    use(page, "button", "Stop alpha")
    expect(page.get_by_text("It is being stopped")).to_be_visible()
    assert three.ledger.stops([running]) == {running: "stopped by admin"}
    press(page, "g", "r")
    page.wait_for_url("**/runs?**")
    press(page, "j", "Enter")
    expect(page.get_by_text("ValueError: no paper").first).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Retry", exact=True))
    press(page, "Enter")
    expect(page.locator("main .chip").first).to_have_text("queued")
    [again] = three.ledger.runs("beta")
    assert (again.outcome, again.by) == ("queued", "admin")


def test_a_run_is_stopped_and_another_retried_by_touch_on_a_phone(open_page: Open, three: Service) -> None:
    running = run(three, "alpha", clock(), "running")
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    page.get_by_role("link", name="alpha", exact=True).tap()
    page.get_by_role("row", name="running").get_by_role("link").tap()
    tap(page.get_by_role("link", name="Stop…"))
    tap(page.get_by_role("button", name="Stop alpha"))
    expect(page.get_by_text("It is being stopped")).to_be_visible()
    assert three.ledger.stops([running]) == {running: "stopped by admin"}
    page.get_by_role("link", name="Runs", exact=True).tap()
    page.get_by_role("row", name="beta").get_by_role("link").first.tap()
    tap(page.get_by_role("button", name="Retry", exact=True))
    expect(page.locator("main .chip").first).to_have_text("queued")
    assert three.ledger.runs("beta")[0].by == "admin"


def tap(target: Locator) -> None:
    """Tap what is on the first screen and large enough for a finger."""
    expect(target).to_be_in_viewport(ratio=1)
    box = target.bounding_box()
    assert box
    assert box["height"] >= FINGER_PX
    target.tap()
