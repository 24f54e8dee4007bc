"""Login, forms, audit log, a pause and output: each fits at both widths, and axe finds nothing in either scheme."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from tests.browser.conftest import Open
from tests.browser.looks import DESK, PHONE, must_look_right
from tests.browser.test_pages import make
from tests.integration.admin.runs import lead, run
from tests.support.outputs import printed

pytestmark = pytest.mark.xdist_group("browser")


def look(page: Page, name: str, *, at: str) -> None:
    """At both widths, each in one of the schemes, without opening the page again."""
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    page.emulate_media(color_scheme="dark")
    must_look_right(page, name, PHONE, "dark", at=at)
    page.set_viewport_size({"width": DESK["width"], "height": DESK["height"]})
    page.emulate_media(color_scheme="light")
    must_look_right(page, name, DESK, "light", at=at)


def test_login_fits_and_axe_finds_nothing_also_after_a_wrong_password(open_page: Open, service: Service) -> None:
    page = open_page("/login", log_in=False, answers=401)
    look(page, "login", at="^Scheduler$")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look(page, "login-wrong", at="^Scheduler$")


def test_the_form_fits_and_axe_finds_nothing_with_its_preview_and_with_errors(
    open_page: Open, service: Service
) -> None:
    lead(service)
    page = open_page("/schedules/new")
    look(page, "new", at="New schedule")
    page.get_by_label("Name", exact=True).fill("beta")
    page.get_by_label("Task", exact=True).fill("no.such.task")
    page.get_by_label("Timing").fill("90")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.get_by_role("alert")).to_contain_text("correct these errors")
    look(page, "new-wrong", at="New schedule")
    make(service, "alpha", tags=["letters"], timezone="America/New_York")
    page.goto("/schedules/alpha/edit")
    page.get_by_label("Timing").fill("every weekday at 9")
    expect(page.locator("#preview")).to_contain_text("At 09:00 on weekdays")
    look(page, "edit", at="Edit alpha")


def test_the_audit_log_a_pause_and_a_run_with_output_fit_and_axe_finds_nothing(
    open_page: Open, service: Service
) -> None:
    lead(service)
    make(service, "alpha", tags=["letters"])
    identity = run(service, "alpha", clock() - timedelta(minutes=3), result="30")
    printed(service.ledger, identity, b"copied 3 files from a directory with a long name\n" * 40 + b"x" * 400)
    changes.pause(service.store, "alpha", by="ann", note="n" * 200, until=clock() + timedelta(hours=2))
    page = open_page("/audit")
    expect(page.get_by_role("row").filter(has_text="pause")).to_be_visible()
    look(page, "audit", at="Audit log")
    page.goto("/schedules/alpha")
    page.get_by_text("Change the pause").click()
    look(page, "paused", at="alpha")
    page.goto(f"/schedules/alpha/runs/{identity}")
    expect(page.get_by_role("region", name="Output of attempt 1")).to_contain_text("copied 3 files")
    look(page, "run-output", at="^Run, ")
