"""Acts on chosen runs: a dry run, one reason, one group of the audit log."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest

from scheduler.admin import bulk_runs as pages
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import run_id
from scheduler.operations import bulk as operations
from scheduler.operations.bulk import RunsAsked
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import commit, run


class Night(NamedTuple):
    """The ids of runs by what became of them."""

    failed: str
    failed_before: str  #: of the same schedule
    lost: str
    well: str
    queued: str


@pytest.fixture
def night(service: Service, make: Declare) -> Night:
    """Runs of four schedules that may not overlap."""
    for name in ("copy", "load", "well", "waits"):
        make(name)
    due = clock() - timedelta(minutes=9)
    before = run(service, "copy", due - timedelta(minutes=1), "failed", result="OSError: disk full")
    failed = run(service, "copy", due, "failed", result="OSError: disk full")
    lost = run(service, "load", due, "lost")
    well = run(service, "well", due)
    commit(service, service.store.get("waits"), runs=(due,))
    return Night(failed, before, lost, well, run_id("waits", due))


def outcomes(service: Service, night: Night) -> list[str]:
    return [service.ledger.get(it).outcome for it in night]


def test_a_dry_run_says_that_it_took_no_more_than_the_newest_that_match(
    admin: Browser, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "No more than 2 are taken at once: the newest."
    monkeypatch.setattr(pages, "MAX_AT_ONCE", 2)
    assert said in text(admin.post("/bulk/runs/retry", all="on"))
    assert said not in text(admin.post("/bulk/runs/retry", run=[night.lost]))


def test_chosen_runs_are_retried_with_one_reason_after_a_dry_run_that_names_them(
    admin: Browser, service: Service, night: Night
) -> None:
    before = outcomes(service, night)
    boxes = [it["value"] for it in Document(admin.get("/runs").text).all("input") if it.get("name") == "run"]
    assert sorted(boxes) == sorted(night)
    dry = admin.post("/bulk/runs/retry", run=list(night[:4]), outcome="wrong")
    assert f"These 2 runs will be sent again: {night.failed}, {night.lost}." in text(dry)
    assert f"{night.failed_before} is not retried: another run of its schedule is chosen too" in text(dry)
    assert f"{night.well} is not retried: it succeeded" in text(dry)
    assert outcomes(service, night) == before
    form = Document(dry.text).forms[-1]
    answer = admin.post(form.action, **(form.fields | {"why": "the disk is free"}))
    assert "Sent again 2 runs." in text(answer)
    assert answer.request.url.endswith("/runs?outcome=wrong")
    assert outcomes(service, night) == ["queued", "failed", "queued", "succeeded", "queued"]
    lines = service.store.audit.lines(2)
    assert {(it["change"], it["by"]) for it in lines} == {("retry", "admin")}
    assert len({it["group"] for it in lines}) == 1
    assert all("the disk is free" in it["why"] for it in lines)


def test_all_runs_that_match_are_stopped_and_what_has_ended_is_left_alone(
    admin: Browser, service: Service, night: Night
) -> None:
    dry = admin.post("/bulk/runs/stop", all="on", q="wai")
    assert f"This run will be stopped: {night.queued}." in text(dry)
    sent = json.dumps([night.queued, night.well, "no id"])
    answer = text(admin.post("/bulk/runs/stop/now", names=sent, why="wrong day"))
    assert f"Stopped, or asked to stop, 1 run. Left alone: 2; {night.well} is not under way: it is succeeded." in answer
    assert service.ledger.get(night.queued).outcome == "stopped"
    assert "Choose at least one run." in text(admin.post("/bulk/runs/stop"))
    assert "3000 runs are more than 2000 at once" in text(
        admin.post("/bulk/runs/stop", names=json.dumps([str(number) for number in range(3_000)]))
    )


def test_a_run_beside_one_that_is_under_way_is_left_alone(
    admin: Browser, service: Service, make: Declare, night: Night
) -> None:
    commit(service, service.store.get("load"), runs=(clock(),))
    dry = text(admin.post("/bulk/runs/retry", run=[night.lost]))
    assert "There is nothing to do." in dry
    assert "another run of its schedule is queued or running" in dry


def test_programs_retry_runs_at_once_too(service: Service, night: Night) -> None:
    its, ids = replace(service, user="robot"), [night.lost, "no id"]
    would = operations.runs(its, asked=RunsAsked(act="retry", runs=ids, dry_run=True))
    assert would == {"done": [night.lost], "left": {"no id": "'no id' is not the id of a run"}, "group": ""}
    assert service.ledger.get(night.lost).outcome == "lost"
    done = operations.runs(its, asked=RunsAsked(act="retry", runs=ids, why="disk"))
    assert service.ledger.get(night.lost).outcome == "queued"
    line = service.store.audit.lines(1)[0]
    assert (line["group"], line["by"]) == (done["group"], "robot")
