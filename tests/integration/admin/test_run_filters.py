"""Runs of all schedules by task, queue, reason and who started them: on the page, through the API and in a terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from urllib.parse import quote

import pytest

from scheduler import changes
from scheduler.admin.run_list import STARTERS, RunSearch
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Reason, Run
from scheduler.sending.decide import Skip
from scheduler.status import runs as status_runs
from scheduler.status.wanted import starter
from tests.integration.admin.browser import Browser, Document
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, skip
from tests.support.shell import Shell

DISK = "scheduler.tasks.disk_usage"


class Day(NamedTuple):
    """The ids of some runs."""

    well: str
    failed: str  #: on another queue, by its time limit
    skipped: str  #: a due instant, which has neither task nor queue
    manual: str


@pytest.fixture
def day(service: Service, make: Declare) -> Day:
    make("well", overlap="allow"), make("disk", task=DISK, args=[], kwargs={"path": "/"}, queue="Slow")
    due = clock() - timedelta(minutes=9)
    well = run(service, "well", due)
    failed = run(service, "disk", due - timedelta(minutes=5), "failed", reason=Reason.TIME_LIMIT, task=DISK)
    skip(service, service.store.get("disk"), Skip(Reason.OVERLAP, due, due, 1))
    (skipped,) = (it.id for it in service.ledger.runs("disk") if it.outcome == "skipped")
    known = changes.Known(service.tasks, service.file_only)
    manual = changes.run(service.dispatcher, service.store, "well", by="ann", args=None, kwargs=None, known=known)
    return Day(well, failed, skipped, manual)


def everywhere(admin: Browser, shell: Shell, **filters: str) -> list[str]:
    """The ids of the runs that the page, the API and the command line all find, oldest first."""
    query = "&".join(f"{key}={quote(text)}" for key, text in filters.items())
    options = [part for key, text in filters.items() for part in (f"--{key.replace('_', '-')}", text)]
    of_page = [it["id"] for it in admin.json(f"/runs?{query}")["runs"]]
    assert of_page == [it["id"] for it in admin.json(f"/api/v1/runs?{query}")["items"]]
    assert of_page == [it["id"] for it in shell("history", *options, "--json").json]
    return of_page[::-1]


def test_a_run_with_a_priority_is_found_by_its_queue(
    admin: Browser, service: Service, make: Declare, shell: Shell
) -> None:
    make("urgent", queue="etl", priority=5)
    identity = service.dispatcher.run_now(service.store.get("urgent"), "ann")
    assert everywhere(admin, shell, queue="etl") == [identity]
    assert everywhere(admin, shell, queue="etl5") == []


def test_runs_are_found_by_task_and_queue_also_due_instants_that_were_never_sent(
    admin: Browser, day: Day, shell: Shell
) -> None:
    assert everywhere(admin, shell, task="DISK_usage") == [day.failed, day.skipped]
    assert everywhere(admin, shell, queue="slow") == [day.failed, day.skipped]
    assert everywhere(admin, shell, queue="slo") == []
    assert everywhere(admin, shell, queue="celery", task="log") == [day.well, day.manual]


def test_runs_are_found_by_their_reason_and_by_who_started_them(admin: Browser, day: Day, shell: Shell) -> None:
    assert everywhere(admin, shell, reason="time limit") == [day.failed]
    assert everywhere(admin, shell, reason="overlap") == [day.skipped]
    assert everywhere(admin, shell, started_by="person") == [day.manual]
    assert everywhere(admin, shell, started_by="schedule", task="log_it") == [day.well]
    assert everywhere(admin, shell, started_by="run") == []
    follows, backfill = Run("a@1", "a", 1.0, "queued", parent="b@1"), Run("a@1", "a", 1.0, "queued", backfill=True)
    assert [starter(follows), starter(backfill)] == ["run", "person"]


def test_a_word_that_is_no_reason_is_an_error_for_programs_and_ignored_in_an_address(
    admin: Browser, day: Day, shell: Shell
) -> None:
    assert admin.get("/api/v1/runs?reason=timelimit").status_code == 422
    refused = shell("history", "--reason", "timelimit")
    assert refused.code == 64
    assert "'time limit'" in refused.err
    assert len(admin.json("/runs?reason=timelimit&started_by=me")["runs"]) == len(day)


def test_errors_are_counted_within_the_same_filters(admin: Browser, day: Day, shell: Shell) -> None:
    assert [it["schedule"] for it in admin.json("/runs?by=error&queue=slow")["errors"]] == ["disk"]
    assert admin.json("/runs?by=error&task=log_it")["errors"] == []
    assert shell("history", "--by-error", "--task", "log_it", "--json").json == []


def test_each_filter_is_in_the_address_of_every_link_and_can_be_taken_away(
    admin: Browser, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_runs, "MAX_LOOKED_AT", 1)
    given = "task=disk&queue=slow&started_by=schedule&reason=time+limit&worker=host"
    page = Document(admin.get(f"/runs?{given}&last=7d").text)
    kept = [it["href"] for it in page.all("a") if it["href"].startswith("/runs?") and it.get("rel") == "next"]
    kept += [it["href"] for it in page.all("a") if "last=24h" in it["href"] or "outcome=lost" in it["href"]]
    assert len(kept) == 3
    for key, _, text in (part.partition("=") for part in given.split("&")):
        assert all(f"{key}={text}" in link for link in kept)
        (without,) = (it["href"] for it in page.all("a") if "last=7d" in it["href"] and f"{key}=" not in it["href"])
        assert without.count("&") == given.count("&")
    shown = {it["name"]: it.get("value") for it in page.all("input") if it.get("name") in ("task", "queue", "last")}
    assert shown == {"task": "disk", "queue": "slow", "last": "7d"}


def test_runs_that_are_acted_on_are_those_of_the_same_filters(admin: Browser, day: Day) -> None:
    would = admin.post("/bulk/runs/retry?format=json", all="on", task="disk", reason="time limit").get_json()
    assert would["would"] == [day.failed]
    assert RunSearch.read({"started_by": "person"}).narrowed == {"started_by": ("Started by", STARTERS["person"])}
