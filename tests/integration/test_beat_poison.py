"""Nothing that stands in Redis stops beat: what cannot be sent is set aside, and the others go out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.errors import RefusedChange
from scheduler.model import run_id
from scheduler.storage import entries
from scheduler.storage.client import AWAY, Client
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import (
    add_due,
    arguments,
    lead,
    leading,
    messages,
    put,
    runs_sent,
    schedule_data,
    sent,
    theirs,
)

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
    "headers of ours": {"options": {"headers": {"scheduler_references": True}}},
    "headers of ours inside Celery's": {"options": {"headers": {"headers": {"scheduler_retries": 9}}}},
    "an expiry beyond every calendar": {"options": {"expires": 3e11}},
    "a queue that looks like commands": {"options": {"queue": 'q\n[["set", "owned", "1"]]'}},
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
    assert beat.client.zscore(beat.context.keys.schedule, beat.context.keys.entry("bad")) == entries.NEVER
    before = schedule_data(beat.client, beat.context.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.context.keys) == before
    assert not beat.client.exists("owned")


@pytest.mark.parametrize("changes", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_an_entry_of_another_program_that_cannot_be_sent_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, Any]
) -> None:
    put(beat.client, beat.context.keys, "bad", theirs(just_now, **changes))
    assert_set_aside_alone(beat, store, just_now)


@pytest.mark.parametrize("changes", FRAMES.values(), ids=FRAMES.keys())
def test_an_entry_whose_hash_is_damaged_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, Any]
) -> None:
    put(beat.client, beat.context.keys, "bad", theirs(just_now) | changes)
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
    "an empty revision": {"revision": ""},
    "a count that is none": {"count": "many"},
}


@pytest.mark.parametrize("changes", OURS.values(), ids=OURS.keys())
def test_an_entry_of_ours_that_was_damaged_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, changes: dict[str, str]
) -> None:
    add_due(store, just_now, "bad")
    beat.client.hset(beat.context.keys.entry("bad"), mapping=changes)
    assert_set_aside_alone(beat, store, just_now)


@pytest.mark.parametrize("missing", ["revision", "due", "count", "seen", "meta", "fields", "base", "overlay", "origin"])
def test_an_entry_of_ours_that_lost_a_field_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, missing: str
) -> None:
    add_due(store, just_now, "bad")
    beat.client.hdel(beat.context.keys.entry("bad"), missing)
    add_due(store, just_now, "z")
    lead(beat)
    assert "z" in {run.partition("@")[0] for run in runs_sent(beat.client)}
    before = schedule_data(beat.client, beat.context.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.context.keys) == before


LEDGERS: dict[str, Callable[[Client, str], object]] = {
    "a key of another kind": lambda client, key: client.set(key, "x"),
    "open runs that are none": lambda client, key: client.hset(key, ":open", "soon bad@1"),
    "a run that waits and is none": lambda client, key: client.hset(key, ":waiting", "x"),
}


@pytest.mark.parametrize("damage", LEDGERS.values(), ids=LEDGERS.keys())
def test_a_ledger_that_is_damaged_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, damage: Callable[[Client, str], object]
) -> None:
    add_due(store, just_now, "bad")
    damage(beat.client, beat.context.keys.ledger("bad"))
    assert_set_aside_alone(beat, store, just_now)
    assert store.get("bad").error.startswith("redbeat::ledger:bad is damaged: ")
    with pytest.raises(RefusedChange, match=r"redbeat::ledger:bad is damaged: .*; delete that key, then run it"):
        leading(beat).sender.dispatcher.run_now(store.get("bad"), "ann")


def test_a_damaged_row_of_a_run_that_nobody_took_in_time_keeps_no_other_back(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    add_due(store, just_now)
    beat.client.hset(beat.context.keys.ledger("job"), mapping={":open": "1 job@1", "job@1": "x"})
    lead(beat)
    assert runs_sent(beat.client) == [run_id("job", just_now)]


def test_a_redis_that_is_full_damages_nobody(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now)
    lead(beat)
    add_due(store, just_now, "late")
    beat.client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(AWAY):
            leading(beat).sender.send(())
    finally:
        beat.client.config_set("maxmemory", "0")
    assert store.get("late").error == ""
    lead(beat)
    assert runs_sent(beat.client)[-1] == run_id("late", just_now)


def test_a_schedule_whose_damaged_ledger_was_deleted_is_sent_once_it_is_changed(
    beat: Scheduler, store: Store, ledger: Ledger, just_now: datetime
) -> None:
    add_due(store, just_now, "bad")
    beat.client.set(beat.context.keys.ledger("bad"), "x")
    lead(beat)
    assert runs_sent(beat.client) == []
    beat.client.delete(beat.context.keys.ledger("bad"))
    before = store.get("bad")
    store.write([Write("bad", before, replace(before, error=""))])
    lead(beat)
    assert runs_sent(beat.client) == [run_id("bad", just_now)]
    assert ledger.get(run_id("bad", just_now)).outcome == "queued"


@pytest.mark.parametrize("kind", ["string", "list", "set"])
def test_a_key_of_another_kind_leaves_the_index_and_stops_nobody(
    beat: Scheduler, store: Store, just_now: datetime, kind: str
) -> None:
    key = beat.context.keys.entry("bad")
    {"string": beat.client.set, "list": beat.client.lpush, "set": beat.client.sadd}[kind](key, "x")
    put(beat.client, beat.context.keys, "bad", {})
    add_due(store, just_now)
    lead(beat)
    assert len(sent(beat.client)) == 1
    assert beat.client.type(key) == kind
    assert store.names() == ["job"]


def test_a_member_of_the_index_that_is_no_entry_leaves_it(beat: Scheduler, store: Store, just_now: datetime) -> None:
    beat.client.zadd(beat.context.keys.schedule, {"no prefix": 1.0, beat.context.keys.entry("gone"): 1.0})
    add_due(store, just_now)
    lead(beat)
    assert len(sent(beat.client)) == 1
    assert beat.client.zrange(beat.context.keys.schedule, 0, -1) == [beat.context.keys.entry("job")]


def test_a_hash_without_a_definition_is_left_where_it_is(beat: Scheduler, store: Store) -> None:
    put(beat.client, beat.context.keys, "orphan", {"meta": "{}"})
    lead(beat)
    assert store.names() == []
    assert beat.client.hgetall(beat.context.keys.entry("orphan")) == {"meta": "{}"}


def test_a_type_nested_in_kwargs_arrives_as_it_was_written(beat: Scheduler, just_now: datetime) -> None:
    kwargs = {"message": {"__type__": "crontab", "minute": "61"}}
    put(beat.client, beat.context.keys, "x", theirs(just_now, task="scheduler.tasks.fail", args=[], kwargs=kwargs))
    lead(beat)
    (message,) = sent(beat.client)
    assert arguments(message) == ([], kwargs)


def test_an_interval_beyond_every_calendar_never_falls_due(beat: Scheduler, store: Store, just_now: datetime) -> None:
    put(beat.client, beat.context.keys, "x", theirs(just_now, schedule=INTERVAL | {"every": 1e12}))
    lead(beat)
    assert (store.get("x").due, store.get("x").error) == (None, "")


def test_a_name_that_is_no_text_leaves_the_index(beat: Scheduler, store: Store, just_now: datetime) -> None:
    beat.client.zadd(beat.context.keys.schedule, {beat.context.keys.prefix.encode() + b"\xff": 1.0})
    add_due(store, just_now)
    lead(beat)
    assert store.names() == ["job"]


def test_an_entry_that_was_set_aside_is_sent_again_once_it_is_changed(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    put(beat.client, beat.context.keys, "x", theirs(just_now, schedule=CRONTAB | {"minute": "61"}))
    lead(beat)
    assert store.get("x").error
    put(beat.client, beat.context.keys, "x", theirs(just_now))
    lead(beat)
    assert store.get("x").error == ""
    assert len(sent(beat.client)) == 1


def test_what_is_set_aside_is_told_once_with_its_reason(
    beat: Scheduler, just_now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    put(beat.client, beat.context.keys, "bad", theirs(just_now, task=None))
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(beat)
        lead(beat)
    told = [line for line in messages(caplog) if "bad" in line]
    assert told == [
        "Schedule 'bad' is quarantined until it is changed: "
        "its definition needs a task name, a list of args and a mapping of kwargs"
    ]
