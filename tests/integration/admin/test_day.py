"""The bars above the runs: what failed, was lost or was skipped in the last day, and where each quarter leads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import unquote

import pytest
import time_machine

from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Reason, read_run_id
from scheduler.sending.decide import Skip
from scheduler.status import runs
from scheduler.status.quarters import QUARTERS, quarters
from scheduler.storage import health
from scheduler.storage.instants import from_seconds, iso
from scheduler.storage.ledger import Ledger
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, skip


def quarter_of(instant: datetime) -> float:
    return instant.timestamp() // 900 * 900


def test_each_quarter_of_an_hour_leads_to_the_runs_that_it_counts(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job", overlap="allow", tags=["etl"]), make("other")
    base = from_seconds(quarter_of(clock() - timedelta(hours=5)))
    first = run(service, "job", base, "failed")
    last = run(service, "job", base + timedelta(seconds=899, milliseconds=500), "lost")
    run(service, "job", base + timedelta(minutes=2))
    run(service, "job", base + timedelta(seconds=900), "failed")
    skip(service, service.store.get("other"), Skip(Reason.PAUSED, base - timedelta(hours=9), base, 9))
    page = Document(admin.get("/runs?tag=etl&last=24h").text)
    links = [it["href"] for it in page.all("a") if "until=" in it["href"] and "outcome=wrong" in it["href"]]
    assert len(set(links)) == 2
    assert all("tag=etl" in link and "last=" not in link for link in links)
    (two,) = {link for link in links if f"from={base:%Y-%m-%dT%H:%M}" in unquote(link)}
    assert [it["id"] for it in admin.json(two)["runs"]] == [last, first]
    skipped = two.replace("outcome=wrong", "outcome=skipped").replace("tag=etl&", "")
    assert [it["count"] for it in admin.json(skipped)["runs"]] == [9]
    (picture,) = (it["aria-label"] for it in page.all("svg") if it.get("role") == "img")
    assert picture.startswith("The last 24 hours: 3 failed or lost, 1 skipped; the worst quarter of an hour was")
    chosen = Document(admin.get(two).text)
    assert len([it for it in chosen.all("rect") if it.get("class") == "chosen"]) == 1


def test_programs_get_the_same_numbers_and_a_quiet_day_says_so(service: Service, admin: Browser, make: Declare) -> None:
    assert "Nothing failed, was lost or was skipped in the last 24 hours" in text(admin.get("/runs"))
    make("job", overlap="allow")
    due = clock() - timedelta(hours=3)
    run(service, "job", due, "failed")
    items = admin.json("/api/v1/quarters")["items"]
    assert len(items) == QUARTERS
    assert [it for it in items if it["went_wrong"] or it["skipped"]] == [
        {"at": iso(quarter_of(due)), "went_wrong": 1, "skipped": 0, "expected": 0}
    ]


def test_failures_that_are_expected_are_grey_in_the_bars_and_in_the_list_and_counted_apart(
    service: Service, admin: Browser, load: Callable[[str], None]
) -> None:
    one = "task: scheduler.tasks.fail, args: [x], every: 1h, overlap: allow"
    load(f"schedules: {{flaky: {{{one}, alerts: {{off: the supplier is down}}}}, other: {{{one}}}}}")
    base = from_seconds(quarter_of(clock() - timedelta(hours=5)))
    for minutes in (0, 3, 20, 21, 22, 23):
        run(service, "flaky", base + timedelta(minutes=minutes), "failed")
    run(service, "other", base + timedelta(minutes=4), "failed")
    answer = admin.get("/runs")
    page = Document(answer.text)
    (picture,) = (it["aria-label"] for it in page.all("svg") if it.get("role") == "img")
    assert "7 failed or lost (6 expected); the worst quarter" in picture
    assert picture.endswith("3 failed or lost (2 expected)"), "the four others need no person"
    bars = [(it["class"], float(it["height"])) for it in page.all("rect") if it.get("class") in ("bad", "calm")]
    assert bars == [("bad", 25), ("calm", 50), ("calm", 100)]
    assert "failed or lost skipped, or expected failure per 15 min (UTC), all schedules, unfiltered" in page.text
    assert re.findall(r'class="outcome (\w+)"', answer.text) == [*["calm"] * 4, "bad", "calm", "calm"]
    items = admin.json("/api/v1/quarters")["items"]
    assert [(it["went_wrong"], it["expected"]) for it in items if it["went_wrong"]] == [(3, 2), (4, 4)]


def test_the_bars_begin_24_hours_before_the_present_hour_and_end_with_it(ledger: Ledger) -> None:
    with time_machine.travel("2026-03-02T12:59:59Z", tick=False):
        found = quarters(ledger, time.time())
    assert [iso(found[0].at), iso(found[-1].at)] == ["2026-03-01T12:00:00Z", "2026-03-02T12:45:00Z"]


def test_what_was_skipped_is_found_among_more_rows_than_are_looked_at_once_the_leader_has_indexed_it(
    service: Service, admin: Browser, make: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_LOOKED_AT", 2)
    make("job", overlap="allow"), make("other")
    due = clock() - timedelta(hours=3)
    skip(service, service.store.get("other"), Skip(Reason.OVERLAP, due, due, 1))
    for minutes in (3, 2, 1):
        run(service, "job", clock() - timedelta(minutes=minutes))
    assert admin.json("/runs?outcome=skipped")["runs"] == []
    health.rebuild(service.store.client, service.store.keys)
    assert [it["schedule"] for it in admin.json("/runs?outcome=skipped")["runs"]] == ["other"]
    assert [it["schedule"] for it in admin.json("/runs?reason=overlap")["runs"]] == ["other"]


def test_a_due_instant_that_was_skipped_and_is_retried_counts_no_longer(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job")
    due = clock() - timedelta(hours=3)
    skip(service, service.store.get("job"), Skip(Reason.OVERLAP, due, due, 1))
    (row,) = service.ledger.runs("job")
    assert sum(it.skipped for it in quarters(service.ledger, time.time())) == 1
    admin.post(f"/schedules/job/runs/{row.id}/retry")
    assert service.ledger.get(row.id).outcome == "queued"
    assert read_run_id(row.id)[1] == row.due
    assert sum(it.skipped for it in quarters(service.ledger, time.time())) == 0
    assert admin.json("/runs?outcome=skipped")["runs"] == []
