"""Looking at one schedule."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
import time_machine

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry, Reason
from scheduler.sending.decide import Skip
from scheduler.timing import get_zone
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, set_aside, skip


def test_it_shows_the_definition_in_the_words_of_the_file(admin: Browser, nightly: Entry) -> None:
    page = text(admin.get("/schedules/nightly"))
    for words in (
        "task scheduler.tasks.log_it",
        "cron 30 2 * * *",
        "timezone America/New_York",
        "args [10, 20]",
        "queue reports",
        "overlap skip default",
        "kwargs {} default",
    ):
        assert words in page, words


def test_it_shows_the_next_five_runs_in_its_zone_and_in_utc(admin: Browser, nightly: Entry) -> None:
    page = Document(admin.get("/schedules/nightly").text)
    assert nightly.due is not None
    due = nightly.due
    local = due.astimezone(get_zone("America/New_York"))
    assert local.strftime("%a %d %b") + " 02:30 " + local.strftime("%Z") in page.text
    assert due.strftime("%a %d %b %H:%M UTC") in page.text
    assert len(admin.json("/schedules/nightly")["upcoming"]) == 5


def test_it_marks_the_days_on_which_clocks_change(admin: Browser, load: Callable[[str], None]) -> None:
    with time_machine.travel(datetime(2027, 3, 26, 12, tzinfo=UTC)):
        load("schedules: {daily: {task: scheduler.tasks.fail, cron: '0 5 * * *', timezone: Europe/Berlin}}")
        admin.log_in()
        page = text(admin.get("/schedules/daily"))
    assert "Sat 27 Mar 05:00 CET Sat 27 Mar 04:00 UTC" in page
    assert "Sun 28 Mar 05:00 CEST clocks go forward 60 min Sun 28 Mar 03:00 UTC" in page
    assert page.count("clocks go") == 1


def test_it_shows_each_run_with_its_outcome_lateness_duration_and_result(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    now = clock().replace(microsecond=0)
    run(service, "nightly", now - timedelta(hours=2), "succeeded", result="30")
    trace = 'Traceback (most recent call last):\n  File "x.py", line 3, in y\nValueError: no <paper>'
    run(service, "nightly", now - timedelta(hours=1), "failed", result="ValueError: no <paper>", traceback=trace)
    page = Document(admin.get("/schedules/nightly").text)
    assert "succeeded +0 ms 2.00 s 30" in page.text
    assert "failed +0 ms 2.00 s ValueError: no <paper> Traceback (most recent call last)" in page.text
    assert len(page.all("details")) >= 1


def test_the_top_line_marks_the_page_that_a_schedule_and_a_run_belong_to(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    identity = run(service, "nightly", clock())
    for path, name in (("/schedules/nightly", "Schedules"), (f"/schedules/nightly/runs/{identity}", "Runs")):
        nav = admin.get(path).text.partition('aria-label="Pages"')[2].partition("</nav>")[0]
        assert re.findall(r'aria-current="true">(\w+)<', nav) == [name]


def test_a_stretch_of_skips_is_one_row(admin: Browser, service: Service, nightly: Entry) -> None:
    last = clock().replace(microsecond=0)
    skip(service, nightly, Skip(Reason.PAUSED, last - timedelta(minutes=10), last, 11))
    page = text(admin.get("/schedules/nightly"))
    assert "skipped 11 × paused" in page
    assert Reason.PAUSED.sentence in page


def test_a_schedule_that_has_never_run_says_so(admin: Browser, nightly: Entry) -> None:
    assert "No runs yet" in text(admin.get("/schedules/nightly"))


def test_a_broken_entry_shows_why_and_cannot_be_run(admin: Browser, service: Service, nightly: Entry) -> None:
    set_aside(service, "nightly", "its task is gone")
    page = admin.get("/schedules/nightly")
    assert "its task is gone" in text(page)
    assert "Run now" not in page.text


def test_an_entry_that_cannot_even_be_read_is_still_shown(admin: Browser, service: Service) -> None:
    service.store.client.hset(service.store.keys.entry("odd"), "definition", "{not json")
    service.store.client.zadd(service.store.keys.schedule, {service.store.keys.entry("odd"): 0})
    assert "quarantined" in text(admin.get("/schedules/odd"))
    assert "odd" in text(admin.get("/schedules"))


def test_programs_get_the_same_as_json(admin: Browser, nightly: Entry) -> None:
    body = admin.json("/schedules/nightly")
    assert body["fields"] == body["base"] == nightly.fields
    assert body["revision"] == nightly.revision
    assert (body["overlay"], body["pause"], body["runs"]) == ({}, None, [])


def test_a_name_that_is_none_answers_404(admin: Browser) -> None:
    page = admin.get("/schedules/nobody")
    assert page.status_code == 404
    assert "no schedule is called 'nobody'" in text(page)
    assert admin.get("/schedules/nobody", Accept="application/json").get_json().keys() == {"error"}


@pytest.mark.parametrize("name", ["new", "edit", "a.b", "runs", "pause", "x-1_y"])
def test_names_that_look_like_addresses_have_a_page_of_their_own(admin: Browser, make: Declare, name: str) -> None:
    make(name)
    links = [link["href"] for link in Document(admin.get("/schedules").text).all("a")]
    [address] = [link for link in links if link.startswith("/schedules/") and link != "/schedules/new"]
    assert f"<h1>{name}</h1>" in admin.get(address).text


def test_the_runs_of_a_schedule_are_narrowed_by_a_chip_and_older_keeps_it(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job", overlap="allow")
    now = clock()
    failed = [run(service, "job", now - timedelta(minutes=at), "failed", result="no") for at in range(60, 30, -1)]
    well = [run(service, "job", now - timedelta(minutes=at)) for at in range(30, 0, -1)]
    known = changes.Known(service.tasks, service.file_only)
    manual = changes.run(service.dispatcher, service.store, "job", by="ann", args=None, kwargs=None, known=known)

    def shown(address: str) -> tuple[list[str], str]:
        page = Document(admin.get(address).text)
        links = [unquote(it["href"]) for it in page.all("a")]
        (older,) = [it["href"] for it in page.all("a") if it.get("rel") == "next"] or [""]
        ids = dict.fromkeys(it.rpartition("/")[2] for it in links if it.startswith("/schedules/job/runs/"))
        (canonical,) = (it["href"] for it in page.all("link") if it.get("rel") == "canonical")
        assert canonical == address.partition("#")[0], "an open page refreshes itself from there"
        return [it for it in ids if it in (*failed, *well, manual)], older

    assert shown("/schedules/job?runs=manual") == ([manual], "")
    assert "All runs of job started by a person" in text(admin.get("/schedules/job?runs=manual"))
    first, older = shown("/schedules/job?runs=failed")
    second, end = shown(older)
    assert [*first, *second] == failed[::-1]
    assert end == ""
    assert "runs=failed" in older
    assert "None skipped." in text(admin.get("/schedules/job?runs=skipped"))
    assert shown("/schedules/job")[0][:2] == [manual, well[-1]]
    assert "outcome=wrong" in admin.get("/schedules/job?runs=failed").text
    assert admin.get("/schedules/job?runs=nonsense&before=x").status_code == 200
