"""By keyboard alone, in the reader's own zone, on paper, with forced colours and without motion."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from tests.browser.browsers import both_browsers, everywhere
from tests.browser.conftest import Open
from tests.browser.looks import PHONE, must_look_right
from tests.browser.test_pages import focused, make, with_and_without_javascript
from tests.integration.admin.runs import lead, run

CLIPBOARD = ["clipboard-read", "clipboard-write"]
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def three(service: Service) -> Service:
    """Three schedules, of which the second fails."""
    lead(service)
    for name in ("alpha", "beta", "gamma"):
        make(service, name, tags=["letters"], timezone="America/New_York")
    run(service, "beta", clock() - timedelta(minutes=3), "failed", result="ValueError: no paper", reason="error")
    return service


def press(page: Page, *keys: str) -> None:
    page.wait_for_load_state()  # before that, nothing listens
    for key in keys:
        page.keyboard.press(key)


@both_browsers
def test_ten_common_tasks_need_no_mouse(open_page: Open, three: Service) -> None:
    page = open_page()
    press(page, "/")
    page.keyboard.type("letters nj")  # keys are text in a field
    expect(page.get_by_label("Search")).to_have_value("letters nj")
    page.get_by_label("Search").fill("alpha")
    press(page, "Enter")
    expect(page.get_by_label("Search")).not_to_be_focused()  # with Enter, what it finds is a page of its own
    press(page, "j", "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("alpha")
    press(page, "p")
    page.keyboard.type("printer is away")
    press(page, "Enter")
    expect(page.get_by_text("Paused until resumed.")).to_be_visible()
    press(page, "p", "Enter")
    expect(page.get_by_text("Resumed. Next run:")).to_be_visible()
    press(page, "r", "Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Manual run, ")
    press(page, "g", "s")
    page.wait_for_url("**/schedules")
    press(page, "j", "j", "j", "k", "e")
    page.wait_for_url("**/schedules/alpha/edit")
    press(page, "g", "r")
    page.wait_for_url("**/runs?**")
    press(page, "j")
    expect(focused(page)).to_have_text("beta")
    press(page, "g", "s")
    page.wait_for_url("**/schedules")
    press(page, "j", "x")
    expect(page.get_by_role("checkbox", name="beta")).to_be_checked()
    page.get_by_role("button", name="Pause…").press("Enter")
    page.get_by_role("button", name="Pause 1 schedule").press("Enter")
    expect(page.get_by_text("Paused 1 schedule.")).to_be_visible()
    press(page, "g", "a")
    page.wait_for_url("**/audit")
    page.get_by_role("button", name=re.compile("Undo")).first.press("Enter")
    expect(page.get_by_text("Undone:")).to_be_visible()
    press(page, "g", "h")
    page.wait_for_url("**/health")
    press(page, "g", "t")
    page.wait_for_url("**/timeline")


def test_what_failed_last_night_and_is_well_again_is_two_taps_from_home_on_a_phone(
    open_page: Open, three: Service
) -> None:
    own = '  File "/srv/shop/reports.py", line 12, in build\n    total += row["amount"]'
    trace = f"Traceback (most recent call last):\n{own}\nKeyError: 'amount'"
    failed = {"result": "KeyError: 'amount'", "traceback": trace, "reason": "error"}
    run(three, "gamma", clock() - timedelta(minutes=40), "failed", **failed)
    run(three, "gamma", clock() - timedelta(minutes=20))
    page = open_page(viewport=PHONE, has_touch=True)
    page.get_by_role("link", name="Runs", exact=True).tap()
    page.get_by_role("row", name="gamma").get_by_role("link").first.tap()
    expect(page.get_by_text("KeyError: 'amount'").first).to_be_in_viewport()
    expect(page.get_by_text('total += row["amount"]')).to_be_in_viewport()


def test_a_key_in_the_row_of_a_run_means_its_schedule(open_page: Open, three: Service) -> None:
    page = open_page("/schedules/beta")
    press(page, "j")
    expect(page.locator("#runs a:focus")).to_have_count(1)
    press(page, "e")
    page.wait_for_url("**/schedules/beta/edit")


def test_the_keys_are_listed_and_can_be_switched_off(open_page: Open, three: Service) -> None:
    page = open_page()
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "n")
    page.get_by_label("Use these keys").uncheck()
    press(page, "Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    press(page, "?", "n", "g", "h")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    assert page.url.endswith("/schedules")
    page.get_by_role("button", name="Keys: ?").click()
    page.get_by_label("Use these keys").check()
    press(page, "Escape", "n")
    page.wait_for_url("**/schedules/new")
    press(page, "g", "h")
    page.wait_for_url("**/health")


def test_times_are_in_the_schedules_zone_in_utc_or_in_the_readers(open_page: Open, three: Service) -> None:
    page = open_page("/schedules/alpha", timezone_id="Asia/Tokyo", locale="en-GB")
    instant = page.locator("#glance time:not([data-relative])").first
    expect(instant).to_have_text(re.compile("E[SD]T$"))
    press(page, "t")
    expect(instant).to_have_text(re.compile("UTC$"))
    press(page, "t")
    expect(instant).to_have_text(re.compile(r"^\w{3} \d\d \w+ (\d{4} )?\d\d:\d\d(:\d\d)? (GMT\+9|JST)$"))
    page.reload()
    expect(instant).to_have_text(re.compile(r"(GMT\+9|JST)$"))
    expect(page.get_by_role("button", name="Times in my zone, Asia/Tokyo")).to_be_visible()
    changes.pause(three.store, "alpha", by="ann")
    expect(page.locator("#glance .chip")).to_have_text("paused")
    expect(page.locator("#upcoming")).to_contain_text("None")
    press(page, "t")
    changes.resume(three.store, "alpha", by="ann")
    expect(page.locator("#upcoming td").first).to_have_text(re.compile("E[SD]T"))


def test_where_times_are_in_utc_the_button_says_so_and_turns_them_into_the_readers(
    open_page: Open, three: Service
) -> None:
    page = open_page("/runs", timezone_id="Asia/Tokyo", locale="en-GB")
    due = page.locator("#runs tbody time").first
    button = page.get_by_role("contentinfo").get_by_role("button", name="Times in")
    for zone, words in (("UTC", "UTC$"), ("my zone, Asia/Tokyo", r"(GMT\+9|JST)$"), ("UTC", "UTC$")):
        expect(button).to_have_text(f"Times in {zone}")
        expect(due).to_have_text(re.compile(words))
        button.click()
    expect(page.locator("#runs caption")).to_have_text("1 run, newest first")
    page.goto("/schedules/beta")
    expect(button).to_have_text("Times in my zone, Asia/Tokyo")
    press(page, "t", "t")
    page.reload()
    expect(button).to_have_text("Times in UTC")
    page.goto("/runs")
    button.click()
    expect(due).to_have_text(re.compile(r"(GMT\+9|JST)$"))


@with_and_without_javascript
def test_a_schedule_is_copied_as_yaml_and_without_scripts_it_can_be_selected(
    open_page: Open, three: Service, javascript: bool
) -> None:
    page = open_page("/schedules/alpha", java_script_enabled=javascript, permissions=CLIPBOARD)
    page.get_by_text("More", exact=True).click()
    page.get_by_text("As YAML").click()
    text = page.get_by_role("region", name="As YAML")
    expect(text).to_contain_text("alpha:")
    if javascript:
        page.locator("#yaml").get_by_role("button", name="Copy").click()
        expect(page.locator("#yaml").get_by_role("button")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == text.text_content()
    else:
        expect(page.locator("#yaml").get_by_role("button")).to_be_hidden()


def test_on_paper_there_is_what_one_reads_and_nothing_to_press(open_page: Open, three: Service) -> None:
    page = open_page()
    page.emulate_media(media="print")
    for selector in (".top", ".bar", ".search", ".foot"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.get_by_role("link", name="alpha", exact=True)).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_states_keep_their_shapes_with_forced_colours_and_nothing_moves_where_motion_is_unwanted(
    open_page: Open, three: Service
) -> None:
    run(three, "gamma", clock(), "running")
    page = open_page(forced_colors="active", reduced_motion="reduce")
    chip = page.get_by_role("row", name="gamma").locator(".chip")
    expect(chip).to_have_text("running")
    assert chip.evaluate("it => getComputedStyle(it).borderTopWidth") == "1px"
    assert chip.evaluate("it => getComputedStyle(it, '::before').animationName") == "none"
    page.emulate_media(reduced_motion="no-preference")
    assert chip.evaluate("it => getComputedStyle(it, '::before').animationName") == "breathe"


def test_how_the_last_runs_ended_is_told_in_words_and_by_shapes_also_with_forced_colours_and_no_script(
    open_page: Open, three: Service
) -> None:
    run(three, "beta", clock() - timedelta(minutes=2), "running")
    page = open_page(forced_colors="active", java_script_enabled=False)
    strip = page.get_by_role("row", name="beta").get_by_role(
        "link", name="2 runs, the oldest first: 1 failed, 1 running"
    )
    cross, wave = (strip.locator(f"path.{tone}") for tone in ("bad", "busy"))
    assert cross.get_attribute("d") != wave.get_attribute("d")
    strip.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs of beta")


@everywhere
def test_dialog_schedule_run_and_forms_fit_and_axe_finds_nothing(
    open_page: Open, three: Service, size: dict[str, int], scheme: str
) -> None:
    page = open_page(viewport=size, color_scheme=scheme)
    page.get_by_role("button", name="Keys: ?").click()
    must_look_right(page, "keys", size, scheme, at="Schedules")
    page.goto("/schedules/beta")
    must_look_right(page, "schedule-failing", size, scheme, at="^beta$")
    page.get_by_role("link", name=re.compile("Open the run of")).click()
    must_look_right(page, "run-failed", size, scheme, at="^Run, ")
    page.get_by_role("link", name="Run again with…").click()
    must_look_right(page, "run-with", size, scheme, at="Run beta with other arguments")
    page.goto("/schedules/beta/backfill?from=2026-01-01T00:00&to=2026-01-01T03:00")
    must_look_right(page, "backfill", size, scheme, at="Run past due instants of beta")
