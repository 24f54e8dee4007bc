"""The list: what runs when, what happened, what needs attention."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from celery.schedules import schedule as interval
from redbeat import RedBeatSchedulerEntry

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, set_aside


def rows(admin: Browser, path: str = "/schedules") -> list[str]:
    """The names that the list shows, in its order."""
    return [row["name"] for row in admin.json(path)["schedules"]]


def test_each_schedule_shows_its_timing_in_words_its_next_and_its_last_run(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    run(
        service,
        "nightly",
        clock() - timedelta(minutes=4, seconds=30),
        "failed",
        result="ValueError: no such printer",
        reason="error",
    )
    page = text(admin.get("/"))
    for words in (
        "nightly",
        "Adds two numbers every night",
        "At 02:30 every day New York time",
        "reports",
        "failed 4 min ago",
        "ValueError: no such printer",
    ):
        assert words in page, words
    assert " 02:30 E" in page, "in the schedule's zone, EST or EDT"


def test_a_long_name_that_another_program_gave_is_found_whole(admin: Browser, service: Service) -> None:
    name = "x" * 250 + "-end"
    RedBeatSchedulerEntry(name, "shop.tell", interval(60), app=service.celery).save()
    for path in (f"/schedules?q={name}", f"/api/v1/schedules?q={name}"):
        assert name in str(admin.json(path)), path
    assert admin.json(f"/schedules?q={name}x")["matched"] == 0


def test_an_empty_list_says_how_to_begin(admin: Browser) -> None:
    page = text(admin.get("/schedules"))
    assert "No schedules yet. Declare one in schedules.yaml" in page


def test_no_beat_is_told_with_the_remedy(admin: Browser, nightly: Entry) -> None:
    assert "No beat leads, so nothing is sent: start one with python3 -m scheduler up" in text(admin.get("/schedules"))


def test_problems_of_the_file_and_of_entries_are_told(admin: Browser, service: Service, nightly: Entry) -> None:
    service.store.note_file({"problems": "schedules.yaml:12:5: unknown key 'corn' — did you mean 'cron'?"})
    set_aside(service, "nightly", "its task is gone")
    page = text(admin.get("/schedules"))
    assert "schedules.yaml:12:5: unknown key 'corn': did you mean 'cron'?" in page
    assert "its task is gone" in page
    assert admin.json("/schedules")["schedules"][0]["state"] == "quarantined"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=night", ["nightly"]),
        ("q=TWO+NUMBERS", ["nightly"]),
        ("q=clean_up", ["sweep"]),
        ("q=reports", ["nightly"]),
        ("tag=night", ["nightly"]),
        ("q=tag:NIGHT", ["nightly"]),
        ("q=tag:nigh", []),
        ("q=numbers+night+tag:reports", ["nightly"]),
        ("q=%22two+numbers%22", ["nightly"]),
        ("q=queue:REPORTS+night", ["nightly"]),
        ("q=queue:%22celery%22", ["adder", "sweep"]),
        ("q=queue:celery+tag:night", []),
        ("q=queue:report", []),
        ("q=%22numbers+two%22", []),
        ("tag=nigh", []),
        ("state=paused", ["sweep"]),
        ("state=new", ["adder", "nightly"]),
        ("state=new&q=add", ["adder", "nightly"]),
        ("state=new&tag=night", ["nightly"]),
        ("state=nonsense", []),
        ("q=nobody", []),
        ("page=2", []),
        ("page=-1", ["adder", "nightly", "sweep"]),
        ("page=9999999999", ["adder", "nightly", "sweep"]),
        ("q=" + "x" * 10_000, []),
    ],
)
def test_the_list_can_be_searched(
    admin: Browser, service: Service, nightly: Entry, make: Declare, query: str, found: list[str]
) -> None:
    make("adder")
    make("sweep", task="scheduler.tasks.clean_up", args=[], kwargs={"directory": "/tmp", "older_than": "7d"})
    changes.pause(service.store, "sweep", by="admin")
    assert rows(admin, f"/schedules?{query}") == found
    page = admin.get(f"/schedules?{query}")
    assert page.status_code == 200
    assert ("No schedules match" in text(page)) == (not found)


def test_a_long_list_comes_in_pages_of_fifty_by_name(admin: Browser, make: Declare) -> None:
    for number in range(120):
        make(f"job-{number:03}", tags=["even"] if number % 2 == 0 else [])
    assert rows(admin) == [f"job-{number:03}" for number in range(50)]
    assert rows(admin, "/schedules?page=3") == [f"job-{number:03}" for number in range(100, 120)]
    page = admin.get("/schedules?tag=even&page=2")
    assert "51–60 of 60 matching, 120 in total" in text(page)
    assert "Page 2 of 2" in text(page)
    links = [link["href"] for link in Document(page.text).all("a") if link.get("rel") == "prev"]
    assert links == ["/schedules?tag=even"]


def test_states_are_counted_and_each_count_leads_to_its_schedules(
    admin: Browser, service: Service, nightly: Entry, make: Declare
) -> None:
    make("adder")
    run(service, "adder", clock(), "succeeded", result="3")
    page = Document(admin.get("/schedules").text)
    assert "1 ok" in page.text
    assert "1 new" in page.text
    assert "/schedules?state=ok" in [link["href"] for link in page.all("a")]


def chips(admin: Browser, path: str) -> dict[str, str]:
    """The counts above the list, each with where it leads."""
    counts = re.search(r'<nav class="counts".*?</nav>', admin.get(path).text, re.DOTALL)
    links = re.findall(r'<a class="chip [^"]*" href="([^"]*)".*?>(.*?)</a>', counts[0], re.DOTALL) if counts else []
    return {words: unescape(there) for there, words in links}


def test_the_counts_are_of_what_the_search_finds_and_each_leads_to_so_many(
    admin: Browser, service: Service, make: Declare
) -> None:
    for number in range(12):
        make(f"job-{number:02}", tags=["etl"] if number % 2 else ["billing"], queue="gpu" if number < 6 else "celery")
        if number % 3 == 0:
            run(service, f"job-{number:02}", clock() - timedelta(minutes=3), "failed", result="E", reason="error")
    changes.pause(service.store, "job-05", by="ann")
    everything = chips(admin, "/schedules")
    assert list(everything) == ["4 failing", "1 paused", "7 new"]
    etl = chips(admin, "/schedules?q=tag:etl")
    assert list(etl) == ["2 failing", "1 paused", "3 new"]
    assert list(chips(admin, "/schedules?q=tag:etl&state=new")) == list(etl), "one chooses among the same"
    assert list(chips(admin, "/schedules?q=queue:gpu&tag=etl")) == ["1 failing", "1 paused", "1 new"]
    for path in ("/schedules", "/schedules?q=tag:etl", "/schedules?tag=billing"):
        for words, there in chips(admin, path).items():
            assert admin.json(there)["matched"] == int(words.split()[0]), (path, words, there)
    assert chips(admin, "/schedules?q=zzz") == {}
    assert chips(admin, "/schedules?q=job-01&state=failing")["0 failing"] == "/schedules?q=job-01", "to leave it again"
    assert chips(admin, "/schedules?q=job-01&state=late")["0 late"] == "/schedules?q=job-01"
    assert chips(admin, "/schedules?q=job-01&state=paused")["0 paused"] == "/schedules?q=job-01"


def test_what_needs_attention_is_the_same_whatever_is_searched_for(
    admin: Browser, service: Service, make: Declare
) -> None:
    for name in ("alpha", "beta"):
        make(name)
        run(service, name, clock() - timedelta(minutes=3), "failed", result=f"No {name}", reason="error")

    def above(path: str) -> tuple[str, ...]:
        page = admin.get(path).text
        title, pill = re.search(r"<title>.*?</title>", page), re.search(r'<div id="pill".*?</div>', page)
        assert title
        assert pill
        return title[0], pill[0], *re.findall(r">schedule .*? is failing", page)

    assert len(above("/schedules")) == 4
    assert above("/schedules?q=beta") == above("/schedules?q=zzz") == above("/schedules")


@pytest.mark.parametrize(
    "how", [{"path": "/schedules?format=json"}, {"path": "/schedules", "Accept": "application/json"}]
)
def test_programs_get_the_same_as_json(admin: Browser, nightly: Entry, how: dict[str, str]) -> None:
    headers = {key: value for key, value in how.items() if key != "path"}
    body = admin.get(how["path"], **headers).get_json()
    assert body["total"] == body["matched"] == 1
    assert body["leader"] is None
    assert body["schedules"][0] | {"next": None} == {
        "name": "nightly",
        "state": "new",
        "task": "scheduler.tasks.log_it",
        "timing": "At 02:30 every day, New York time",
        "zone": "America/New_York",
        "origin": "file",
        "description": "Adds two numbers every night",
        "error": "",
        "tags": ["reports", "night"],
        "overlaid": [],
        "next": None,
        "failing": None,
        "unstarted": None,
        "expected_to_fail": "",
        "recent": [],
        "last": None,
    }


def test_a_browser_gets_the_page(admin: Browser, nightly: Entry) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert admin.get("/schedules", Accept=accept).mimetype == "text/html"
    assert admin.get("/schedules", Accept="*/*").mimetype == "text/html"


def test_a_file_that_changes_shows_at_the_next_look(admin: Browser, load: Callable[[str], None]) -> None:
    load("schedules: {one: {task: scheduler.tasks.fail, every: 1h}}")
    assert rows(admin) == ["one"]
    load("schedules: {two: {task: scheduler.tasks.fail, every: 1h}}")
    assert rows(admin) == ["two"]
