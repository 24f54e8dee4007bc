"""The pictures of README and docs/page.md. With SCREENSHOT=docs/page this makes new ones."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path

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

FILE = (ROOT / "schedules.yaml").read_text(encoding="utf-8")
ERROR = "TaskFailed: This schedule always fails: delete it from schedules.yaml when you have seen enough"
MAX_BYTES = 60_000  #: of each picture
TRACE = f"""Traceback (most recent call last):
  File "/srv/app/.venv/lib/python3.11/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/app/jobs.py", line 12, in always_fails
    raise TaskFailed(ADVICE)
{ERROR}"""
pytestmark = pytest.mark.xdist_group("browser")


def populate(service: Service) -> None:
    """The shipped schedules on an ordinary day: one was changed, one is paused, one failed."""
    store, now = service.store, time.time()
    service.settings.file.write_text(FILE, encoding="utf-8")
    lead(service)
    store.client.hset(store.keys.leader, mapping={"name": "web1:4711", "since": now - 3 * 86_400})
    changes.load_for_beat(store, FileWatch(service.settings.file), service.tasks, "leader")
    store.note_file({"path": "/etc/celery-scheduler/schedules.yaml"})
    usage = {"path": "/", "percent": 41.2}
    run(
        service, "disk-usage", from_seconds(now // 300 * 300), result=json.dumps(usage), finished=now // 300 * 300 + 0.1
    )
    run(service, "log-it", from_seconds(now // 10 * 10), result="30")
    run(
        service,
        "always-fails",
        from_seconds(now // 3600 * 3600),
        "failed",
        result=ERROR,
        reason="error",
        traceback=TRACE,
    )
    weekday = {**store.get("weekday-report").fields, "cron": "0 9 * * mon-fri"}
    changes.edit(store, "weekday-report", weekday, tasks=service.tasks, by="admin", why="after the stand-up")
    worker = Worker("celery@web1", now, 60.0, ("celery",), tuple(service.tasks or ()), 4, 0, __version__)
    report(store.client, store.keys, worker)
    end = clock() + timedelta(hours=2)
    changes.pause(store, "clean-up", by="admin", note="The disk is being replaced", until=end)


def pages(service: Service) -> dict[str, str]:
    """The eight pages by the names of their pictures."""
    [bad] = [run for run in service.ledger.runs("always-fails") if run.outcome == "failed"]
    return {
        "schedules": "/schedules",
        "schedule": "/schedules/always-fails",
        "run": f"/schedules/always-fails/runs/{bad.id}",
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
    for words in ("1 paused", "1 failed", "2 ok", *changed, "took over 3 days ago"):
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
