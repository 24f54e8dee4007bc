"""The runs of all schedules in a browser: the bars of the last day, and the filters above the list."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.storage.instants import from_seconds
from tests.browser.conftest import Open
from tests.browser.looks import PHONE, must_look_right
from tests.browser.test_pages import make
from tests.integration.admin.runs import lead, run

pytestmark = pytest.mark.xdist_group("browser")
LONG = "a-schedule-with-quite-a-long-name-that-settles-every-account-of-europe"


@pytest.mark.parametrize("is_scripted", [True, False], ids=["with JavaScript", "without"])
def test_a_click_on_a_bar_lists_its_quarter_of_an_hour_and_a_click_on_the_filter_lists_all_again(
    open_page: Open, service: Service, is_scripted: bool
) -> None:
    lead(service)
    make(service, "alpha", overlap="allow")
    due = from_seconds((clock() - timedelta(hours=5)).timestamp() // 900 * 900)
    for minutes in (0, 3, 20):
        run(service, "alpha", due + timedelta(minutes=minutes), "failed", result="no")
    page = open_page("/runs?last=24h", java_script_enabled=is_scripted)
    rows = page.locator("#runs tbody tr")
    expect(rows).to_have_count(3)
    page.locator(".over a").first.click()
    expect(rows).to_have_count(2)
    filters = page.get_by_role("navigation", name="Filters").get_by_role("link")
    expect(filters).to_have_count(2)
    filters.filter(has_text="Until").click()
    expect(rows).to_have_count(3)
    page.get_by_text("As a table").click()
    page.get_by_role("link", name="1 failed or lost").click()
    expect(rows).to_have_count(1)
    if is_scripted:
        page.keyboard.press("j")
        expect(rows.first.get_by_role("link", name="alpha")).to_be_focused()


def test_long_filters_and_the_table_of_the_day_fit_on_a_phone(open_page: Open, service: Service) -> None:
    lead(service)
    make(service, LONG)
    run(service, LONG, clock() - timedelta(hours=2), "failed", result="no")
    page = open_page(f"/runs?q={LONG}&task=log_it&reason=error", viewport=PHONE, color_scheme="dark")
    page.get_by_text("As a table").click()
    page.get_by_text("More filters").click()
    expect(page.get_by_role("img", name=re.compile("^The last 24 hours: 1 failed or lost"))).to_be_visible()
    must_look_right(page, "runs-narrowed", PHONE, "dark", at="Runs")


@pytest.mark.parametrize("is_scripted", [True, False], ids=["with JavaScript", "without"])
def test_the_time_and_the_outcome_that_are_chosen_are_in_sight_on_a_phone(
    open_page: Open, service: Service, is_scripted: bool
) -> None:
    page = open_page("/runs?last=7d&outcome=stopped", viewport=PHONE, java_script_enabled=is_scripted)
    for name, words in (("Time", "7 days"), ("Outcome", "stopped")):
        chosen = page.get_by_role("navigation", name=name, exact=True).locator("[aria-current]")
        expect(chosen).to_have_text(words)
        expect(chosen).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("is_scripted", [True, False], ids=["with JavaScript", "without"])
def test_a_running_run_is_stopped_after_a_page_that_says_what_happens_and_cancel_leads_back(
    open_page: Open, service: Service, is_scripted: bool
) -> None:
    lead(service)
    make(service, LONG)
    before = run(service, LONG, clock() - timedelta(minutes=9))
    identity = run(service, LONG, clock() - timedelta(minutes=1), "running")
    page = open_page(f"/schedules/{LONG}/runs/{before}", viewport=PHONE, java_script_enabled=is_scripted)
    page.get_by_role("link", name="Newer →").click()
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    page.get_by_role("link", name="Stop…").click()
    expect(page.get_by_role("listitem").filter(has_text="SoftTimeLimitExceeded")).to_be_visible()
    if is_scripted:
        must_look_right(page, "stop", PHONE, "light", at="Stop this run of")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Stop…").click()
    page.get_by_label("Reason").fill("wrong day")
    page.get_by_role("button", name=f"Stop {LONG}").click()
    expect(page.get_by_text("It is being stopped by admin: wrong day")).to_be_visible()
    assert service.ledger.stops([identity]) == {identity: "stopped by admin: wrong day"}
