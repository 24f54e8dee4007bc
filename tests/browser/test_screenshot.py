"""The pictures of README and docs/page.md. With SCREENSHOT=docs/page this makes new ones."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from scheduler import __version__, changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.instants import from_seconds
from scheduler.storage.workers import Worker, report
from tests.browser.conftest import ROOT, Open
from tests.integration.admin.runs import lead, run
from tests.support.pictures import shrink

EXAMPLE = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n  backup:")[2].partition("```")[0]
FILE = f"{(ROOT / 'schedules.yaml').read_text(encoding='utf-8')}\n  backup:{EXAMPLE}"
ERROR = "KeyError: 'amount'"
EXPECTED = "TaskFailed: This schedule always fails: delete it from schedules.yaml when you have seen enough"
MAX_BYTES = 60_000  #: of each picture
TRACE = f"""Traceback (most recent call last):
  File "/srv/app/.venv/lib/python3.11/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/app/reports.py", line 48, in build
    total = sum(order["amount"] for order in orders)
{ERROR}"""
DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
TOOK = (61, 64, 58, 70, 66, 73, 59, 62, 88, 75, 63, 60, 67, 71, 65, 58, 92, 69, 64, 72)  #: of the longest, in percent
pytestmark = pytest.mark.xdist_group("browser")


def populate(service: Service) -> None:
    """README's schedules on a bad morning: one fails since two nights, one was changed, one is paused."""
    store, now = service.store, datetime.now(UTC)
    tasks = {**(service.tasks or {}), "reports.build": None}
    service.settings.file.write_text(FILE, encoding="utf-8")
    lead(service)
    store.client.pexpire(store.keys.lock, 600_000)  # or the page would show a lease that is about to end
    store.client.hset(store.keys.leader, mapping={"name": "web1:4711", "since": (now - 3 * DAY).timestamp()})
    changes.load_for_beat(store, FileWatch(service.settings.file), tasks, "leader")
    store.note_file({"path": "/etc/celery-scheduler/schedules.yaml"})
    history(service, "log-it", now, 10 * SECOND, 2 * SECOND, result="30")
    history(service, "disk-usage", now, 5 * MINUTE, 0.1 * SECOND, result=json.dumps({"path": "/", "percent": 41.2}))
    history(service, "backup", at(2, 0, "UTC"), DAY, 9 * MINUTE)
    night = at(2, 30, "America/New_York")
    history(service, "nightly-report", night - 2 * DAY, DAY, 70 * SECOND)
    for due in (night - DAY, night):
        failed(service, "nightly-report", due, ERROR, traceback=TRACE)
    failed(service, "always-fails", now.replace(minute=0, second=0, microsecond=0), EXPECTED)
    weekday = {**store.get("weekday-report").fields, "cron": "0 9 * * mon-fri"}
    changes.edit(store, "weekday-report", weekday, tasks=service.tasks, by="admin", why="after the stand-up")
    worker = Worker("celery@web1", now.timestamp(), 60.0, ("celery",), tuple(tasks), 4, 0, __version__)
    report(store.client, store.keys, worker)
    changes.pause(store, "clean-up", by="admin", note="The disk is being replaced", until=clock() + 2 * HOUR)


def at(hour: int, minute: int, zone: str) -> datetime:
    """The last time that clocks of the zone showed this."""
    now = datetime.now(ZoneInfo(zone))
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today < now else today - DAY


def history(
    service: Service, name: str, last: datetime, every: timedelta, longest: timedelta, result: str = ""
) -> None:
    """Twenty runs that succeeded, up to the last due instant."""
    for number, percent in enumerate(TOOK):
        due = (last - (len(TOOK) - 1 - number) * every).astimezone(UTC)
        if every < DAY:
            due = from_seconds(due.timestamp() // every.total_seconds() * every.total_seconds())
        run(service, name, due, result=result, finished=(due + longest * percent / 100).timestamp())


def failed(service: Service, name: str, due: datetime, error: str, **details: str) -> None:
    run(service, name, due.astimezone(UTC), "failed", result=error, reason="error", **details)


def pages(service: Service) -> dict[str, str]:
    """The eight pages by the names of their pictures."""
    bad = next(run for run in service.ledger.runs("nightly-report") if run.outcome == "failed")
    return {
        "schedules": "/schedules",
        "schedule": "/schedules/nightly-report",
        "run": f"/schedules/nightly-report/runs/{bad.id}",
        "runs": "/runs?last=24h",
        "timeline": "/timeline",
        "health": "/health",
        "edit": "/schedules/weekday-report/edit",
        "audit": "/audit",
    }


@pytest.mark.usefixtures("appending")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 390), ("dark", 390)])
def test_the_eight_pages_can_be_shown_to_anybody(
    open_page: Open, service: Service, tmp_path: Path, scheme: str, width: int
) -> None:
    populate(service)
    page = open_page(viewport={"width": width, "height": 620}, color_scheme=scheme)
    changed = ("changed here: cron",) if width > 1000 else ()  # a card is too small for it
    for words in ("1 paused", "1 failing", "1 expected failure", "3 ok", *changed, "took over 3 days ago"):
        expect(page.get_by_text(words).first).to_be_visible()
    is_kept = bool(os.environ.get("SCREENSHOT")) and scheme == "light"
    directory = ROOT / os.environ["SCREENSHOT"] if is_kept else tmp_path
    directory.mkdir(exist_ok=True)
    for name, path in pages(service).items():
        page.goto(path)
        picture = directory / f"{name}-{width}.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 5_000
        if is_kept:
            shrink(picture)
            assert picture.stat().st_size < MAX_BYTES, picture
