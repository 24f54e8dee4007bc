"""RedBeat's own API reads what we write, and what it writes runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import RedBeatScheduler, get_redis

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.model import run_id
from scheduler.settings import Settings
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import arguments, lead, leading, leads, runs_sent, sent
from tests.support.schedules import DAY, HOUR, MINUTE, SECOND, declared, entry_of

LOG_IT = "scheduler.tasks.log_it"


@pytest.fixture(autouse=True)
def redbeats_client(celery: Celery) -> Iterator[None]:
    yield
    get_redis(celery).close()


@pytest.fixture
def now() -> datetime:
    return from_seconds(time.time())


def write_file(settings: Settings, text: str) -> None:
    settings.file.write_text(text)


def load(beat: Scheduler, settings: Settings, fields: str = "every: 1h, args: [1, 2]", name: str = "job") -> None:
    """The beat leads, and has loaded a file with this schedule."""
    settings.file.write_text(f"schedules: {{{name}: {{task: {LOG_IT}, {fields}}}}}")
    lead(beat)


def stock(app: Celery, name: str = "job") -> Any:
    """The entry as RedBeat's API reads it."""
    return RedBeatSchedulerEntry.from_key(f"redbeat:{name}", app=app)


def save(app: Celery, every: float = 3600.0, last: datetime | None = None, **changes: Any) -> Any:
    """An entry that another program makes with RedBeat's API."""
    fields: dict[str, Any] = {"name": "theirs", "task": LOG_IT, "schedule": schedule(every), "args": [1, 2]}
    entry = RedBeatSchedulerEntry(**fields | changes, app=app)
    if last is not None:
        entry.last_run_at = last
    return entry.save()


def look_again(beat: Scheduler) -> None:
    """The next tick, however soon after the one before."""
    leading(beat).outside.looked_at = 0.0
    lead(beat)


# what we write, RedBeat reads


def test_every_field_that_redbeat_knows_is_read(beat: Scheduler, celery: Celery, settings: Settings) -> None:
    timing = "every: 90s, start: 2100-01-01T00:00Z"  # so that it is not due while the test loads it
    load(beat, settings, f"{timing}, args: [1], kwargs: {{b: 2}}, queue: slow, priority: 3, timeout: 5s")
    entry = stock(celery)
    assert (entry.name, entry.task, entry.enabled) == ("job", LOG_IT, True)
    assert (list(entry.args), entry.kwargs) == ([1], {"b": 2})
    assert entry.options == {"queue": "slow", "priority": 3, "time_limit": 5}
    assert entry.schedule.run_every == timedelta(seconds=90)
    assert (entry.last_run_at, entry.total_run_count) == (None, 0)


def test_a_cron_expression_is_a_crontab(beat: Scheduler, celery: Celery, settings: Settings) -> None:
    load(beat, settings, 'cron: "*/20 3 * jan-jun mon-fri", args: [1, 2]')
    found = stock(celery).schedule
    assert isinstance(found, crontab)
    assert (found.minute, found.hour) == ({0, 20, 40}, {3})
    assert (found.day_of_week, found.month_of_year) == ({1, 2, 3, 4, 5}, {1, 2, 3, 4, 5, 6})


@pytest.mark.parametrize(
    "fields",
    ["every: 90s", 'cron: "*/20 * * * *"', 'cron: "0 0 13 * 5"', 'at: "2099-01-01 00:00"',
     'rrule: "FREQ=DAILY;BYHOUR=5"', 'cron: "30 0 0 * * *"', "every: 1h, jitter: 5m",
     'cron: "0 9 * * *", timezone: Asia/Tokyo', "solar: sunset 52.52 13.40"],
)  # fmt: skip
def test_every_kind_of_timing_can_be_read(beat: Scheduler, celery: Celery, settings: Settings, fields: str) -> None:
    load(beat, settings, f"{fields}, args: [1, 2]")
    entry = stock(celery)
    assert entry.due_at is None or isinstance(entry.due_at, datetime)
    assert isinstance(entry.is_due()[0], bool)


def test_after_a_run_redbeat_sees_when_it_was_and_when_the_next_is(
    beat: Scheduler, celery: Celery, store: Store, now: datetime
) -> None:
    due = now - SECOND
    wanted = declared(task=LOG_IT, args=[1, 2], every="1h", start=due.isoformat())
    store.write([Write("job", None, entry_of(wanted, "admin", now=due - SECOND))])
    lead(beat)
    entry = stock(celery)
    assert (entry.last_run_at, entry.total_run_count) == (due, 1)
    assert abs(entry.due_at - (due + HOUR)) < 2 * SECOND  # Celery reckons in whole seconds


def test_a_paused_schedule_is_disabled_for_redbeat_until_its_pause_ends(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    changes.pause(store, "job", by="ann")
    assert stock(celery).enabled is False
    changes.resume(store, "job", by="ann")
    lead(beat)
    assert stock(celery).enabled is True


def test_the_stock_scheduler_reads_our_index(beat: Scheduler, celery: Celery, store: Store, now: datetime) -> None:
    """Where ours cannot run, the stock beat can."""
    wanted = declared(task=LOG_IT, args=[1, 2], every="1h")
    store.write([Write("job", None, entry_of(wanted, "admin", now=now - 2 * HOUR))])
    stocks = RedBeatScheduler(app=celery)
    assert list(stocks.schedule) == ["job"]
    assert stocks.schedule["job"].task == LOG_IT


def test_a_stock_beat_and_ours_never_lead_together(beat: Scheduler, celery: Celery, keys: Keys) -> None:
    theirs = get_redis(celery).lock(keys.lock, timeout=60, blocking=False)
    assert theirs.acquire()
    assert not leads(beat)
    theirs.release()
    assert leads(beat)
    assert not theirs.acquire()


# what RedBeat writes, we run


def test_an_entry_of_another_program_runs_at_its_due_instant(
    beat: Scheduler, celery: Celery, ledger: Ledger, now: datetime
) -> None:
    last = now - HOUR - SECOND
    save(celery, last=last)
    lead(beat)
    (message,) = sent(beat.client)
    assert arguments(message) == ([1, 2], {})
    assert runs_sent(beat.client) == [run_id("theirs", last + HOUR)]
    assert [run.outcome for run in ledger.runs("theirs")] == ["queued"]
    assert (stock(celery, "theirs").last_run_at, stock(celery, "theirs").total_run_count) == (last + HOUR, 1)


def test_an_entry_of_another_program_is_not_sent_before_its_time(beat: Scheduler, celery: Celery, store: Store) -> None:
    save(celery)
    lead(beat)
    assert sent(beat.client) == []
    due = store.get("theirs").due
    assert due is not None
    assert timedelta(minutes=59) < due - from_seconds(time.time()) <= HOUR


def test_an_entry_without_a_last_run_is_not_sent_off_its_grid(beat: Scheduler, celery: Celery, store: Store) -> None:
    save(celery)
    beat.client.hdel("redbeat:theirs", "meta")
    beat.client.zadd(beat.context.keys.schedule, {"redbeat:theirs": 1.0})
    lead(beat)
    assert sent(beat.client) == []
    assert store.get("theirs").origin == "redbeat"


def test_a_crontab_of_another_program_means_what_celery_means(beat: Scheduler, celery: Celery, store: Store) -> None:
    """Celery runs on the 13th AND Friday; cron would run on either."""
    save(celery, schedule=crontab(minute="0", hour="0", day_of_month="13", day_of_week="5"))
    look_again(beat)
    due = store.get("theirs").due
    assert due is not None
    assert (due.day, due.weekday()) == (13, 4)


def test_options_of_another_program_hold(beat: Scheduler, celery: Celery, now: datetime) -> None:
    save(celery, last=now - HOUR - SECOND, options={"queue": "slow", "priority": 6, "headers": {"x": "y"}})
    lead(beat)
    (message,) = sent(beat.client, "slow\x06\x166")
    assert message["headers"]["x"] == "y"


def test_an_expiry_of_another_program_counts_from_each_sending(beat: Scheduler, celery: Celery, now: datetime) -> None:
    save(celery, every=1.0, last=now - 3 * SECOND, options={"expires": 20})
    lead(beat)
    found = [datetime.fromisoformat(message["headers"]["expires"]) for message in sent(beat.client)]
    assert len(found) >= 2
    assert all(15 < (expires - now).total_seconds() < 30 for expires in found)


def test_loading_a_file_never_removes_an_entry_of_another_program(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    save(celery)
    load(beat, settings)
    load(beat, settings, name="another")
    assert "theirs" in store.names()
    assert store.get("theirs").origin == "redbeat"


def test_a_file_that_declares_the_name_of_another_programs_entry_says_so_and_leaves_it(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    save(celery)
    load(beat, settings, name="theirs")
    assert store.get("theirs").origin == "redbeat"
    problems = store.file_facts()["problems"]
    assert problems == "conflict theirs (a schedule of this name already exists, with origin redbeat)"


def test_deleting_an_entry_leaves_nothing_that_a_new_one_inherits(
    beat: Scheduler, celery: Celery, store: Store, now: datetime
) -> None:
    entry = save(celery, last=now - HOUR - SECOND)
    lead(beat)
    entry.delete()
    lead(beat)
    assert store.names() == []
    assert not beat.client.exists("redbeat:theirs")
    save(celery)
    assert stock(celery, "theirs").total_run_count == 0


def test_reschedule_through_redbeat_moves_the_next_run(
    beat: Scheduler, celery: Celery, store: Store, now: datetime
) -> None:
    save(celery)
    look_again(beat)
    entry = stock(celery, "theirs")
    entry.args = [3, 4]
    entry.last_run_at = now - HOUR - SECOND
    entry.save()
    entry.reschedule(now - HOUR - SECOND)
    look_again(beat)
    assert [arguments(message) for message in sent(beat.client)] == [([3, 4], {})]


# what RedBeat changes on ours


def overlay(store: Store) -> dict[str, Any]:
    return {name: note.value for name, note in store.get("job").overlay.items()}


def test_disabling_a_file_schedule_through_redbeat_is_an_overlay(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    entry = stock(celery)
    entry.enabled = False
    entry.save()
    look_again(beat)
    assert overlay(store) == {"enabled": False}
    assert store.get("job").overlay["enabled"].by == "redbeat"
    beat.file.forget()
    lead(beat)
    assert store.get("job").fields["enabled"] is False
    assert stock(celery).enabled is False


def test_a_change_through_redbeat_is_a_line_of_the_audit_log(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    entry = stock(celery)
    entry.args = [3, 4]
    entry.save()
    look_again(beat)
    line = store.audit.lines()[0]
    assert (line["by"], line["schedule"], line["change"]) == ("redbeat", "job", "edit")
    assert (line["before"]["args"], line["after"]["args"]) == ([1, 2], [3, 4])
    assert line["why"] == "saved through RedBeat's own API"


def test_a_schedule_that_is_disabled_and_enabled_again_goes_on_at_its_next_due_instant(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    for enabled in (False, True):
        entry = stock(celery)
        entry.enabled = enabled
        entry.save()
        look_again(beat)
    found = store.get("job")
    assert found.overlay == {}
    assert found.due is not None
    assert from_seconds(time.time()) < found.due <= from_seconds(time.time()) + HOUR
    assert sent(beat.client) == []


def test_new_arguments_through_redbeat_govern_the_next_run(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings, "every: 1s, overlap: allow, args: [1, 2]")
    entry = stock(celery)
    entry.args, entry.kwargs = [], {"a": 3, "b": 4}
    entry.save()
    look_again(beat)
    assert overlay(store) == {"args": None, "kwargs": {"a": 3, "b": 4}}
    before = len(sent(beat.client))
    time.sleep(1.1)  # the next due instant
    lead(beat)
    assert [arguments(message) for message in sent(beat.client)[before:]][-1] == ([], {"a": 3, "b": 4})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (schedule(60.0), {"every": "1m"}),
        (crontab(minute="*/5"), {"every": None, "cron": "*/5 * * * *", "timezone": "UTC"}),
    ],
    ids=["interval", "crontab"],
)
def test_a_new_timing_through_redbeat_is_an_overlay(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store, theirs: Any, ours: dict[str, Any]
) -> None:
    load(beat, settings)
    entry = stock(celery)
    entry.schedule = theirs
    entry.save()
    look_again(beat)
    assert overlay(store) == ours
    due = store.get("job").due
    assert due is not None
    assert due <= from_seconds(time.time()) + 5 * MINUTE


@pytest.mark.parametrize(
    "fields",
    ["every: 90s", 'cron: "0 9 * * *", timezone: Asia/Tokyo', 'at: "2099-01-01 00:00"', 'cron: "0 0 13 * 5"',
     'rrule: "FREQ=MONTHLY;BYDAY=-1FR"'],
)  # fmt: skip
def test_saving_an_entry_through_redbeat_never_moves_its_next_run(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store, fields: str
) -> None:
    """RedBeat writes a score of its own reckoning, which knows no zones and starts at the last run."""
    load(beat, settings, f"{fields}, args: [1, 2]")
    due = store.get("job").due
    score = beat.client.zscore(beat.context.keys.schedule, "redbeat:job")
    for number in range(3):
        entry = stock(celery)
        entry.args = [number, number]
        entry.save()
        look_again(beat)
        assert beat.client.zscore(beat.context.keys.schedule, "redbeat:job") == score
    assert store.get("job").due == due
    assert overlay(store) == {"args": [2, 2]}


def test_an_entry_that_is_saved_unchanged_keeps_its_next_run_too(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings, 'cron: "0 9 * * *", timezone: Asia/Tokyo, args: [1, 2]')
    score = beat.client.zscore(beat.context.keys.schedule, "redbeat:job")
    stock(celery).save()
    look_again(beat)
    assert beat.client.zscore(beat.context.keys.schedule, "redbeat:job") == score
    assert overlay(store) == {}


def test_a_change_that_the_file_has_no_word_for_is_set_aside_until_the_file_is_loaded(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    definition = json.loads(beat.client.hget("redbeat:job", "definition"))
    definition["schedule"] = {"__type__": "solar", "event": "sunset"}
    beat.client.hset("redbeat:job", "definition", json.dumps(definition))
    look_again(beat)
    assert store.get("job").error.startswith("another program's change cannot be read: ")
    beat.file.forget()
    lead(beat)
    assert store.get("job").error == ""


def test_a_change_that_is_set_aside_is_told_once(
    beat: Scheduler, celery: Celery, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    load(beat, settings)
    beat.client.hset("redbeat:job", "definition", "{")
    for _ in range(3):
        look_again(beat)
    assert sum("quarantined" in record.getMessage() for record in caplog.records) == 1


def test_a_deleted_file_schedule_is_back_when_the_file_is_loaded(
    beat: Scheduler, celery: Celery, settings: Settings, store: Store
) -> None:
    load(beat, settings)
    stock(celery).delete()
    lead(beat)
    assert store.names() == []
    beat.file.forget()
    lead(beat)
    assert store.names() == ["job"]


def test_what_the_stock_beat_sent_is_recorded_and_not_sent_again_and_the_grid_is_ours(
    beat: Scheduler, celery: Celery, store: Store, ledger: Ledger, now: datetime
) -> None:
    due = now - 20 * MINUTE
    wanted = declared(task=LOG_IT, args=[1, 2], every="1h", start=due.isoformat())
    store.write([Write("job", None, entry_of(wanted, "admin", now=due - DAY, due=due))])
    next(stock(celery))  # what the stock beat does when it sends, twenty minutes late
    assert beat.client.zscore(beat.context.keys.schedule, "redbeat:job") > (now + 55 * MINUTE).timestamp()
    lead(beat)
    lead(beat)
    assert sent(beat.client) == []
    (skipped,) = ledger.runs("job")
    assert (skipped.reason, skipped.detail) == ("elsewhere", "another beat sent it")
    assert store.get("job").due == due + HOUR
    assert beat.client.zscore(beat.context.keys.schedule, "redbeat:job") == (due + HOUR).timestamp()


def test_redbeats_own_zone_is_utc(celery: Celery) -> None:
    """Its arithmetic is wrong in a zone with summer time."""
    assert celery.timezone is not None
    assert celery.now().utcoffset() == timedelta(0)
    assert celery.now().tzinfo is not None
    assert celery.now().astimezone(UTC) - celery.now() < SECOND
