"""Twelve schedules paused, a pile-up spread, and both undone, by clicks that are counted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from tests.browser.browsers import everywhere
from tests.browser.conftest import Open
from tests.browser.looks import must_look_right
from tests.browser.test_pages import make, with_and_without_javascript
from tests.integration.admin.runs import lead, run

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def forty(service: Service) -> Service:
    """Forty-one schedules of one tag and one minute, of which ann paused one, and others."""
    lead(service)
    for number in range(41):
        make(service, f"etl-{number:02}", every=None, cron="7 * * * *", tags=["etl"])
    make(service, "other")
    changes.pause(service.store, "etl-40", by="ann", note="a reason of her own")
    return service


class Steps:
    """What a person does with the mouse and the keyboard: each click and each field that is filled in is a step."""

    def __init__(self, page: Page) -> None:
        self.page, self.number = page, 0

    def click(self, role: Literal["link", "button", "checkbox"], name: str | re.Pattern[str], nth: int = 0) -> None:
        self.number += 1
        self.page.get_by_role(role, name=name).nth(nth).click()

    def fill(self, label: str, text: str) -> None:
        self.number += 1
        self.page.get_by_label(label).fill(text)

    def undo_all(self, number: int) -> None:
        """Everything that one act did is one line of the audit log, with one button."""
        self.click("link", "Audit")
        expect(self.page.get_by_role("row").filter(has_text=f"{number} schedules")).to_have_count(1)
        self.click("button", f"all {number}")
        expect(self.page.get_by_text(f"Undone: {number} schedules.")).to_be_visible()


@with_and_without_javascript
def test_all_of_a_tag_are_paused_until_six_in_six_steps_with_one_undo(
    open_page: Open, forty: Service, javascript: bool
) -> None:
    page = open_page(java_script_enabled=javascript)
    steps = Steps(page)
    steps.click("link", re.compile("^etl$"))
    steps.click("checkbox", "All 41 that match")
    steps.click("button", "Pause…")
    expect(page.get_by_text("'etl-40' is paused already by ann")).to_be_visible()
    steps.fill("Until", "2050-01-01T06:00")
    steps.fill("Reason", "The warehouse moves")
    steps.click("button", "Pause 40 schedules")
    expect(page.get_by_text("Paused 40 schedules.")).to_be_visible()
    assert steps.number <= 6
    ends = {it.pause.until for name, it in forty.store.all().items() if it.pause and name != "etl-40"}
    assert ends == {datetime(2050, 1, 1, 6, tzinfo=UTC).timestamp()}
    steps.undo_all(40)
    held = (name for name, it in forty.store.all().items() if it.pause and it.pause.until in (None, *ends))
    assert list(held) == ["etl-40"], "ann's own stays"


@with_and_without_javascript
def test_a_pile_up_is_seen_spread_and_undone_in_eight_steps(open_page: Open, forty: Service, javascript: bool) -> None:
    steps = Steps(open_page(java_script_enabled=javascript))
    steps.click("link", "Timeline")
    steps.click("link", "40 due", 2)
    steps.click("button", "Spread…")
    steps.click("button", "Spread 40 schedules")
    expect(steps.page.get_by_text("Spread 40 schedules.")).to_be_visible()
    assert forty.store.get("etl-00").fields["jitter"] == "10m"
    steps.undo_all(40)
    assert "jitter" not in forty.store.get("etl-00").fields
    assert steps.number <= 8


@with_and_without_javascript
def test_runs_are_chosen_and_sent_again_by_keyboard_while_newer_ones_come(
    open_page: Open, forty: Service, javascript: bool
) -> None:
    due = clock() - timedelta(minutes=5)
    bad = [run(forty, name, due, "failed") for name in ("etl-01", "etl-02", "etl-03")]
    page = open_page(java_script_enabled=javascript)
    page.goto("/runs")
    for name in ("etl-03", "etl-01"):
        page.get_by_role("checkbox", name=f"{name}, ").press("Space")
    run(forty, "other", due + timedelta(minutes=1))
    page.get_by_role("button", name="Retry…").press("Enter")
    page.get_by_label("Reason").fill("The disk is free")
    page.get_by_role("button", name="Retry 2 runs").press("Enter")
    expect(page.get_by_text("Sent again 2 runs.")).to_be_visible()
    assert [forty.ledger.get(it).outcome for it in bad] == ["queued", "failed", "queued"]


def test_what_is_chosen_stays_chosen_while_the_list_refreshes(open_page: Open, forty: Service) -> None:
    page = open_page()
    page.get_by_role("checkbox", name="etl-03").check()
    changes.pause(forty.store, "etl-05", by="ben")
    expect(page.get_by_text("by ben")).to_be_visible()
    expect(page.get_by_role("checkbox", name="etl-03")).to_be_checked()
    expect(page.get_by_role("checkbox", name="etl-04")).not_to_be_checked()


@everywhere
def test_list_timeline_and_dry_run_fit_and_axe_finds_nothing(
    open_page: Open, forty: Service, size: dict[str, int], scheme: str
) -> None:
    page = open_page(viewport=size, color_scheme=scheme)
    page.get_by_role("checkbox", name="etl-03").check()
    must_look_right(page, "schedules-chosen", size, scheme, at="Schedules")
    page.goto("/timeline")
    must_look_right(page, "timeline", size, scheme, at="Timeline")
    page.get_by_role("link", name="40 due").nth(2).click()
    must_look_right(page, "minute", size, scheme, at="^40 due at")
    page.get_by_role("button", name="Spread…").click()
    expect(page.get_by_role("heading", name="Spread 40 schedules?")).to_be_visible()
    must_look_right(page, "spread", size, scheme, at="Spread 40 schedules")
    run(forty, "other", clock() - timedelta(minutes=5), "failed", result="OSError: the disk is full")
    page.goto("/runs")
    page.get_by_role("checkbox", name="other, ").check()
    must_look_right(page, "runs-chosen", size, scheme, at="^Runs")
    page.get_by_role("button", name="Retry…").click()
    must_look_right(page, "retry", size, scheme, at="Retry 1 run")
