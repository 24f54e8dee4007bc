"""The beat's own steps, one by one: leading, loading the file, sending what is due, setting aside what cannot be."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from scheduler import entries
from scheduler.beat import Scheduler
from scheduler.dispatch import LostLock
from scheduler.instants import from_seconds
from scheduler.ledger import Ledger
from scheduler.model import run_id
from scheduler.redis_client import Client, Keys
from scheduler.settings import Settings
from scheduler.store import Store, Write
from tests.support.beats import arguments, lead, running_beat, runs_sent, sent
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.schedules import DAY, HOUR, SECOND, declared, entry_of

LOG_IT = "scheduler.tasks.log_it"
LOCKS = {"lock", "leader", "last_led"}


@pytest.fixture
def just_now() -> datetime:
    """An instant that has come, and is met on time."""
    return from_seconds(time.time()) - SECOND


def add_due(store: Store, due: datetime, name: str = "job", **fields: Any) -> None:
    """A schedule that is due at this instant and hourly from then on."""
    fields = {"task": LOG_IT, "args": [1, 2], "every": "1h", "start": due.isoformat()} | fields
    store.write([Write(name, None, entry_of(declared(name, **fields), "admin", now=due - SECOND))])


def put(client: Client, keys: Keys, name: str, stored: dict[str, Any], score: float = 1.0) -> None:
    """What another program, or a bad day, leaves in Redis."""
    if stored:
        client.hset(keys.entry(name), mapping=stored)
    client.zadd(keys.schedule, {keys.entry(name): score})


def theirs(due: datetime, **changes: Any) -> dict[str, str]:
    """An entry as RedBeat saves it, hourly and due at this instant."""
    schedule = {"__type__": "interval", "every": 3600.0, "relative": False}
    definition = {"name": "x", "task": LOG_IT, "args": [1, 2], "kwargs": {}, "options": {}, "schedule": schedule}
    return {
        "definition": json.dumps(definition | {"enabled": True} | changes),
        "meta": entries.meta(due - HOUR, 0),
    }


def schedule_data(client: Client, keys: Keys) -> dict[str, Any]:
    """Everything in Redis but what says who leads."""
    kinds = {"hash": client.hgetall, "zset": lambda key: client.zrange(key, 0, -1, withscores=True)}
    ours = [key for key in client.scan_iter(f"{keys.prefix}*") if key.rpartition(":")[2] not in LOCKS]
    return {key: kinds.get(client.type(key), client.type)(key) for key in ours}


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "scheduler"]


def test_a_due_instant_is_sent_with_its_identity(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now)
    lead(beat)
    wait = lead(beat)  # the first looks once more at what had just been changed
    (message,) = sent(beat.client)
    assert message["headers"]["scheduler_run"] == run_id("job", just_now)
    assert arguments(message) == ([1, 2], {})
    assert wait == beat.max_interval


def test_the_wait_ends_at_the_next_due_instant(beat: Scheduler, store: Store) -> None:
    add_due(store, from_seconds(time.time() + 3))
    lead(beat)
    assert 1 < lead(beat) <= 3


def test_what_is_due_at_the_same_time_is_sent_in_one_tick_however_much_it_is(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    fields: dict[str, Any] = {"task": LOG_IT, "args": [1, 2], "every": "1h", "start": just_now.isoformat()}
    wanted = [declared(f"s{number}", **fields) for number in range(1200)]
    store.write([Write(one.name, None, entry_of(one, "admin", now=just_now - SECOND)) for one in wanted])
    lead(beat)
    assert len(set(runs_sent(beat.client))) == 1200


def test_another_tick_sends_nothing_again(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now)
    lead(beat)
    lead(beat)
    assert len(sent(beat.client)) == 1


CRONTAB = {
    "__type__": "crontab",
    "minute": "*",
    "hour": "*",
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
}
INTERVAL = {"__type__": "interval", "every": 3600.0, "relative": False}
DEFINITIONS: dict[str, Any] = {
    "nothing": {"schedule": None},
    "no task": {"task": None},
    "a task that is a number": {"task": 5},
    "args that are text": {"args": "text"},
    "args that are a mapping": {"args": {"a": 1}},
    "kwargs that are a list": {"kwargs": [1]},
    "options that are a list": {"options": [1]},
    "headers that are text": {"options": {"headers": "x"}},
    "an unknown serializer": {"options": {"serializer": "morse"}},
    "an exchange without a queue": {"options": {"exchange": "nowhere", "routing_key": "x"}},
    "too few arguments for the task": {"args": []},
    "minute 61": {"schedule": CRONTAB | {"minute": "61"}},
    "31 February": {"schedule": CRONTAB | {"day_of_month": "31", "month_of_year": "2"}},
    "an unknown field of crontab": {"schedule": CRONTAB | {"second": "5"}},
    "a null minute": {"schedule": CRONTAB | {"minute": None}},
    "an empty list of minutes": {"schedule": CRONTAB | {"minute": []}},
    "an interval of nothing": {"schedule": INTERVAL | {"every": 0}},
    "a negative interval": {"schedule": INTERVAL | {"every": -1}},
    "an interval that is not a number": {"schedule": INTERVAL | {"every": float("nan")}},
    "an endless interval": {"schedule": INTERVAL | {"every": float("inf")}},
    "an interval of text": {"schedule": INTERVAL | {"every": "soon"}},
    "an interval without its length": {"schedule": {"__type__": "interval"}},
    "a schedule that is a list": {"schedule": [1]},
    "a schedule of an unknown type": {"schedule": {"__type__": "os.system"}},
    "an rrule without a frequency": {"schedule": {"__type__": "rrule"}},
    "a broken __type__ as schedule": {"schedule": {"__type__": {"__type__": "crontab"}}},
}
FRAMES: dict[str, dict[str, Any]] = {
    "no JSON in the definition": {"definition": "{"},
    "an empty definition": {"definition": ""},
    "a definition that is null": {"definition": "null"},
    "a definition that is a list": {"definition": "[]"},
    "a definition without anything": {"definition": "{}"},
    "bytes that are no text in the definition": {"definition": b'{"task": "\xff\xfe"}'},
    "bytes that are no text in meta": {"meta": b"\xff"},
    "a definition of 20 000 brackets": {"definition": "[" * 20_000},
    "no JSON in meta": {"meta": "nonsense"},
    "meta that is a list": {"meta": "[]"},
    "a last run in an unknown zone": {
        "meta": '{"last_run_at": {"year": 2026, "month": 1, "day": 1, "timezone": "Mars/Olympus"}}'
    },
    "a last run on 30 February": {"meta": '{"last_run_at": {"year": 2026, "month": 2, "day": 30}}'},
    "a last run that is text": {"meta": '{"last_run_at": {"year": "x"}}'},
    "an unknown origin": {"origin": "elsewhere"},
    "a due instant that is none": {"due": "soon", "revision": "1"},
    "a revision that is none": {"revision": "x"},
    "a revision spelled otherwise": {"revision": " 7"},
    "an overlay that is none": {"overlay": "x"},
    "a pause that is none": {"pause": "[]"},
}


def assert_set_aside_alone(beat: Scheduler, store: Store, just_now: datetime) -> None:
    """In one tick the entry 'bad' is set aside and its neighbours are sent; in the next, nothing happens to it."""
    for name in ("a", "z"):
        add_due(store, just_now, name)
    lead(beat)
    assert sorted(run.partition("@")[0] for run in runs_sent(beat.client)) == ["a", "z"]
    bad = store.get("bad")
    assert bad.error
    assert "\n" not in bad.error
    assert beat.client.zscore(beat.keys.schedule, beat.keys.entry("bad")) == entries.NEVER
    before = schedule_data(beat.client, beat.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.keys) == before


@pytest.mark.parametrize("changes", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_an_entry_of_another_program_that_cannot_be_sent_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, Any]
) -> None:
    put(beat.client, beat.keys, "bad", theirs(just_now, **changes))
    assert_set_aside_alone(beat, store, just_now)


@pytest.mark.parametrize("changes", FRAMES.values(), ids=FRAMES.keys())
def test_an_entry_whose_hash_is_damaged_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, Any]
) -> None:
    put(beat.client, beat.keys, "bad", theirs(just_now) | changes)
    assert_set_aside_alone(beat, store, just_now)


OURS: dict[str, dict[str, str]] = {
    "no JSON in the definition": {"definition": "{"},
    "no JSON in the fields": {"fields": "{"},
    "fields without a task": {"fields": '{"every": "1h"}'},
    "fields without a timing": {"fields": '{"task": "scheduler.tasks.log_it"}'},
    "an unknown zone": {
        "fields": '{"task": "scheduler.tasks.log_it", "cron": "* * * * *", "timezone": "Mars/Olympus"}'
    },
    "an unknown field": {"fields": '{"task": "scheduler.tasks.log_it", "every": "1h", "corn": 1}'},
    "too few arguments for the task": {"fields": '{"task": "scheduler.tasks.log_it", "every": "1h"}'},
    "a due instant out of range": {"due": "9" * 40},
    "a due instant spelled otherwise": {"due": "+5"},
    "a revision spelled otherwise": {"revision": "007"},
    "a count that is none": {"count": "many"},
}


@pytest.mark.parametrize("changes", OURS.values(), ids=OURS.keys())
def test_an_entry_of_ours_that_was_damaged_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, str]
) -> None:
    add_due(store, just_now, "bad")
    beat.client.hset(beat.keys.entry("bad"), mapping=changes)
    assert_set_aside_alone(beat, store, just_now)


@pytest.mark.parametrize("missing", ["revision", "due", "count", "seen", "meta", "fields", "base", "overlay", "origin"])
def test_an_entry_of_ours_that_lost_a_field_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, missing: str
) -> None:
    add_due(store, just_now, "bad")
    beat.client.hdel(beat.keys.entry("bad"), missing)
    add_due(store, just_now, "z")
    lead(beat)
    assert "z" in {run.partition("@")[0] for run in runs_sent(beat.client)}
    before = schedule_data(beat.client, beat.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.keys) == before


@pytest.mark.parametrize("kind", ["string", "list", "set"])
def test_a_key_of_another_kind_leaves_the_index_and_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, kind: str
) -> None:
    key = beat.keys.entry("bad")
    {"string": beat.client.set, "list": beat.client.lpush, "set": beat.client.sadd}[kind](key, "x")
    put(beat.client, beat.keys, "bad", {})
    add_due(store, just_now)
    lead(beat)
    assert len(sent(beat.client)) == 1
    assert beat.client.type(key) == kind
    assert store.names() == ["job"]


def test_a_member_of_the_index_that_is_no_entry_leaves_it(beat: Scheduler, store: Store, just_now: datetime) -> None:
    beat.client.zadd(beat.keys.schedule, {"no prefix": 1.0, beat.keys.entry("gone"): 1.0})
    add_due(store, just_now)
    lead(beat)
    assert len(sent(beat.client)) == 1
    assert beat.client.zrange(beat.keys.schedule, 0, -1) == [beat.keys.entry("job")]


def test_a_hash_without_a_definition_is_left_where_it_is(beat: Scheduler, store: Store) -> None:
    put(beat.client, beat.keys, "orphan", {"meta": "{}"})
    lead(beat)
    assert store.names() == []
    assert beat.client.hgetall(beat.keys.entry("orphan")) == {"meta": "{}"}


def test_a_type_nested_in_kwargs_arrives_as_it_was_written(beat: Scheduler, just_now: datetime) -> None:
    kwargs = {"message": {"__type__": "crontab", "minute": "61"}}
    put(beat.client, beat.keys, "x", theirs(just_now, task="scheduler.tasks.fail", args=[], kwargs=kwargs))
    lead(beat)
    (message,) = sent(beat.client)
    assert arguments(message) == ([], kwargs)


def test_an_interval_beyond_every_calendar_never_falls_due(beat: Scheduler, store: Store, just_now: datetime) -> None:
    put(beat.client, beat.keys, "x", theirs(just_now, schedule=INTERVAL | {"every": 1e12}))
    lead(beat)
    assert (store.get("x").due, store.get("x").error) == (None, "")


def test_a_name_that_is_no_text_leaves_the_index(beat: Scheduler, store: Store, just_now: datetime) -> None:
    beat.client.zadd(beat.keys.schedule, {beat.keys.prefix.encode() + b"\xff": 1.0})
    add_due(store, just_now)
    lead(beat)
    assert store.names() == ["job"]


def test_an_entry_that_was_set_aside_is_sent_again_once_it_is_changed(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    put(beat.client, beat.keys, "x", theirs(just_now, schedule=CRONTAB | {"minute": "61"}))
    lead(beat)
    assert store.get("x").error
    put(beat.client, beat.keys, "x", theirs(just_now))
    lead(beat)
    assert store.get("x").error == ""
    assert len(sent(beat.client)) == 1


def test_what_is_set_aside_is_told_once_with_its_reason(
    beat: Scheduler, just_now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    put(beat.client, beat.keys, "bad", theirs(just_now, task=None))
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(beat)
        lead(beat)
    told = [line for line in messages(caplog) if "bad" in line]
    assert told == [
        "Schedule 'bad' was set aside until it changes: "
        "its definition needs a task name, a list of args and a mapping of kwargs"
    ]


# loading the file


def write_file(settings: Settings, text: str) -> None:
    """As an editor saves: another file put in its place."""
    new = settings.file.with_suffix(".new")
    new.write_text(text)
    new.rename(settings.file)


GOOD = "schedules: {job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}"


def test_a_beat_that_becomes_leader_loads_the_file(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    assert store.get("job").origin == "file"
    facts = store.file_facts()
    assert (facts["path"], facts["summary"], facts["problems"]) == (str(settings.file), "1 add", "")


def test_a_file_that_did_not_change_is_not_loaded_again(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    before = schedule_data(beat.client, beat.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.keys) == before


def test_a_change_of_the_file_governs_the_next_tick(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
    lead(beat)
    assert store.get("job").fields["args"] == [3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schedules:\n  job: {task: scheduler.tasks.log",
        "- a",
        "schedules: {}",
        "schedules: {job: {every: 1h}}",
        "\0",
    ],
    ids=["empty", "cut short", "a list", "without schedules", "without a task", "no text"],
)
def test_a_bad_file_keeps_the_last_good_schedules_and_tells_why(
    beat: Scheduler, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    good = store.get("job")
    write_file(settings, text)
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(beat)
    assert store.all() == {"job": good}
    assert store.file_facts()["problems"]
    (line,) = messages(caplog)
    assert line.startswith(f"Kept the last good schedules: {settings.file} has ")


def test_a_file_that_is_gone_keeps_the_last_good_schedules(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    settings.file.unlink()
    lead(beat)
    assert store.names() == ["job"]
    assert "no such file or directory" in store.file_facts()["problems"]


def test_a_file_that_is_mended_takes_its_problems_away(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, "- a")
    lead(beat)
    assert store.file_facts()["problems"]
    write_file(settings, GOOD)
    lead(beat)
    assert store.file_facts()["problems"] == ""
    assert store.names() == ["job"]


def test_a_task_that_is_not_registered_is_refused_at_load(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD.replace("log_it", "log_in"))
    lead(beat)
    assert store.names() == []
    assert (
        "unknown task 'scheduler.tasks.log_in' — did you mean 'scheduler.tasks.log_it'?"
        in store.file_facts()["problems"]
    )


def test_an_entry_that_stands_in_no_index_stops_neither_the_file_nor_the_others(
    beat: Scheduler, settings: Settings, store: Store, just_now: datetime
) -> None:
    """The file cannot make it, because it is there, nor change it, because it is not found."""
    write_file(settings, GOOD)
    lead(beat)
    beat.client.zrem(beat.keys.schedule, beat.keys.entry("job"))
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
    add_due(store, just_now, "other")
    lead(beat)
    assert runs_sent(beat.client) == [run_id("other", just_now)]
    until(lambda: lead(beat) is None or "job" in store.names(), 20, "the schedule of the file is not back")
    assert store.get("job").fields["args"] == [3, 4]


def test_schedules_of_the_page_and_of_other_programs_survive_a_load(
    beat: Scheduler, settings: Settings, store: Store, just_now: datetime
) -> None:
    add_due(store, just_now, "page")
    put(beat.client, beat.keys, "theirs", theirs(just_now))
    write_file(settings, GOOD)
    lead(beat)
    assert store.names() == ["job", "page", "theirs"]


def test_an_entry_of_the_file_that_was_damaged_is_back_with_the_next_load(
    beat: Scheduler, settings: Settings, store: Store
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    beat.client.hset(beat.keys.entry("job"), mapping={"meta": "[", "fields": "["})
    beat.file.forget()
    lead(beat)
    assert store.get("job").error == ""
    assert store.get("job").fields["args"] == [1, 2]


def test_schedules_of_the_file_come_back_after_everything_was_lost(
    beat: Scheduler, settings: Settings, store: Store, client: Client
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    client.flushall()
    assert not beat.lease.renew(beat.client)
    lead(beat)
    assert store.names() == ["job"]


def test_after_everything_was_lost_nothing_is_sent_as_it_was_before(
    beat: Scheduler, settings: Settings, store: Store, client: Client, just_now: datetime
) -> None:
    add_due(store, just_now)
    lead(beat)
    client.flushall()
    add_due(store, from_seconds(time.time()) - SECOND, args=[3, 4])
    assert not beat.lease.renew(beat.client)
    lead(beat)
    assert arguments(sent(client)[-1]) == ([3, 4], {})


# leading and standing by


def test_a_standby_changes_no_schedule_data(
    beat: Scheduler, settings: Settings, store: Store, client: Client, keys: Keys, just_now: datetime
) -> None:
    client.set(keys.lock, "another beat's", px=15_000)
    add_due(store, just_now)
    put(client, keys, "bad", {"definition": "{"})
    put(client, keys, "theirs", theirs(just_now))
    write_file(settings, GOOD)
    before = schedule_data(client, keys)
    assert not beat.is_leading()
    beat.stand_by()
    assert sent(client) == []
    after = schedule_data(client, keys)
    assert after.pop(keys.standbys)
    assert after == before


def test_a_standby_tells_who_leads(beat: Scheduler, celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    with running_beat(celery) as other:
        assert other.is_leading()
        with caplog.at_level(logging.INFO, "scheduler"):
            assert not beat.is_leading()
            wait = beat.stand_by()
            beat.stand_by()
        (line,) = messages(caplog)
        assert line.startswith(f"Standing by: {other.lease.name} leads, its lease ends in 1")
        assert 0 < wait <= beat.max_interval


def test_a_lock_without_a_name_is_a_stock_beats(beat: Scheduler, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "stock", px=1500_000)
    assert not beat.is_leading()
    assert beat.stand_by() == beat.max_interval


def test_one_of_two_beats_leads_and_the_other_follows_at_once_when_it_stops(
    beat: Scheduler, celery: Celery, keys: Keys, client: Client
) -> None:
    with running_beat(celery) as other:
        assert (beat.is_leading(), other.is_leading()) == (True, False)
        beat.close()
        assert not client.exists(keys.lock, keys.leader)
        assert other.is_leading()


def test_stopping_a_standby_does_not_free_the_leaders_lock(beat: Scheduler, celery: Celery) -> None:
    assert beat.is_leading()
    with running_beat(celery) as other:
        assert not other.is_leading()
        other.close()
    assert beat.lease.renew(beat.client)


def test_a_beat_that_lost_its_lock_sends_nothing_and_stands_by(
    beat: Scheduler, store: Store, client: Client, keys: Keys, just_now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    assert beat.is_leading()
    client.set(keys.lock, "another beat's", px=15_000)
    add_due(store, just_now)
    with pytest.raises(LostLock):
        beat.lead()
    assert sent(client) == []
    assert store.get("job").total_run_count == 0
    beat.max_interval = 0.1
    with caplog.at_level(logging.INFO, "scheduler"):
        beat.tick()
        beat.tick()
    assert "Lost the lock: standing by" in messages(caplog)
    assert not beat.lease.held


@pytest.mark.parametrize("file", [GOOD, "- a", ""], ids=["good", "bad", "empty"])
def test_a_beat_that_lost_its_lock_while_it_reads_the_file_stands_by(
    beat: Scheduler, settings: Settings, store: Store, client: Client, keys: Keys, file: str
) -> None:
    write_file(settings, file)
    assert beat.is_leading()
    client.set(keys.lock, "another beat's", px=15_000)
    beat.max_interval = 0.1
    beat.tick()
    beat.tick()
    assert not beat.is_leading()
    assert store.names() == []


def test_a_beat_that_lost_its_lock_does_not_try_for_ever_to_set_something_aside(
    beat: Scheduler, client: Client, keys: Keys, just_now: datetime
) -> None:
    lead(beat)
    client.set(keys.lock, "another beat's", px=15_000)
    put(client, keys, "bad", {"definition": "{"})
    begun = time.monotonic()
    with pytest.raises(LostLock):
        beat.lead()
    assert time.monotonic() - begun < beat.lease.seconds / 6  # it is renewed after a third


def test_a_beat_that_lost_its_lock_sets_nothing_aside(
    beat: Scheduler, client: Client, keys: Keys, just_now: datetime
) -> None:
    assert beat.is_leading()
    client.set(keys.lock, "another beat's", px=15_000)
    put(client, keys, "bad", {"definition": "{"})
    put(client, keys, "theirs", theirs(just_now))
    beat.max_interval = 0.1
    beat.tick()
    assert client.hgetall(keys.entry("bad")) == {"definition": "{"}
    assert "origin" not in client.hgetall(keys.entry("theirs"))


def test_a_leader_that_stands_by_for_a_while_says_what_it_missed(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    client.set(keys.last_led, time.time() - 7300)
    due = from_seconds(time.time() - 7200)
    add_due(store, due, catch_up="none")
    lead(beat)
    skipped = ledger.runs("job")[-1]
    assert (skipped.outcome, skipped.reason, skipped.due) == ("skipped", "missed", due.timestamp())
    assert skipped.detail.startswith("beat was down ")


def test_an_entry_that_a_stock_beat_sent_meanwhile_is_not_sent_again(
    beat: Scheduler, store: Store, client: Client, keys: Keys, just_now: datetime
) -> None:
    add_due(store, just_now)
    client.hset(keys.entry("job"), "meta", entries.meta(just_now + SECOND / 2, 1))
    lead(beat)
    assert sent(client) == []
    assert store.get("job").due == just_now + HOUR


def test_clean_stop_is_told_once(beat: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    assert beat.is_leading()
    with caplog.at_level(logging.INFO, "scheduler"):
        beat.close()
        beat.close()
    assert messages(caplog) == ["Stopped; the lock is free for the next beat"]


# waiting


def ticking_until(beat: Scheduler, over: threading.Event) -> threading.Thread:
    """One tick in a thread, which says when it is over."""

    def tick() -> None:
        beat.tick()
        over.set()

    thread = threading.Thread(target=tick)
    thread.start()
    return thread


def test_a_change_wakes_an_idle_beat(beat: Scheduler, store: Store, celery: Celery) -> None:
    beat.max_interval = 30.0
    beat.tick()
    woken = threading.Event()
    ticking = ticking_until(beat, woken)
    assert not woken.wait(0.3)
    begun = time.monotonic()
    add_due(store, from_seconds(time.time()) + DAY)
    assert woken.wait(5)
    assert time.monotonic() - begun < 1
    ticking.join()


def test_a_change_of_the_file_wakes_an_idle_beat(beat: Scheduler, settings: Settings) -> None:
    write_file(settings, GOOD)
    beat.max_interval = 30.0
    beat.tick()
    woken = threading.Event()
    ticking = ticking_until(beat, woken)
    begun = time.monotonic()
    write_file(settings, GOOD.replace("1h", "2h"))
    assert woken.wait(10)
    assert time.monotonic() - begun < 2
    ticking.join()


def test_a_beat_waits_while_redis_is_away_says_so_once_and_goes_on(
    settings: Settings, celery: Celery, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(settings, GOOD)
    with running_beat(celery) as beat, caplog.at_level(logging.INFO, "scheduler"):
        beat.max_interval = 0.1
        beat.tick()
        redis_server.stop()
        try:
            for _ in range(3):
                beat.tick()
        finally:
            redis_server.start()
        until(lambda: beat.tick() or beat.leads, 20, "the beat does not lead again")
        until(lambda: beat.tick() or beat.store.names(), 20, "the schedules do not come back")
    told = [line.split(":")[0].split(" after")[0] for line in messages(caplog) if "Redis" in line]
    assert told[:2] == ["Redis does not answer, waiting for it", "Redis answers again"]
    assert [line for line in told[2:] if "lost all its data" not in line] == []


def test_the_banner_shows_no_password(celery: Celery, settings: Settings, tmp_path: Path) -> None:
    with running_beat(celery) as beat:
        assert beat.info.splitlines() == [
            f"       . redis -> {settings.shown_redis_url}",
            f"       . file -> {settings.file}",
        ]
