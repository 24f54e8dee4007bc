"""Every other page, also with errors, refusals and conflicts: each fits at both widths, and axe finds nothing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from tests.browser.conftest import Open
from tests.browser.looks import must_look_right_everywhere
from tests.browser.test_pages import make, nightly
from tests.integration.admin.runs import lead, run
from tests.support.outputs import printed

__all__ = ["nightly"]
pytestmark = pytest.mark.xdist_group("browser")


def test_login_fits_and_axe_finds_nothing_also_after_a_wrong_password(open_page: Open, service: Service) -> None:
    page = open_page("/login", log_in=False, answers=401)
    must_look_right_everywhere(page, "login", at="^Scheduler$")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    must_look_right_everywhere(page, "login-wrong", at="^Scheduler$")


def test_a_new_schedule_fits_and_axe_finds_nothing_also_with_errors(open_page: Open, service: Service) -> None:
    lead(service)
    page = open_page("/schedules/new")
    must_look_right_everywhere(page, "new", at="New schedule")
    page.get_by_label("Name", exact=True).fill("beta")
    page.get_by_label("Task", exact=True).fill("no.such.task")
    page.get_by_label("Timing").fill("90")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.get_by_role("alert")).to_contain_text("correct these errors")
    must_look_right_everywhere(page, "new-wrong", at="New schedule")


def test_an_edit_fits_and_axe_finds_nothing_with_its_preview_and_with_errors(open_page: Open, service: Service) -> None:
    lead(service)
    make(service, "alpha", tags=["letters"], timezone="America/New_York")
    page = open_page("/schedules/alpha/edit")
    page.get_by_label("Timing").fill("every weekday at 9")
    expect(page.locator("#preview")).to_contain_text("At 09:00 on weekdays")
    must_look_right_everywhere(page, "edit", at="Edit alpha")
    page.get_by_label("Timing").fill("90")
    page.locator("summary", has_text="Failures").click()
    page.get_by_label("retries", exact=True).fill("many")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("correct these errors")
    must_look_right_everywhere(page, "edit-wrong", at="Edit alpha")


def test_two_who_change_the_same_fields_get_a_choice_that_fits_and_axe_finds_nothing(
    open_page: Open, service: Service, nightly: Entry
) -> None:
    page = open_page("/schedules/nightly/edit")
    theirs = nightly.fields | {"cron": "0 4 * * *", "description": "d" * 200, "tags": ["night"]}
    changes.edit(service.store, "nightly", theirs, tasks=service.tasks, by="ann")
    page.get_by_label("Timing").fill("5m")
    page.get_by_label("Description").fill("mine")
    page.get_by_label("Tags").fill("mine")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("ann changed this schedule")
    expect(page.get_by_role("group", name="You both changed this.")).to_have_count(3)
    must_look_right_everywhere(page, "edit-conflict", at="Edit nightly")
    for field, choice in (("timing", "Yours"), ("description", "Stored now"), ("tags", "Stored now")):
        page.locator(f"#take-{field}").get_by_label(choice).check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    fields = service.store.get("nightly").fields
    assert (fields["every"], fields["description"], fields["tags"]) == ("5m", "d" * 200, ["night"])


def test_a_refused_run_fits_and_axe_finds_nothing(open_page: Open, service: Service, nightly: Entry) -> None:
    run(service, "nightly", clock(), "running")
    page = open_page("/schedules/nightly")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("alert").get_by_role("link", name="Stop it…")).to_be_visible()
    must_look_right_everywhere(page, "run-refused", at="^nightly$")


def test_the_audit_log_and_a_pause_fit_and_axe_finds_nothing(open_page: Open, service: Service) -> None:
    lead(service)
    make(service, "alpha", tags=["letters"])
    changes.pause(service.store, "alpha", by="ann", note="n" * 200, until=clock() + timedelta(hours=2))
    page = open_page("/audit")
    expect(page.get_by_role("row").filter(has_text="pause")).to_be_visible()
    must_look_right_everywhere(page, "audit", at="Audit log")
    page.goto("/schedules/alpha")
    page.get_by_text("Change the pause").click()
    page.get_by_label("Until").fill("2020-01-01T08:00")
    page.get_by_role("button", name="Replace the pause").click()
    expect(page.locator("#until-wrong-1")).to_contain_text("is in the past")
    must_look_right_everywhere(page, "paused", at="alpha")


def test_a_run_with_long_output_fits_and_axe_finds_nothing(open_page: Open, service: Service) -> None:
    lead(service)
    make(service, "alpha")
    identity = run(service, "alpha", clock() - timedelta(minutes=3), result="30")
    lines = b"copied 3 files from a directory with a long name\n" * 20_000
    printed(service.ledger, identity, lines + b"x" * 4_000)
    page = open_page(f"/schedules/alpha/runs/{identity}")
    output = page.get_by_role("region", name="Output of attempt 1")
    expect(output).to_contain_text("copied 3 files")
    expect(output).to_contain_text(re.compile("left out"))
    must_look_right_everywhere(page, "run-output", at="^Run, ")


def test_sessions_fit_and_axe_finds_nothing(open_page: Open, service: Service) -> None:
    open_page(user_agent="An agent with a long name/1.0 (which says much about itself) " * 5)
    page = open_page("/sessions")
    expect(page.get_by_role("row")).to_have_count(3)
    must_look_right_everywhere(page, "sessions", at="Sessions")


def test_what_is_written_to_the_file_fits_and_axe_finds_nothing(
    open_page: Open, service: Service, nightly: Entry
) -> None:
    fields = nightly.fields | {"args": [5, 6], "description": "A long sentence " * 20}
    changes.edit(service.store, "nightly", fields, tasks=service.tasks, by="admin", why="for today")
    page = open_page("/schedules/nightly/file")
    expect(page.get_by_role("button", name="Write to file")).to_be_visible()
    must_look_right_everywhere(page, "file", at="Write nightly to the file")
    page.goto("/schedules/nightly")
    must_look_right_everywhere(page, "schedule-overlaid", at="^nightly$")
