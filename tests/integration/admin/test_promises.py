"""What the page promises to whoever is called at night; tests/unit/test_promises.py lists every promise."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Event

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from scheduler.admin.accounts import Account, write
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.errors import Exit
from scheduler.model import Entry, Outcome, Reason
from scheduler.settings import Settings
from scheduler.storage.workers import Worker, report
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import lead, run
from tests.support.outputs import printed
from tests.support.shell import Shell

STOPPED_S = 60  #: seconds ago
FRESH_S = -3600.0  #: it reports for as long as the test takes
BAD = {"result": "KeyError: 'amount'", "reason": "error"}
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def seen(service: Service, name: str, seconds_ago: float, *queues: str) -> None:
    """A worker that reported itself so long ago, and promised to again two seconds later."""
    worker = Worker(name, time.time() - seconds_ago, 2.0, queues or ("celery",), slots=4, busy=1)
    report(service.store.client, service.store.keys, worker)


def test_a_worker_that_stopped_a_minute_ago_is_named_by_pill_and_status_and_no_health_turns_better(
    admin: Browser, service: Service, shell: Shell, make: Declare
) -> None:
    lead(service)
    for name in ("good", "bad", "waits"):
        make(name)
    run(service, "good", clock() - timedelta(minutes=9))
    run(service, "bad", clock() - timedelta(minutes=9), "failed", **BAD)
    seen(service, "celery@web1", FRESH_S)
    before = {row["name"]: row["state"] for row in admin.json("/schedules")["schedules"]}
    assert "Service: 1 failing" in text(admin.get("/schedules"))
    seen(service, "celery@web1", STOPPED_S)
    for path in ("/schedules", "/runs", "/audit", "/schedules/good"):
        assert "Service: Worker celery@web1 does not report" in text(admin.get(path)), path
    status = shell("status")
    assert status.code == Exit.PROBLEMS
    assert "Worker celery@web1 does not report" in status.out
    after = {row["name"]: row["state"] for row in admin.json("/schedules")["schedules"]}
    assert after == before
    assert "schedule 'bad' is failing" in status.out


def test_a_queue_without_a_consumer_makes_its_schedule_stuck_on_the_page_and_doctor_fails(
    admin: Browser, service: Service, shell: Shell, make: Declare
) -> None:
    lead(service)
    seen(service, "celery@web1", FRESH_S)
    make("thumbnails", queue="gpu")
    identity = service.dispatcher.run_now(service.store.get("thumbnails"), "ann")
    assert "gpu" not in text(admin.get("/health")).partition("Queues")[0]
    service.store.client.zadd(service.store.keys.sent("gpu"), {identity: time.time() - 300})
    assert "Service: No worker takes from queue 'gpu'" in text(admin.get("/schedules"))
    for path in ("/schedules", "/schedules?state=stuck"):
        listed = admin.get(path)
        row = listed.text.partition("<tbody")[2]
        assert "1 stuck" in text(listed)
        assert '<span class="chip bad" title="no worker takes from its queue &#39;gpu&#39;">stuck</span>' in row, path
        assert "began" in row.partition("stuck</span>")[2][:80]
    assert "thumbnails" not in admin.get("/schedules?state=late").text.partition("<tbody")[2]
    assert shell("list", "--state", "stuck").out.split()[5:7] == ["thumbnails", "stuck"]
    health = admin.get("/health")
    assert "No worker takes from queue 'gpu', where a run waits (stuck: thumbnails)" in text(health)
    assert "Start a worker for it, with -Q gpu" in text(health)
    [pill] = [it for it in Document(health.text).all("a") if it.get("class", "").startswith("chip")]
    assert pill["class"] == "chip bad"
    for path in ("/schedules/thumbnails", f"/schedules/thumbnails/runs/{identity}"):
        page = text(admin.get(path))
        assert "Schedule 'thumbnails' is stuck: no worker takes from its queue 'gpu' , since" in page, path
        assert "Start a worker for it, with -Q gpu" in page, path
    doctor = shell("doctor")
    assert doctor.code == Exit.PROBLEMS
    assert "No worker takes from queue 'gpu'" in doctor.out + doctor.err


@pytest.fixture
def seven(service: Service, make: Declare) -> list[str]:
    """Seven failing schedules, and twenty that are well."""
    lead(service)
    seen(service, "celery@web1", FRESH_S)
    names = [f"bad-{number}" for number in range(7)]
    for name in names:
        run(service, make(name, overlap="allow").name, clock() - timedelta(minutes=9), "failed", **BAD)
    for number in range(20):
        run(service, make(f"good-{number:02}", overlap="allow").name, clock() - timedelta(minutes=9))
    return names


def test_seven_failing_schedules_are_seven_at_each_of_sixty_looks_while_runs_of_all_come_and_go(
    admin: Browser, service: Service, seven: list[str]
) -> None:
    names, over = [*seven, *(f"good-{number:02}" for number in range(20))], Event()

    def load() -> int:
        """Runs that are queued, running and, of those that are well, ended."""
        number = 0
        while not over.is_set():
            name = names[number % len(names)]
            identity = service.dispatcher.run_now(service.store.get(name), "ann")
            assert service.ledger.claim(service.ledger.get(identity), "worker@host:1", identity) == "claimed"
            if name not in seven:
                service.ledger.close(identity, "succeeded", token=identity)
            number += 1
        return number

    with ThreadPoolExecutor(1) as pool:
        under_load = pool.submit(load)
        try:
            for look in range(60):
                page = admin.get("/schedules?state=ok" if look % 2 else "/schedules")
                assert "Service: 7 failing" in text(page), look
                assert page.text.count("<title>(7) ") == 1
        finally:
            over.set()
        assert under_load.result() > 7, "each failing one had a run queued or running meanwhile"


def counted(service: Service, look: Callable[[], object]) -> int:
    """How many commands Redis is asked to do by a look, those inside scripts too."""
    client = service.store.client
    client.config_resetstat()
    look()
    calls = client.info("commandstats")
    return sum(it["calls"] for name, it in calls.items() if "config" not in name and "info" not in name)


LOOKS = ("", "?q=report", "?tag=etl", "?state=ok", "?state=failing", "?state=new&page=2", "?q=tag&tag=etl&state=ok")


def test_a_look_at_the_list_with_any_filter_and_at_the_runs_of_a_day_reads_one_page_however_many_there_are(
    admin: Browser, service: Service, make: Declare
) -> None:
    """How long these take at 50,000 and 100,000 schedules is measured by bench/reading.py."""
    lead(service)
    looks = [*(f"/schedules{query}" for query in LOOKS), "/runs?last=24h"]
    costs: list[list[int]] = []
    made = 0
    for number in (210, 420):  # of each filter, more than fit on a page
        while made < number:
            name = f"report-{made:04}" if made % 2 else f"job-{made:04}"
            run(service, make(name, tags=["etl"]).name, clock(), "failed" if made % 2 else "succeeded")
            made += 1
        admin.get("/schedules")  # the first look after a change reads what changed
        costs.append([counted(service, partial(admin.get, path)) for path in looks])
    few, many = costs
    for path, before, after in zip(looks, few, many, strict=True):
        assert after <= before * 1.2 + 5, (path, before, after)


@pytest.fixture
def people(settings: Settings, app: Flask) -> Iterator[Callable[[str], Browser]]:
    """Browsers of an operator and of a viewer, who are named after their roles."""
    settings.accounts.parent.mkdir(exist_ok=True)
    weak = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
    write(settings.accounts, [Account(f"the-{role}", role, weak) for role in ("operator", "viewer")])

    def of(role: str) -> Browser:
        browser = Browser(app)
        assert browser.log_in(username=f"the-{role}").status_code == 303
        return browser

    yield of
    settings.accounts.unlink()


def test_from_its_own_page_a_run_is_stopped_retried_and_run_with_other_arguments_and_the_ledger_names_who(
    people: Callable[[str], Browser], service: Service, nightly: Entry
) -> None:
    def at(minutes: int, outcome: Outcome) -> str:
        details = BAD if outcome == "failed" else {}
        return run(service, "nightly", clock() - timedelta(minutes=minutes), outcome, **details)

    ids = {"failed": at(30, "failed"), "queued": at(20, "failed"), "running": at(10, "running")}
    service.ledger.client.delete("reports")
    ann, reader = people("operator"), people("viewer")
    page = f"/schedules/nightly/runs/{ids['running']}"
    assert [form.action for form in Document(reader.get(page).text).forms if form.action.startswith("/schedules")] == []
    for act in (f"runs/{ids['running']}/stop", f"runs/{ids['failed']}/retry", "run"):
        assert reader.post(f"/schedules/nightly/{act}").status_code == 403
    [link] = [it["href"] for it in Document(ann.get(page).text).all("a") if it["href"].endswith("/stop")]
    assert "It is being stopped by the-operator" in text(ann.submit(link))
    service.ledger.close(ids["running"], "stopped", token="leader", reason=Reason.STOPPED)
    [retry] = [form for form in page_of(ann, ids["failed"]).forms if form.action.endswith("/retry")]
    assert "retried by the-operator" in text(ann.post(retry.action))
    assert service.ledger.get(ids["failed"]).outcome == "queued"
    [stop] = [form for form in page_of(ann, ids["failed"]).forms if form.action.endswith("/stop")]
    ann.post(stop.action)
    stopped = service.ledger.get(ids["failed"])
    assert (stopped.outcome, stopped.detail) == ("stopped", "stopped by the-operator")
    [link] = [it["href"] for it in page_of(ann, ids["queued"]).all("a") if "/run?from=" in it["href"]]
    form = Document(ann.get(link).text).forms[-1]
    ann.post(form.action, **form.fields | {"arg.a": "7"})
    newest = service.ledger.runs("nightly")[0]
    assert (newest.by, newest.manual, json.loads(newest.arguments)) == ("the-operator", True, [[7, 20], {}])
    assert {line["by"] for line in service.store.audit.lines(3)} == {"the-operator"}


def page_of(browser: Browser, identity: str) -> Document:
    return Document(browser.get(f"/schedules/nightly/runs/{identity}").text)


def test_of_a_megabyte_of_output_the_tail_is_shown_the_cut_is_told_all_kept_is_downloaded_and_nothing_in_it_acts(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    identity = run(service, "nightly", clock(), "running")
    evil = b"<script>alert(1)</script>\x1b[31m\x1b]8;;http://evil.example\x07\n"
    printed(service.ledger, identity, b"the first line\n" + b"x" * 1_000_000 + b"\n" + evil + b"the last line")
    path = f"/schedules/nightly/runs/{identity}"
    page = admin.get(path)
    shown = text(page)
    assert "the last line" in shown
    assert "bytes left out …" in shown
    assert "<script>alert(1)</script>\\x1b[31m" in shown
    assert "\x1b" not in page.text
    assert [it.get("src", "") for it in Document(page.text).all("script") if not it.get("src")] == []
    assert len(page.data) < 100_000
    download = admin.get(f"{path}/output")
    assert download.mimetype == "text/plain"
    assert download.headers["Content-Disposition"].startswith("attachment")
    assert "the first line" in download.text
    assert download.text.rstrip().endswith("the last line")
    assert "bytes left out" in download.text


@pytest.mark.parametrize(
    "typed",
    ["every weekday at 9", "30 2 * * *", "90m", "2036-12-24 18:00", "FREQ=MONTHLY;BYDAY=-1FR", "@hourly"],
)
def test_the_form_shows_the_instants_at_which_beat_then_sends(admin: Browser, service: Service, typed: str) -> None:
    new = {"name": "job", "task": "scheduler.tasks.log_it", "timing": typed, "timezone": "Europe/Berlin"}
    new |= {"args": "[1, 2]", "enabled": "on"}
    page = Document(admin.post("/schedules/new", **new, act="check").text)
    instants = list(dict.fromkeys(it["datetime"] for it in page.all("time")))
    admin.post("/schedules/new", **new)
    stored = service.store.get("job")
    assert stored.due is not None
    upcoming = admin.json("/schedules/job")["upcoming"]
    assert [it[:16] for it in instants if it][: len(upcoming)] == [it[:16] for it in upcoming]
    assert instants[0][:16] == stored.due.isoformat()[:16]
