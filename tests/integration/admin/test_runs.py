"""The runs of all schedules on one page: what failed last night, and every row there is."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Run, read_run_id, run_id
from scheduler.status import runs as status_runs
from scheduler.status.runs import PAGE_SIZE
from scheduler.storage.instants import iso
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import commit, run
from tests.support.shell import Shell


def listed(admin: Browser, query: str) -> list[str]:
    return [found["id"] for found in admin.json(f"/runs?{query}")["runs"]]


def test_what_failed_is_one_link_away_also_for_a_schedule_that_is_well_again(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job"), make("other")
    now = clock()
    failed = run(service, "job", now - timedelta(minutes=9), "failed", result="KeyError: 'amount'", reason="error")
    run(service, "job", now - timedelta(minutes=5))
    lost = run(service, "other", now - timedelta(minutes=7), "lost", reason="lost")
    (link,) = (
        it["href"] for it in Document(admin.get("/schedules").text).all("a") if it["href"].startswith("/runs?out")
    )
    page = text(admin.get(link))
    assert "KeyError: 'amount'" in page
    assert listed(admin, link.partition("?")[2]) == [lost, failed]
    assert listed(admin, "outcome=failed&last=1h&q=JO") == [failed]
    assert listed(admin, "outcome=lost&q=job") == []
    assert len(listed(admin, "")) == 3
    assert "No runs match" in text(admin.get("/runs?q=zzz"))


def test_every_row_is_reached_though_many_fell_due_at_once(service: Service, admin: Browser, make: Declare) -> None:
    due, names = clock() - timedelta(minutes=9), [f"job-{number:03}" for number in range(PAGE_SIZE + 12)]
    for name in names:
        make(name)
        run(service, name, due)
    first = admin.json("/runs")
    second = admin.json(f"/runs?before={quote(first['before'])}")
    found = [it["id"] for it in (*first["runs"], *second["runs"])]
    assert found == sorted((run_id(name, due) for name in names), reverse=True)
    assert second["before"] is None
    assert re.search(r"12 runs before .*← Newest", text(admin.get(f"/runs?before={quote(first['before'])}")))


def test_the_whole_ledger_of_a_schedule_is_reached_from_its_page(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job", overlap="allow"), make("job-2")
    now = clock()
    due = [run(service, "job", now - timedelta(minutes=minutes)) for minutes in range(60, 0, -1)]
    run(service, "job-2", now)
    assert "All runs of job" in text(admin.get("/schedules/job"))
    first = admin.json("/runs?schedule=job")
    second = admin.json(f"/runs?schedule=job&before={quote(first['before'])}")
    assert [it["id"] for it in (*first["runs"], *second["runs"])] == due[::-1]


def test_times_bound_the_list_and_nonsense_in_the_address_is_ignored(
    service: Service, admin: Browser, make: Declare
) -> None:
    make("job")
    now = clock()
    old, new = (run(service, "job", now - timedelta(hours=hours)) for hours in (30, 3))
    middle = (now - timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M")
    assert listed(admin, f"from={middle}") == [new]
    assert listed(admin, f"until={middle}") == [old]
    assert listed(admin, "last=24h") == [new]
    assert listed(admin, "last=x&from=yesterday&until=9&before=nan~x&outcome=bad") == [new, old]


def test_runs_are_found_by_tag_and_by_worker(service: Service, admin: Browser, make: Declare, shell: Shell) -> None:
    make("load", tags=["etl", "night"]), make("bill")
    now = clock()
    load = run(service, "load", now - timedelta(minutes=9), "failed", result="no")
    bill = run(service, "bill", now - timedelta(minutes=5), "failed", result="no")
    waiting = run_id("bill", now)
    commit(service, service.store.get("bill"), runs=(now,))
    assert listed(admin, "tag=etl") == listed(admin, "tag=night&outcome=failed") == [load]
    assert listed(admin, "tag=none") == []
    assert listed(admin, "worker=WORKER@host") == [bill, load]
    assert waiting in listed(admin, "")
    assert [it["schedule"] for it in admin.json("/runs?by=error&tag=etl")["errors"]] == ["load"]
    assert [it["id"] for it in shell("history", "--tag", "etl", "--json").json] == [load]
    assert shell("history", "--worker", "elsewhere", "--json").json == []
    shown = Document(admin.get("/runs?tag=etl&worker=host&outcome=failed").text)
    assert {it["value"] for it in shown.all("input") if it.get("name") in ("tag", "worker")} == {"etl", "host"}
    (lost,) = (it["href"] for it in shown.all("a") if "outcome=lost" in it["href"])
    assert "tag=etl" in lost
    assert "worker=host" in lost


def test_what_failed_is_counted_by_schedule_and_error_and_each_count_leads_to_its_runs(
    service: Service, admin: Browser, make: Declare, shell: Shell
) -> None:
    make("job"), make("other")
    now = clock()
    key, disk = "KeyError: 'amount'\nin line 3", "OSError: the disk is full"
    told = [("job", key, 50), ("job", disk, 40), ("other", key, 30), ("job", key, 20)]
    runs = [run(service, name, now - timedelta(minutes=at), "failed", result=text) for name, text, at in told]
    run(service, "job", now - timedelta(minutes=10))
    found = admin.json("/runs?by=error")["errors"]
    expected = [("job", "KeyError: 'amount'", 2), ("other", "KeyError: 'amount'", 1), ("job", disk, 1)]
    assert [(it["schedule"], it["error"], it["count"]) for it in found] == expected
    assert (found[0]["first"], found[0]["last"], found[0]["run"]) == (
        *(iso(read_run_id(identity)[1]) for identity in (runs[0], runs[3])),
        runs[3],
    )
    assert shell("history", "--by-error", "--json").json == found
    assert shell("history", "job", "--by-error", "-n", "1").out.splitlines()[1].split()[:2] == ["job", "2"]
    page = Document(admin.get("/runs?by=error&last=24h").text)
    (link,) = (it["href"] for it in page.all("a") if "error=KeyError" in it["href"] and "schedule=job" in it["href"])
    assert listed(admin, link.partition("?")[2]) == [runs[3], runs[0]]
    assert "Nothing failed or was lost" in text(admin.get("/runs?by=error&last=1h&error=nothing"))


def test_counts_by_error_say_how_far_back_they_looked(
    service: Service, admin: Browser, make: Declare, monkeypatch: pytest.MonkeyPatch, shell: Shell
) -> None:
    monkeypatch.setattr(status_runs, "MAX_LOOKED_AT", 2)
    make("job", overlap="allow")
    now = clock()
    runs = [run(service, "job", now - timedelta(minutes=at), "failed", result="no") for at in (30, 20, 10)]
    page = admin.get("/runs?by=error")
    assert [it["count"] for it in admin.json("/runs?by=error")["errors"]] == [2]
    (before,) = (it["href"] for it in Document(page.text).all("a") if "before=" in it["href"])
    assert listed(admin, before.partition("?")[2]) == [runs[0]]
    assert "only runs back to" in shell("history", "--by-error").err


def test_each_attempt_of_a_run_is_a_row_of_its_page(service: Service, admin: Browser, make: Declare) -> None:
    make("job")
    identity = run(service, "job", clock() - timedelta(minutes=9), "queued", reason="retrying", error="Busy: no <disk>")
    begun = Run(identity, "job", 0.0, "running")
    assert service.ledger.claim(begun, "other@host:8", "second") == "claimed"
    assert service.ledger.close(identity, "succeeded", token="second")
    page = f"/schedules/job/runs/{quote(identity)}"
    rows = r"Attempts .* 1 .* failed Busy: no <disk> worker@host:7 2 .* succeeded other@host:8"
    assert re.search(rows, text(admin.get(page)))
    (first, second) = admin.json(page)["attempts"]
    assert (first["number"], first["outcome"], first["error"]) == (1, "failed", "Busy: no <disk>")
    assert (second["worker"], second["ended"]) == ("other@host:8", admin.json(page)["finished"])
