"""How much of the list is seen at once, and what it costs to keep it open."""

from __future__ import annotations

import random
import re
import time

import pytest
from playwright.sync_api import Page, Response, expect

from scheduler import __version__, changes
from scheduler.admin.service import Service
from scheduler.storage.workers import Worker, report
from tests.browser.conftest import Open
from tests.browser.looks import DESK, PHONE
from tests.integration.admin.runs import lead
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
