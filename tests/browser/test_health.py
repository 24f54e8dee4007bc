"""The health of the service: its page, and its state on every other page. SCREENSHOT=directory keeps the pictures."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage import workers
from tests.browser.browsers import everywhere
from tests.browser.conftest import Open
from tests.browser.looks import DESK, PHONE, both_widths, must_look_right
from tests.integration.admin.runs import lead, run, set_aside
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("browser")
LONG = "settle-the-accounts-of-every-customer-in-every-currency-before-the-bank-opens-in-tokyo"
FILE = f"""
schedules:
  nightly-report: {{task: scheduler.tasks.log_it, cron: '30 2 * * *', args: [10, 20], queue: reports, tags: [reports]}}
  {LONG}: {{task: scheduler.tasks.log_it, every: 5m, args: [1, 2], queue: reports}}
  clean-up: {{task: scheduler.tasks.log_it, every: 10m, args: [1, 2]}}
  thumbnails: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2], queue: gpu}}
"""
#: A screen reader speaks what changes below the element that has aria-live, if that element itself stays.
NOTE_WHAT_IS_SPOKEN = """() => {
  window.spoken = [];
  const pill = document.querySelector("#pill");
  new MutationObserver(() => spoken.push(pill.innerText)).observe(pill, {childList: true, subtree: true});
}"""


@pytest.fixture
def bad_night(service: Service) -> Service:
    """Two schedules fail, one is quarantined, one waits in a queue that no worker takes from; a worker is silent."""
    store, now = service.store, time.time()
    service.settings.file.write_text(FILE, encoding="utf-8")
    lead(service)
    store.client.hset(store.keys.leader, mapping={"name": "web1:4711", "since": now - 3 * 86_400, "version": "1.0"})
    store.client.zadd(store.keys.standbys, {"web2:99": now + 3600})
    changes.load_for_beat(store, FileWatch(service.settings.file), service.tasks, "leader")
    live = workers.Worker("celery@web1", now + 3600, 2.0, ("celery", "reports"), slots=8, busy=3, version="1.0")
    gone = workers.Worker("reports@worker-with-a-long-name-2.example.com", now - 600, 2.0, ("reports",), slots=4)
    for worker in (live, gone):
        workers.report(store.client, store.keys, worker)
    error = {"result": "KeyError: 'amount'", "reason": "error"}
    for minutes in (200, 140, 80):
        run(service, "nightly-report", clock() - timedelta(minutes=minutes), "failed", **error)
    run(service, LONG, clock() - timedelta(minutes=9), "failed", result="E" * 300, reason="error")
    run(service, "clean-up", clock() - timedelta(minutes=9), result="30")
    set_aside(service, "clean-up", "it has no task")
    store.client.zadd(store.keys.sent("gpu"), {"thumbnails@2026-11-29T10:00:00Z": now - 900})
    store.client.sadd(store.keys.queues, "gpu")
    return service


@everywhere
def test_the_health_page_says_what_is_wrong_since_when_and_what_to_do(
    open_page: Open, bad_night: Service, size: dict[str, int], scheme: str
) -> None:
    page = open_page("/health", viewport=size, color_scheme=scheme)
    problems = page.get_by_role("region", name="Needs attention").get_by_role("listitem")
    stuck = problems.filter(has_text="No worker takes from queue 'gpu'")
    expect(stuck).to_contain_text("15 min ago")
    expect(stuck).to_contain_text("Start a worker for it, with -Q gpu.")
    silent = page.get_by_role("row", name="reports on worker-with-a-long-name-2.example.com")
    expect(silent).to_contain_text("silent")
    expect(page.get_by_role("row", name="gpu")).to_contain_text("no worker")
    must_look_right(page, "health", size, scheme, at="Health")
    problems.get_by_role("link", name="Open nightly-report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly-report")


@both_widths
def test_every_page_says_how_the_service_is_and_leads_to_why(
    open_page: Open, bad_night: Service, size: dict[str, int]
) -> None:
    page = open_page("/audit", viewport=size, java_script_enabled=size == DESK)
    pill = page.get_by_role("link", name="Service: 1 quarantined · 2 failing · 1 stuck")

    def is_told() -> bool:
        """The page keeps what it read for a second: at first, that may be from before this test."""
        page.reload()
        return pill.count() == 1

    until(is_told, 30, "the page has read the state of this service")
    for path in ("/audit", "/schedules/nightly-report", "/schedules/new", "/schedules?state=new", "/nothing"):
        page.goto(path)
        expect(pill).to_be_in_viewport(ratio=1)
        assert page.title().startswith("(6) ")
    pill.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Health")


def test_an_open_page_tells_that_beat_ended(open_page: Open, bad_night: Service) -> None:
    page = open_page("/schedules/nightly-report", viewport=PHONE)
    bad_night.store.client.delete(bad_night.store.keys.lock)
    expect(page.get_by_role("link", name="Service: No beat leads")).to_be_in_viewport(ratio=1)


def test_a_screen_reader_speaks_the_state_of_the_service_when_it_changes_and_only_then(
    open_page: Open, bad_night: Service
) -> None:
    page = open_page("/schedules/nightly-report")
    pill = page.locator("#pill[aria-live=polite][aria-atomic=true]")
    expect(pill).to_contain_text("2 failing")
    page.evaluate(NOTE_WHAT_IS_SPOKEN)
    error = {"result": "KeyError: 'amount'", "reason": "error"}
    run(bad_night, "nightly-report", clock() - timedelta(minutes=2), "failed", **error)
    expect(page.locator("#glance")).to_contain_text("4 in a row")  # a refresh of all but the pill
    assert page.evaluate("spoken.length") == 0
    run(bad_night, "thumbnails", clock() - timedelta(minutes=2), "failed", **error)
    expect(pill).to_contain_text("3 failing")
    spoken = page.evaluate("spoken")
    assert len(spoken) == 1, spoken
    assert "3 failing" in spoken[0]


def test_a_service_without_problems_says_so(open_page: Open, bad_night: Service) -> None:
    store = bad_night.store
    store.client.config_set("appendonly", "yes")
    store.client.delete(store.keys.failing, store.keys.quarantined, store.keys.queues)
    workers.leave(store.client, store.keys, "reports@worker-with-a-long-name-2.example.com")
    page = open_page("/health", viewport=DESK)
    expect(page.get_by_role("link", name="Service: All well")).to_be_visible()
    expect(page.get_by_text("No problems found")).to_be_visible()
    must_look_right(page, "health-well", DESK, "light", at="Health")
    store.client.config_set("appendonly", "no")


@everywhere
def test_what_failed_last_night_is_one_tap_away(
    open_page: Open, bad_night: Service, size: dict[str, int], scheme: str
) -> None:
    page = open_page("/health", viewport=size, color_scheme=scheme)
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Runs").click()
    rows = page.get_by_role("row").filter(has_text="KeyError: 'amount'")
    expect(rows).to_have_count(3)
    if size == DESK:
        assert all(row.bounding_box()["height"] <= 44 for row in page.get_by_role("row").all())  # type: ignore[index]
    must_look_right(page, "runs", size, scheme, at="Runs")
    page.get_by_role("link", name="all", exact=True).click()
    expect(page.get_by_role("row", name="clean-up")).to_be_visible()
    page.get_by_text("More filters").click()
    page.get_by_label("Schedule", exact=True).fill("nothing like it")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No runs match.")).to_be_visible()
    must_look_right(page, "runs-none", size, scheme, at="Runs")
