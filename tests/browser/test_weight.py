"""How much of the list is seen at once, and what it costs to keep it open."""

from __future__ import annotations

import random
import re
import time
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Response, expect

from scheduler import __version__, changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.storage.workers import Worker, report
from tests.browser.conftest import Open
from tests.browser.looks import DESK, PHONE
from tests.integration.admin.runs import lead, run, set_aside
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("browser")
BAR_OF_PHONE = 48  #: px, at the bottom
ROWS = """bar => [...document.querySelectorAll(".list tbody tr")].map(row => row.getBoundingClientRect())
    .map(it => [it.height, it.bottom <= innerHeight - bar])"""


@pytest.fixture
def fifty(service: Service, appending: None) -> Service:
    """Fifty schedules of a service that is well, with long and short names."""
    lead(service)
    store = service.store
    for number in range(50):
        fields = {"task": "scheduler.tasks.log_it", "args": [1, 2], "cron": "30 2 * * mon-fri"}
        text = {"description": f"job {number} " + "of everybody " * (number % 9), "tags": ["etl", "reports"]}
        name = f"job-{number:02}" + "-that-settles-every-account" * (number % 3)
        changes.create(store, name, fields | text, tasks=service.tasks, by="admin")
    worker = Worker("celery@web1", time.time() + 3600, 60.0, ("celery",), tuple(service.tasks or ()), 4, 0, __version__)
    report(store.client, store.keys, worker)
    write_strips(service)
    return service


def write_strips(service: Service) -> None:
    """Twenty runs of each, as their ends wrote them: one of nine failed, one was skipped, and no two took as long."""
    chance = random.Random(7)
    with service.store.client.pipeline(transaction=False) as pipe:
        for name in service.store.names():
            lines = [
                f"2026-11-{day:02}T02:30:00Z {chance.choice('333333346')} {chance.randrange(90_000)}"
                for day in range(1, 21)
            ]
            pipe.hset(service.store.keys.ledger(name), ":recent", "\n".join(lines))
        pipe.execute()


@pytest.mark.parametrize(("size", "most_px", "least"), [(DESK, 44, 14), (PHONE, 96, 6)], ids=["desk", "phone"])
def test_fourteen_rows_at_a_desk_and_six_cards_on_a_phone_are_seen_without_scrolling(
    open_page: Open, fifty: Service, size: dict[str, int], most_px: int, least: int
) -> None:
    page = open_page(viewport=size)
    expect(page.get_by_text("All well")).to_be_visible()
    rows = page.evaluate(ROWS, BAR_OF_PHONE if size == PHONE else 0)
    assert max(height for height, _ in rows) <= most_px
    expect(
        page.get_by_role("img", name=re.compile("^20 runs, the oldest first: .*succeeded.*took at most"))
    ).to_have_count(50)
    assert sum(is_seen for _, is_seen in rows) >= least


@pytest.fixture
def bad_night(fifty: Service) -> Service:
    """Seven fail and one is quarantined; a worker is silent, a queue has none, and the file has three errors."""
    store, now = fifty.store, time.time()
    error = {"result": "ConnectionError: HTTPSConnectionPool(host='api.example.com') " * 3, "reason": "error"}
    for number in range(7):
        for minutes in (200, 140, 80):
            run(fifty, store.names()[3 * number], clock() - timedelta(minutes=minutes + number), "failed", **error)
    set_aside(fifty, store.names()[-1], "it has no task")
    wrong = (f"schedules.yaml:{line}:5: unknown key 'corn' — did you mean 'cron'?" for line in (12, 13, 14))
    store.note_file({"path": "schedules.yaml", "problems": "\n".join(wrong)})
    store.client.zadd(store.keys.sent("gpu"), {"job-02@2026-11-29T10:00:00Z": now - 900})
    store.client.sadd(store.keys.queues, "gpu")
    silent = Worker("reports@worker-with-a-long-name-2.example.com", now - 600, 2.0, ("reports",), slots=4)
    report(store.client, store.keys, silent)
    return fifty


@pytest.mark.parametrize(("size", "least"), [(DESK, 12), (PHONE, 4)], ids=["desk", "phone"])
def test_on_a_bad_night_the_worst_five_problems_and_the_schedules_that_fail_are_seen_without_scrolling(
    open_page: Open, bad_night: Service, size: dict[str, int], least: int
) -> None:
    page = open_page(viewport=size)
    attention = page.get_by_role("region", name="Needs attention")
    lines = attention.get_by_role("listitem").filter(visible=True)
    expect(lines).to_have_count(5)
    for line in lines.all():
        expect(line).to_be_in_viewport(ratio=1)
        expect(line.get_by_role("link")).to_have_count(1)
    for words in ("does not report", "queue 'gpu'", "schedules.yaml:12", "is quarantined", "is failing"):
        expect(lines.filter(has_text=words)).to_have_count(1)
    expect(attention.get_by_text("and 8 more")).to_be_in_viewport(ratio=1)
    rows = page.evaluate(ROWS, BAR_OF_PHONE if size == PHONE else 0)
    assert sum(is_seen for _, is_seen in rows) >= least
    for row in page.get_by_role("row").all()[1 : least + 1][:8]:
        expect(row.locator(".chip")).to_have_text(re.compile("quarantined|failing"))


def look(page: Page) -> Response:
    """The answer to the next look of the open page."""
    with page.expect_response("**/schedules") as answer:
        pass
    return answer.value


def test_an_open_list_costs_at_most_a_kilobyte_per_look_while_nothing_changes(open_page: Open, fifty: Service) -> None:
    page = open_page()
    first = look(page)
    assert first.request.sizes()["responseBodySize"] <= 8_000

    def is_light() -> bool:
        sizes = look(page).request.sizes()
        return sizes["responseHeadersSize"] + sizes["responseBodySize"] <= 1_000

    until(is_light, 60, "nothing has changed since the look before")
    changes.pause(fifty.store, "job-00", by="ann")
    expect(page.get_by_text("by ann")).to_be_visible()


def test_data_older_than_15_seconds_says_as_of_when_it_is_and_is_fresh_soon_after(
    open_page: Open, fifty: Service
) -> None:
    page = open_page()
    page.clock.install()
    page.reload()
    page.route("**/schedules", lambda route: route.abort())
    page.clock.fast_forward(40_000)
    pill = page.locator("#pill")
    expect(pill).to_have_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    changes.pause(fifty.store, "job-00", by="ann")
    page.unroute("**/schedules")
    page.clock.fast_forward(10_000)
    expect(page.get_by_text("by ann")).to_be_visible()
    expect(pill).to_have_text(re.compile("All well"))
