"""What someone else does to a schedule while its page is open."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes.pauses import Hindered
from tests.browser.browsers import both_browsers
from tests.browser.conftest import Open
from tests.browser.looks import both_widths, must_look_right
from tests.browser.test_pages import make
from tests.integration.admin.runs import lead

pytestmark = pytest.mark.xdist_group("browser")
ANY: Hindered = lambda held: ""  # noqa: E731


@pytest.fixture
def job(service: Service) -> Service:
    lead(service)
    make(service, "job", every="1d")
    return service


@both_browsers
def test_a_pause_shows_by_itself_above_a_form_that_keeps_what_is_typed_and_cannot_replace_it_unseen(
    open_page: Open, job: Service
) -> None:
    page = open_page("/schedules/job")
    page.locator("summary", has_text="Pause").click()
    page.locator("summary", has_text="Skip next run").click()
    page.locator("#skip-note").fill("no paper")
    note = page.locator("#note")
    note.press_sequentially("the printer")
    changes.pause(job.store, "job", by="ann", note="the disk is full")
    expect(page.get_by_role("heading", name=re.compile("^Paused by ann"))).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(note).to_be_focused()
    note.press_sequentially(" is away")
    expect(note).to_have_value("the printer is away")
    expect(page.locator("#skip-note")).to_have_value("no paper")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("'job' is paused already by ann")).to_be_visible()
    held = job.store.get("job").pause
    assert held is not None
    assert held.by == "ann"
    changes.pause(job.store, "job", by="bob", note="the disk burns", hindered=ANY)
    expect(page.get_by_role("heading", name=re.compile("^Paused by bob"))).to_be_visible()
    expect(note).to_have_value("the printer is away")  # the refused form is stored nowhere else


@both_browsers
def test_an_open_block_stays_open_and_the_focus_moves_on_when_its_button_disappears(
    open_page: Open, job: Service
) -> None:
    changes.pause(job.store, "job", by="ann", note="the disk is full")
    page = open_page("/schedules/job")
    page.locator("summary", has_text="More").click()
    page.locator("summary", has_text="Change the pause").click()
    page.get_by_role("button", name="Resume").focus()
    changes.resume(job.store, "job", by="bob")
    expect(page.get_by_role("heading", name=re.compile("^Paused by"))).to_have_count(0)
    summary = page.locator("summary", has_text=re.compile("^Pause$"))
    expect(summary).to_be_focused()
    expect(page.locator("#note")).to_be_visible()
    expect(page.locator("#note")).to_have_value("")
    expect(page.get_by_role("button", name="Duplicate")).to_be_visible()
    changes.skip(job.store, "job", by="ann", note="inventory")
    expect(page.get_by_role("heading", name=re.compile("will be skipped$"))).to_be_visible()
    expect(page.locator("summary", has_text="Skip next run")).to_have_count(0)
    expect(summary).to_be_focused()


@both_widths
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_pause_and_a_skip_that_came_while_the_page_was_open_fit_and_axe_finds_nothing(
    open_page: Open, job: Service, size: dict[str, int], scheme: str
) -> None:
    page = open_page("/schedules/job", viewport=size, color_scheme=scheme)
    page.locator("summary", has_text="Pause").click()
    changes.skip(job.store, "job", by="ann", note="inventory")
    changes.pause(job.store, "job", by="ann", note="the disk is full " * 9)
    expect(page.get_by_role("heading", name=re.compile("^Paused by ann"))).to_be_visible()
    must_look_right(page, "second-person", size, scheme, at="^job")
