"""The picture in the README. With SCREENSHOT=docs/schedules.png this makes a new one."""

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

FILE = (ROOT / "schedules.yaml").read_text(encoding="utf-8")
ERROR = "TaskFailed: This schedule always fails: delete it from schedules.yaml when you have seen enough"
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
    run(service, "always-fails", from_seconds(now // 3600 * 3600), "failed", result=ERROR, reason="error")
    weekday = {**store.get("weekday-report").fields, "cron": "0 9 * * mon-fri"}
    changes.edit(store, "weekday-report", weekday, tasks=service.tasks, by="admin", why="after the stand-up")
    worker = Worker("celery@web1", now, 60.0, ("celery",), tuple(service.tasks or ()), 4, 0, __version__)
    report(store.client, store.keys, worker)
    end = clock() + timedelta(hours=2)
    changes.pause(store, "clean-up", by="admin", note="The disk is being replaced", until=end)


@pytest.mark.usefixtures("appending")
@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 1100), ("light", 375), ("dark", 375)])
def test_the_list_can_be_shown_to_anybody(
    open_page: Open, service: Service, tmp_path: Path, scheme: str, width: int
) -> None:
    populate(service)
    page = open_page(viewport={"width": width, "height": 700}, color_scheme=scheme, device_scale_factor=2)
    changed = ("changed here: cron",) if width > 1000 else ()  # a card is too small for it
    for words in ("1 paused", "1 failed", "2 ok", *changed, "took over 3 days ago", "All well"):
        expect(page.get_by_text(words)).to_be_visible()
    picture = tmp_path / "schedules.png"
    if os.environ.get("SCREENSHOT") and (scheme, width) == ("light", 1100):
        picture = ROOT / os.environ["SCREENSHOT"]
    page.screenshot(path=picture, full_page=True)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert 20_000 < picture.stat().st_size < 500_000
