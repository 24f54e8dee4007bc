"""The application's time zone stays its own: RedBeat's crontabs and ours mean it, and messages are Celery's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from kombu import pools
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

from scheduler import celeryapp, changes
from scheduler.beat.scheduler import Scheduler
from scheduler.registry import signatures
from scheduler.sending import message
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store
from scheduler.timing import get_zone
from tests.integration.test_message_vs_kombu import RUN, make, same
from tests.integration.test_message_vs_kombu import ours as rendered
from tests.support.beats import lead, leading, running_beat
from tests.support.schedules import HOUR, SECOND

LOG_IT = "scheduler.tasks.log_it"
ZONE = "America/New_York"
PROJECT = f"""
from celery import Celery

app = Celery("theirs")
app.conf.timezone = "{ZONE}"
"""


@pytest.fixture
def celery(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An application in New York."""
    (tmp_path / "in_new_york.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "in_new_york", raising=False)
    made = celeryapp.build(replace(settings, celery_app="in_new_york:app"))
    signatures(made)
    yield made
    get_redis(made).close()
    made.close()
    pools.reset()  # type: ignore[no-untyped-call]


def save(app: Celery, when: Any) -> None:
    """What another program saves with RedBeat's API."""
    RedBeatSchedulerEntry("theirs", LOG_IT, when, args=[1, 2], app=app).save()


def look_again(beat: Scheduler) -> None:
    leading(beat).outside.looked_at = 0.0
    lead(beat)


def next_nine() -> datetime:
    """The next 09:00 in New York."""
    now = from_seconds(time.time()).astimezone(get_zone(ZONE))
    nine = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return nine if nine > now else (nine + timedelta(days=1))


def test_the_setting_stays_what_it_was(celery: Celery) -> None:
    assert (celery.conf.timezone, str(celery.timezone), celery.conf.enable_utc) == (ZONE, ZONE, True)
    celeryapp.refuse_changed_settings(celery)


def test_nine_in_new_york_of_another_program_is_nine_in_new_york(beat: Scheduler, celery: Celery, store: Store) -> None:
    lead(beat)
    save(celery, crontab(minute=0, hour=9, app=celery))
    look_again(beat)
    assert store.get("theirs").due == next_nine()


def test_what_was_stored_in_utc_moves_to_the_applications_zone_when_beat_starts(
    beat: Scheduler, celery: Celery, store: Store, settings: Settings, client: Client
) -> None:
    settings.file.write_text(f"schedules: {{ours: {{task: {LOG_IT}, args: [1, 2], cron: '0 9 * * *'}}}}\n")
    lead(beat)
    changes.create(store, "page", {"task": LOG_IT, "args": [1, 2], "cron": "0 9 * * *"}, tasks=None, by="ann")
    save(celery, crontab(minute=0, hour=9, app=celery))
    RedBeatSchedulerEntry("interval", LOG_IT, schedule(3600), args=[1, 2], app=celery).save()
    look_again(beat)
    before = store.get("interval").due
    beat.close()
    # As a release before this one left it: no zone anywhere, and the crontab was taken for UTC.
    client.hdel(store.keys.file, "zone")
    nine_utc = next_nine() - 4 * HOUR
    for name in store.names():
        client.hdel(store.keys.entry(name), "zone")
    client.hset(store.keys.entry("theirs"), "due", str(int(nine_utc.timestamp() * 1_000_000)))
    assert store.get("theirs").zone == "UTC"
    with running_beat(celery) as restarted:
        lead(restarted)
    assert {entry.zone for entry in store.all().values()} == {ZONE} == {store.zone()}
    assert store.get("theirs").due == next_nine()
    assert client.zscore(store.keys.schedule, store.keys.entry("theirs")) == next_nine().timestamp()
    assert store.get("interval").due == before
    for name in ("ours", "page"):
        assert store.get(name).fields["cron"] == "0 9 * * *"


def test_what_we_write_means_the_same_to_a_stock_beat(
    beat: Scheduler, celery: Celery, store: Store, settings: Settings
) -> None:
    settings.file.write_text(
        f"defaults: {{overlap: allow}}\nschedules:\n"
        f"  there: {{task: {LOG_IT}, args: [1, 2], cron: '0 9 * * *', timezone: {ZONE}}}\n"
        f"  here: {{task: {LOG_IT}, args: [1, 2], cron: '0 9 * * *'}}\n"
    )
    lead(beat)
    changes.pause(store, "there", by="ann")
    changes.resume(store, "there", by="ann")
    stock = RedBeatSchedulerEntry.from_key("redbeat:there", app=celery).schedule
    assert isinstance(stock, crontab)
    midnight = datetime(2026, 6, 1, tzinfo=get_zone(ZONE))
    stock.nowfun = lambda: midnight
    assert midnight + stock.remaining_estimate(midnight) == midnight + 9 * HOUR
    definition = json.loads(beat.client.hget("redbeat:here", "definition"))
    due = store.get("here").due
    assert due is not None
    assert (definition["schedule"]["__type__"], definition["schedule"]["dtstart"]) == ("rrule", due.timestamp())


def test_a_crontab_that_another_program_gives_our_schedule_is_one_of_the_applications_zone(
    beat: Scheduler, celery: Celery, store: Store, settings: Settings
) -> None:
    settings.file.write_text(f"schedules: {{job: {{task: {LOG_IT}, args: [1, 2], every: 1h}}}}\n")
    lead(beat)
    entry = RedBeatSchedulerEntry.from_key("redbeat:job", app=celery)
    entry.schedule = crontab(minute=0, hour=9, app=celery)
    entry.save()
    look_again(beat)
    assert {name: note.value for name, note in store.get("job").overlay.items()} == {
        "every": None,
        "cron": "0 9 * * *",
        "timezone": ZONE,
    }
    assert store.get("job").due == next_nine()


@pytest.mark.parametrize("expires", [None, HOUR, -SECOND])
def test_a_message_is_the_one_that_celery_sends(celery: Celery, client: Client, expires: timedelta | None) -> None:
    job = make(task=LOG_IT, args=[1, 2], queue="a-queue", priority=3)
    at = None if expires is None else from_seconds(time.time() // 1) + expires
    mine = rendered(celery, job, at)
    composed = message.compose(celery, job, RUN, at)
    first, second = json.loads(mine.payload), json.loads(composed.payload)
    for it in (first, second):
        it["properties"].pop("expiration", None)  # counted from the moment
    same(json.dumps(first), json.dumps(second))
    if at is not None:
        assert datetime.fromisoformat(first["headers"]["expires"]) == at
