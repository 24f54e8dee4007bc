"""Running a schedule now, and looking at a run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from scheduler import changes
from scheduler.admin.filters import absolute
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from scheduler.sending.headers import task_id
from scheduler.storage.store import Store, Write
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import commit, run
from tests.support.outputs import printed

# Celery's Redis backend still calls what redis-py has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def test_run_now_sends_the_run_and_leads_to_its_page(
    admin: Browser, service: Service, store: Store, nightly: Entry
) -> None:
    page = admin.post("/schedules/nightly/runs")
    assert page.status_code == 200
    assert "Manual run, " in text(page)
    assert "queued" in text(page)
    assert "Requested by admin" in text(page)
    [sent] = service.store.client.lrange("reports", 0, -1)
    assert json.loads(sent)["headers"]["task"] == "scheduler.tasks.log_it"
    [found] = service.ledger.runs("nightly")
    assert (found.manual, found.by, found.outcome) == (True, "admin", "queued")
    assert store.get("nightly").due == nightly.due, "its next due instant is as it was"


def test_a_second_run_waits_for_the_first_where_runs_may_not_overlap(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    admin.post("/schedules/nightly/runs")
    answer = admin.post("/schedules/nightly/runs")
    assert answer.status_code == 409
    assert "still queued or running: wait for it, or set overlap: allow" in text(answer)
    assert len(service.ledger.runs("nightly")) == 1


def test_a_paused_schedule_can_be_run_by_hand(admin: Browser, nightly: Entry) -> None:
    admin.post("/schedules/nightly/pause")
    assert admin.post("/schedules/nightly/runs").status_code == 200


def test_a_run_that_waits_for_its_time_is_on_the_page_of_its_schedule(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    its, known = (service.dispatcher, service.store, service.ledger), changes.Known(tasks=None, file_only=())
    identity = changes.run_at(*its, "nightly", clock() + timedelta(hours=1), by="ann", known=known)
    links = [unquote(it.get("href", "")) for it in Document(admin.get("/schedules/nightly").text).all("a")]
    assert any(identity in link for link in links)
    assert [it["id"] for it in admin.json("/schedules/nightly")["waiting"]] == [identity]


def test_a_run_that_is_under_way_can_be_stopped(admin: Browser, service: Service, nightly: Entry) -> None:
    queued = run(service, "nightly", clock() - timedelta(minutes=9), "queued")
    page = admin.post(f"/schedules/nightly/runs/{queued}/stop")
    assert "stopped by admin" in text(page)
    assert "Stop" not in Document(page.text).texts
    ended = run(service, "nightly", clock() - timedelta(minutes=5), "succeeded")
    answer = admin.post(f"/schedules/nightly/runs/{ended}/stop")
    assert answer.status_code == 409
    assert f"{ended} is not under way: it is succeeded" in text(answer)
    running = run(service, "nightly", clock() - timedelta(seconds=3), "running")
    assert "Stop…" in Document(admin.get(f"/schedules/nightly/runs/{running}").text).texts
    page = admin.submit(f"/schedules/nightly/runs/{running}/stop", note="wrong day")
    assert "It is being stopped by admin: wrong day. What does not end within its kill_after is killed." in text(page)
    assert "Stop…" not in Document(page.text).texts
    assert service.store.audit.lines(1)[0]["why"].endswith(": wrong day")
    assert "It is being stopped" in text(admin.get(f"/schedules/nightly/runs/{running}/stop"))
    assert "Stop this run" not in text(admin.get(f"/schedules/nightly/runs/{ended}/stop"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, r"SoftTimeLimitExceeded .* 15 s later"),
        (
            {"task": None, "args": None, "command": ["sleep", "9"], "kill_after": "1m"},
            r"SIGTERM.* 1m later .* is killed",
        ),
    ],
    ids=["task", "program"],
)
def test_before_a_running_run_is_stopped_the_page_says_what_that_does(
    admin: Browser, service: Service, nightly: Entry, fields: dict[str, Any], said: str
) -> None:
    kept = {key: it for key, it in (nightly.fields | fields).items() if it is not None}
    service.store.write([Write("nightly", nightly, replace(nightly, fields=kept))])
    running = run(service, "nightly", clock() - timedelta(seconds=3), "running")
    address = f"/schedules/nightly/runs/{running}/stop"
    assert re.search(said, text(admin.get(address)))
    assert service.ledger.stops([running]) == {}
    assert service.ledger.get(running).outcome == "running"
    assert "wrong day" in admin.post(address, note="wrong day", act="check").text
    assert service.ledger.stops([running]) == {}


def test_from_each_run_the_older_and_the_newer_one_of_its_schedule_are_one_link_away(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    runs = [run(service, "nightly", clock() - timedelta(minutes=at)) for at in (30, 20, 10)]
    commit(service, service.store.get("nightly"), runs=(clock(),))
    queued = service.ledger.runs("nightly")[0].id
    found, address = [runs[0]], f"/schedules/nightly/runs/{runs[0]}"
    while links := [it["href"] for it in Document(admin.get(address).text).all("a") if it.get("rel") == "next"]:
        (address,) = links
        found.append(unquote(address.rpartition("/")[2]))
    assert found == [*runs, queued]
    (older,) = (it for it in Document(admin.get(address).text).all("a") if it.get("rel") == "prev")
    assert unquote(older["href"]).endswith(runs[2])
    assert older["title"].endswith(", succeeded")
    assert {key: admin.json(f"/api/v1/runs/{runs[1]}")[key] for key in ("older", "newer")} == {
        "older": runs[0],
        "newer": runs[2],
    }


def test_a_run_that_failed_can_be_retried(admin: Browser, service: Service, nightly: Entry) -> None:
    good = run(service, "nightly", clock() - timedelta(minutes=9), "succeeded")
    assert "Retry" not in Document(admin.get(f"/schedules/nightly/runs/{good}").text).texts
    bad = run(service, "nightly", clock() - timedelta(minutes=5), "failed")
    assert "Retry" in Document(admin.get(f"/schedules/nightly/runs/{bad}").text).texts
    page = admin.post(f"/schedules/nightly/runs/{bad}/retry")
    assert "retried by admin" in text(page)
    assert "Retry sends" not in text(page)
    assert service.ledger.get(bad).outcome == "queued"
    answer = admin.post(f"/schedules/nightly/runs/{bad}/retry")
    assert answer.status_code == 409
    assert f"{bad} is not retried: it is queued already" in text(answer)


def test_beside_retry_the_page_says_of_which_due_instant_it_is_and_that_run_now_is_another(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    due = (clock() - timedelta(hours=9)).replace(second=0, microsecond=0)
    bad = run(service, "nightly", due, "failed")
    words = absolute(due, "America/New_York")
    page = text(admin.get("/schedules/nightly"))
    assert f"Retry sends the run of {words} again. Run now sends a new one, due now." in page
    page = text(admin.get(f"/schedules/nightly/runs/{bad}"))
    assert f"Retry sends the run of {words} again. Run again with… sends a new one, due now." in page
    admin.post(f"/schedules/nightly/runs/{bad}/retry")
    assert (service.ledger.get(bad).outcome, service.ledger.get(bad).due) == ("queued", due.timestamp())


def test_a_run_of_a_backfill_says_that_it_is_one(admin: Browser, service: Service, nightly: Entry) -> None:
    identity, key = run(service, "nightly", clock()), service.store.keys.ledger("nightly")
    row = json.loads(service.store.client.hget(key, identity) or "")
    service.store.client.hset(key, identity, json.dumps(row | {"backfill": "1", "by": "ann"}))
    page = text(admin.get(f"/schedules/nightly/runs/{identity}"))
    assert "Run of a backfill, " in page
    assert "Requested by ann" in page
    assert "backfill, by ann" in text(admin.get("/schedules/nightly?runs=manual"))


def test_a_run_that_goes_on_shows_its_progress(admin: Browser, service: Service, make: Declare) -> None:
    make("count", task="scheduler.tasks.count_to", args=[])
    identity = run(service, "count", clock() - timedelta(seconds=3), "running")
    meta = {"current": 3, "total": 12, "message": "Copied 3 of 12 <files>"}
    service.celery.backend.store_result(task_id(identity), meta, "PROGRESS")
    page = Document(admin.get(f"/schedules/count/runs/{identity}").text)
    assert page.all("progress") == [{"id": "progress", "max": "12", "value": "3"}]
    assert "Copied 3 of 12 <files>" in page.text
    assert "3 of 12" in page.text
    assert {"http-equiv": "refresh", "content": "5"} in page.all("meta"), "it renews itself without JavaScript"
    assert admin.json(f"/schedules/count/runs/{identity}")["progress"] == meta


@pytest.mark.parametrize(
    "meta", [{}, {"current": "x", "total": []}, {"current": 3}, {"total": 0, "current": 0}, {"a": 1}]
)
def test_progress_without_numbers_is_a_bar_without_an_end(
    admin: Browser, service: Service, make: Declare, meta: dict[str, object]
) -> None:
    make("count", task="scheduler.tasks.count_to", args=[])
    identity = run(service, "count", clock(), "running")
    service.celery.backend.store_result(task_id(identity), meta, "PROGRESS")
    assert Document(admin.get(f"/schedules/count/runs/{identity}").text).all("progress") == [{"id": "progress"}]


def test_a_finished_run_shows_when_it_was_due_started_and_finished(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    due = clock().replace(microsecond=0) - timedelta(hours=1)
    identity = run(service, "nightly", due, "succeeded", result='{"pages": 3, "sum": [1, 2]}')
    page = Document(admin.get(f"/schedules/nightly/runs/{identity}").text)
    for words in (
        "succeeded",
        "Due",
        "Started",
        "+0 ms after the due instant",
        "Finished",
        "after 2.00 s",
        "worker@host:7",
    ):
        assert words in page.text, words
    assert '"pages": 3, "sum": [' in page.text
    assert "refresh" not in str(page.all("meta"))
    assert admin.json(f"/schedules/nightly/runs/{identity}")["outcome"] == "succeeded"


def test_a_failed_run_shows_its_error_and_its_traceback(admin: Browser, service: Service, nightly: Entry) -> None:
    trace = "Traceback (most recent call last):\nValueError: no paper"
    identity = run(
        service, "nightly", clock(), "failed", result="ValueError: no paper", traceback=trace, reason="error"
    )
    page = text(admin.get(f"/schedules/nightly/runs/{identity}"))
    assert "Error ValueError: no paper Traceback Traceback (most recent call last): ValueError: no paper" in page


def test_a_run_shows_what_it_prints_while_it_runs(admin: Browser, service: Service, nightly: Entry) -> None:
    identity = run(service, "nightly", clock(), "running")
    printed(service.ledger, identity, b"<b>hello</b>\x1b[2J\x00\n" + b"x" * 64 + b"\nbye", size=64)
    page = admin.get(f"/schedules/nightly/runs/{identity}").text
    assert "&lt;b&gt;hello&lt;/b&gt;\\x1b[2J\\x00" in page
    assert "left out …" in page
    [shown] = admin.json(f"/schedules/nightly/runs/{identity}")["outputs"]
    assert (shown["attempt"], shown["written"], shown["head"][:5]) == (1, 86, "<b>he")


@pytest.mark.parametrize("name", ["nightly", "other"])
def test_a_run_that_is_none_answers_404(admin: Browser, service: Service, nightly: Entry, name: str) -> None:
    identity = run(service, "nightly", clock())
    assert admin.get(f"/schedules/{name}/runs/{name}@2026-01-01T00:00:00Z").status_code == 404
    assert admin.get(f"/schedules/other/runs/{identity}").status_code == 404
    for nonsense in ("x", "@", "nightly@", "nightly@yesterday", "nightly@2026-13-01T00:00:00Z", "~00"):
        assert admin.get(f"/schedules/{name}/runs/{nonsense}").status_code == 404


def test_a_run_outlives_its_schedule(admin: Browser, service: Service, make: Declare) -> None:
    make("mine")
    identity = run(service, "mine", clock())
    admin.post("/schedules/mine/delete")
    assert admin.get(f"/schedules/mine/runs/{identity}").status_code == 200


def test_any_task_can_be_asked_for_by_its_id(admin: Browser, service: Service) -> None:
    backend = service.celery.backend
    backend.store_result("one", {"current": 1, "total": 4, "message": "One"}, "PROGRESS")
    backend.store_result("two", 30, "SUCCESS")
    backend.store_result("three", ValueError("no paper"), "FAILURE", traceback="Traceback …")
    one, two, three = (admin.get(f"/tasks/{task}").get_json() for task in ("one", "two", "three"))
    assert (one["state"], one["current"], one["total"], one["message"]) == ("PROGRESS", 1, 4, "One")
    assert (two["state"], two["result"], two["current"]) == ("SUCCESS", 30, None)
    assert two["date_done"]
    assert (three["result"], three["traceback"]) == ("ValueError: no paper", "Traceback …")
    assert set(one) == {"id", "state", "current", "total", "message", "result", "traceback", "date_done"}


@pytest.mark.parametrize("task", ["unknown", "x" * 5000, "%00", "..", "a%2Fb"])
def test_a_task_that_celery_knows_nothing_of_answers_404(admin: Browser, task: str) -> None:
    answer = admin.get(f"/tasks/{task}")
    assert answer.status_code == 404
    assert task in ("..", "a%2Fb") or answer.get_json()["state"] == "PENDING"
