"""What a person sees and does, in a real browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from scheduler.sending.headers import task_id
from tests.browser.browsers import both_browsers, with_and_without_javascript_and_in_firefox
from tests.browser.conftest import PASSWORD, Open, Site
from tests.integration.admin.runs import lead, run
from tests.support.outputs import printed

PHONE = {"width": 360, "height": 740}
with_and_without_javascript = pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
pytestmark = [
    pytest.mark.xdist_group("browser"),
    # Celery's Redis backend still calls what redis-py has renamed.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


@pytest.fixture
def nightly(service: Service) -> Entry:
    service.settings.file.write_text(
        "schedules: {nightly: {task: scheduler.tasks.log_it, cron: '30 2 * * *', args: [10, 20], tags: [reports]}}"
    )
    lead(service)
    changes.apply(service.store, changes.check(service.settings.file, service.tasks), by="file", allow_remove=True)
    return service.store.get("nightly")


def make(service: Service, name: str, **fields: object) -> Entry:
    given = {"task": "scheduler.tasks.log_it", "args": [1, 2], "every": "1h"} | fields
    return changes.create(service.store, name, given, tasks=service.tasks, by="admin")


@with_and_without_javascript
def test_the_list_shows_each_schedule(open_page: Open, nightly: Entry, javascript: bool) -> None:
    page = open_page(java_script_enabled=javascript)
    row = page.get_by_role("row", name="nightly")
    expect(row).to_contain_text("At 02:30 every day")
    expect(row).to_contain_text("new")
    expect(page.get_by_role("contentinfo").get_by_role("button")).to_have_count(2 if javascript else 0)
    row.get_by_role("link", name="nightly").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly")


@with_and_without_javascript_and_in_firefox
def test_an_edit_through_the_form_governs(open_page: Open, service: Service, nightly: Entry, javascript: bool) -> None:
    page = open_page("/schedules/nightly", java_script_enabled=javascript)
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Timing").fill("90")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Not saved: correct these errors")
    expect(page.get_by_label("Timing")).to_have_value("90")
    expect(page.locator("#timing-wrong-1")).to_be_visible()
    page.get_by_label("Timing").fill("90m")
    page.get_by_label("Reason").fill("twice as often")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    assert service.store.get("nightly").fields["every"] == "90m"
    page.get_by_role("button", name=re.compile(r"Revert\s+every\s+to file")).click()
    expect(page.get_by_text("Reverted to the file")).to_be_visible()
    assert service.store.get("nightly").fields == nightly.fields


@with_and_without_javascript_and_in_firefox
def test_the_form_shows_what_it_would_do_and_saves_nothing(
    open_page: Open, service: Service, nightly: Entry, javascript: bool
) -> None:
    page = open_page("/schedules/nightly/edit", java_script_enabled=javascript, timezone_id="Asia/Tokyo")
    page.get_by_label("Timing").fill("every weekday at 9")
    if not javascript:
        page.get_by_role("button", name="Check").first.click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("At 09:00 on weekdays")
    expect(preview.get_by_role("columnheader")).to_have_count(2 if javascript else 1)
    expect(preview).to_contain_text('+    cron: "0 9 * * 1-5"')
    expect(page.get_by_label("Timing")).to_have_value("every weekday at 9")
    assert service.store.get("nightly") == nightly


@with_and_without_javascript_and_in_firefox
def test_a_schedule_of_a_task_whose_arguments_were_forgotten_is_made_without_its_source(
    open_page: Open, service: Service, javascript: bool
) -> None:
    lead(service)
    page = open_page("/schedules/new", java_script_enabled=javascript)
    page.get_by_label("Name", exact=True).fill("sums")
    page.get_by_label("Task", exact=True).fill("scheduler.tasks.log_it")
    page.get_by_label("Timing").fill("every weekday at 9")
    if not javascript:
        page.get_by_role("button", name="Check").first.click()
    preview = page.locator("#preview")
    expect(preview).to_contain_text("log_it(a: float, b: float) -> float")
    expect(preview).to_contain_text("Log the sum of two numbers and return it.")
    expect(preview).to_contain_text("Still needed: a, b.")
    page.get_by_role("button", name="Create schedule").click()
    page.get_by_role("alert").get_by_role("link", name="a is required").click()
    expect(page.get_by_label("a", exact=True)).to_be_focused()
    page.get_by_label("a", exact=True).fill("1.5")
    page.get_by_label("b", exact=True).fill("2")
    page.get_by_role("button", name="Create schedule").click()
    expect(page.get_by_role("status").first).to_contain_text("Created. First run:")
    assert service.store.get("sums").fields["kwargs"] == {"a": 1.5, "b": 2}


@with_and_without_javascript
def test_a_schedule_is_paused_and_resumed(open_page: Open, service: Service, nightly: Entry, javascript: bool) -> None:
    page = open_page("/schedules/nightly", java_script_enabled=javascript)
    page.locator("summary", has_text="Pause").click()
    page.get_by_role("textbox", name="Reason").fill("printer is away")
    page.get_by_label("Until").fill("2030-01-01T08:00")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="Paused by admin")).to_be_visible()
    expect(page.get_by_text("printer is away")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Resumed. Next run:")).to_be_visible()


def test_a_pause_that_ends_between_two_minutes_is_given_an_end_at_a_full_one(
    open_page: Open, service: Service, nightly: Entry
) -> None:
    changes.pause(service.store, "nightly", by="ann", until=datetime(2030, 1, 1, 8, 0, 31, tzinfo=UTC))
    page = open_page("/schedules/nightly")
    page.get_by_text("Change the pause").click()
    expect(page.get_by_label("Until")).to_have_value("2030-01-01T08:00:31")
    page.get_by_label("Until").fill("2030-01-02T09:00")
    page.get_by_role("button", name="Replace the pause").click()
    expect(page.get_by_text("Paused until Wed 02 Jan 2030 09:00 UTC.")).to_be_visible()


@with_and_without_javascript
def test_run_now_leads_to_the_run_and_follows_it(open_page: Open, service: Service, javascript: bool) -> None:
    make(service, "count", task="scheduler.tasks.count_to", args=[])
    page = open_page("/schedules/count", java_script_enabled=javascript)
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Manual run, ")
    expect(page.locator("main .chip")).to_have_text("queued")
    [sent] = service.ledger.runs("count")
    assert service.ledger.claim(sent, "worker@host:1", "token") == "claimed"
    meta = {"current": 3, "total": 12, "message": "Copied 3 of 12"}
    service.celery.backend.store_result(sent.task_id, meta, "PROGRESS")
    expect(page.get_by_role("progressbar", name="Copied 3 of 12")).to_be_visible()
    service.ledger.close(sent.id, "succeeded", token="token", result='{"counted": 12}')
    expect(page.locator("main .chip")).to_have_text("succeeded")
    expect(page.get_by_text('"counted": 12')).to_be_visible()


@both_browsers
def test_output_that_is_read_while_it_grows_keeps_its_place_and_follows_its_end(
    open_page: Open, service: Service
) -> None:
    make(service, "count", task="scheduler.tasks.count_to", args=[])
    identity = service.dispatcher.run_now(service.store.get("count"), "ann")
    assert service.ledger.claim(service.ledger.get(identity), "worker@host:1", "token") == "claimed"
    lines = [f"line {number}\n" for number in range(400)]
    printed(service.ledger, identity, "".join(lines[:200]).encode())
    page = open_page(f"/schedules/count/runs/{identity}")
    output = page.get_by_role("region", name="Output of attempt 1")
    output.focus()
    output.evaluate("it => { it.scrollTop = 300 }")
    printed(service.ledger, identity, "".join(lines[:300]).encode())
    expect(output).to_contain_text("line 299")
    expect(output).to_be_focused()
    assert output.evaluate("it => it.scrollTop") == 300
    output.evaluate("it => { it.scrollTop = it.scrollHeight }")
    printed(service.ledger, identity, "".join(lines).encode())
    expect(output).to_contain_text("line 399")
    assert output.evaluate("it => it.scrollHeight - it.clientHeight - it.scrollTop") < 2, "it shows the newest line"


@both_browsers
def test_the_list_stays_true_and_keeps_the_focus(open_page: Open, service: Service, nightly: Entry) -> None:
    page = open_page()
    link = page.get_by_role("link", name="nightly", exact=True)
    link.focus()
    run(service, "nightly", clock() - timedelta(minutes=3), "failed", result="ValueError: no paper", reason="error")
    expect(page.get_by_text("ValueError: no paper", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="nightly", exact=True)).to_be_focused()


def test_typing_is_not_disturbed_by_a_refresh(open_page: Open, service: Service, nightly: Entry) -> None:
    page = open_page()
    page.get_by_label("Search").press_sequentially("nigh")
    make(service, "every-night")
    expect(page.get_by_role("link", name="every-night")).to_be_visible()
    expect(page.get_by_label("Search")).to_have_value("nigh")
    expect(page.get_by_label("Search")).to_be_focused()


def test_an_open_traceback_stays_open(open_page: Open, service: Service, nightly: Entry) -> None:
    failed = {"result": "ValueError: no paper", "traceback": "Traceback: line 3", "reason": "error"}
    run(service, "nightly", clock() - timedelta(minutes=9), "failed", **failed)
    page = open_page("/schedules/nightly")
    page.locator("summary", has_text="ValueError: no paper").click()
    expect(page.get_by_text("Traceback: line 3")).to_be_visible()
    run(service, "nightly", clock() - timedelta(minutes=3), "succeeded", result="42")
    expect(page.get_by_text("42", exact=True).first).to_be_visible()
    expect(page.get_by_text("Traceback: line 3")).to_be_visible()


def test_relative_times_count_by_themselves(open_page: Open, service: Service) -> None:
    make(service, "soon", every="1d")
    page = open_page("/schedules/soon")
    page.route("**/*", lambda route: route.abort())
    page.locator("main").evaluate(
        "main => main.querySelector('time[data-relative]').dateTime = new Date(Date.now() + 32500).toISOString()"
    )
    shown = page.locator("main time[data-relative]").first
    expect(shown).to_have_text(re.compile(r"^in 3\d s$"))
    expect(shown).to_have_text(re.compile(r"^in 2\d s$"))  # each second is shown too briefly to be waited for
    shown.evaluate("time => time.dateTime = new Date(Date.now() + 10500000).toISOString()")
    expect(shown).to_have_text("in 3 h")
    expect(page.locator("#connection")).to_have_text("Connection lost: this page may be out of date.")


def test_an_open_page_that_a_busy_server_refuses_says_so_and_waits_as_long_as_it_is_told(open_page: Open) -> None:
    page = open_page(answers=503)
    page.clock.install()
    page.goto("/runs")
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "60"})

    page.route("**/runs", refuse)
    page.clock.run_for(6_000)
    expect(page.locator("#connection")).to_have_text("The page is busy: it refreshes again in a moment.")
    page.clock.run_for(50_000)
    assert len(asked) == 1, "it asks every five seconds otherwise"
    with page.expect_response("**/runs"):
        page.clock.run_for(12_000)
    assert len(asked) == 2, "and it did not ask between"


def test_a_session_that_ends_leads_to_the_login(open_page: Open, nightly: Entry) -> None:
    page = open_page()
    page.context.clear_cookies()
    page.wait_for_url("**/login?next=/schedules")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="nightly")).to_be_visible()


def test_another_site_cannot_use_the_admins_browser(
    open_page: Open, site: Site, service: Service, nightly: Entry
) -> None:
    page = open_page()
    attack = f'<form method="post" action="{site.url}/schedules/nightly/pause"><button>Win a prize</button></form>'

    def evil(route: Route) -> None:
        route.fulfill(body=attack, content_type="text/html")

    page.route("http://evil.example/", evil)
    page.goto("http://evil.example/")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Forbidden")
    assert service.store.get("nightly") == nightly


def every_page(service: Service) -> list[str]:
    """An address of each kind of page, with long words in it."""
    make(service, "x" * 100, description="long " * 100, tags=["t" * 40], kwargs={}, cron="0 0 29 2 *", every=None)
    failed = {"result": "E" * 300, "traceback": "Trace " * 200, "reason": "error"}
    identity = run(service, "x" * 100, clock() - timedelta(minutes=3), "failed", **failed)
    make(service, "count", task="scheduler.tasks.count_to", args=[])
    running = run(service, "count", clock(), "running")
    meta = {"current": 1, "total": 3, "message": "m" * 200}
    service.celery.backend.store_result(task_id(running), meta, "PROGRESS")
    changes.pause(service.store, "count", by="admin", note="n" * 300)
    return [
        "/schedules",
        "/schedules?q=nothing",
        f"/schedules/{'x' * 100}",
        f"/schedules/{'x' * 100}/runs/{identity}",
        f"/schedules/count/runs/{running}",
        "/schedules/count",
        "/schedules/nightly/edit",
        "/schedules/nightly/run",
        "/schedules/nightly/backfill?from=2026-01-01T00:00&to=2026-01-02T00:00",
        "/schedules/new",
        "/audit",
        "/sessions",
        "/health",
        "/runs",
        "/timeline",
        "/timeline?tag=" + "t" * 40,
        "/timeline?minute=2028-02-29T00:00",
        "/nothing",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_breaks_no_policy(
    open_page: Open, service: Service, nightly: Entry, scheme: str
) -> None:
    changes.edit(service.store, "nightly", {"task": "scheduler.tasks.fail", "every": "2h"}, tasks=None, by="admin")
    page = open_page(viewport=PHONE, color_scheme=scheme)
    for path in every_page(service):
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, f"{path} is {wide} px too wide"
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.goto("/login")


@both_browsers
def test_the_keyboard_is_enough(open_page: Open, nightly: Entry) -> None:
    page = open_page("/schedules/nightly")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    top = (
        "Scheduler",
        "Schedules",
        "Runs",
        "Timeline",
        "Health",
        "Audit",
        re.compile("^Service: "),
        "admin",
        "Log out",
    )
    for name in (*top, "Schedules", "Run now"):
        page.keyboard.press("Tab")
        expect(focused(page)).to_have_text(name)
    outline = focused(page).evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid", "the focus is seen"


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def test_logging_out_ends_it(open_page: Open, nightly: Entry) -> None:
    page = open_page()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto("/schedules")
    page.wait_for_url("**/login?next=/schedules")
