"""The beat that leads writes, a standby does not, and one that lost its lock stops at once."""

from __future__ import annotations

import logging
import time
from datetime import datetime

import pytest
from celery import Celery

from scheduler.beat.scheduler import Scheduler
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store
from tests.support.beats import (
    GOOD,
    add_due,
    lead,
    leads,
    messages,
    put,
    running_beat,
    schedule_data,
    sent,
    stand_by,
    standing_by,
    theirs,
    write_file,
)
from tests.support.schedules import HOUR, SECOND


def test_a_standby_changes_no_schedule_data(
    beat: Scheduler, settings: Settings, store: Store, client: Client, keys: Keys, just_now: datetime
) -> None:
    client.set(keys.lock, "another beat's", px=15_000)
    add_due(store, just_now)
    put(client, keys, "bad", {"definition": "{"})
    put(client, keys, "theirs", theirs(just_now))
    write_file(settings, GOOD)
    before = schedule_data(client, keys)
    assert not leads(beat)
    stand_by(beat)
    assert sent(client) == []
    after = schedule_data(client, keys)
    assert after.pop(keys.standbys)
    assert after.pop(keys.standby_files)
    assert after == before


def test_a_standby_tells_who_leads(beat: Scheduler, celery: Celery, caplog: pytest.LogCaptureFixture) -> None:
    with running_beat(celery) as other:
        assert leads(other)
        with caplog.at_level(logging.INFO, "scheduler"):
            assert not leads(beat)
            wait = stand_by(beat)
            stand_by(beat)
        (line,) = messages(caplog)
        assert line.startswith(f"Standing by: {other.lease.name} leads, its lease ends in ")
        assert 0 < wait <= beat.max_interval


def test_a_standby_tells_again_who_leads_after_half_a_minute(
    beat: Scheduler, celery: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    beat.max_interval = 60.0
    with running_beat(celery) as other, caplog.at_level(logging.INFO, "scheduler"):
        assert leads(other)
        caplog.clear()
        wait = stand_by(beat)
        standing_by(beat).announced_at -= 30 - wait  # as if so much time had passed
        stand_by(beat)
        assert len([line for line in messages(caplog) if line.startswith("Standing by: ")]) == 2


def test_a_lock_without_a_name_is_a_stock_beats(beat: Scheduler, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "stock", px=1500_000)
    assert not leads(beat)
    assert stand_by(beat) == beat.max_interval


def test_one_of_two_beats_leads_and_the_other_follows_at_once_when_it_stops(
    beat: Scheduler, celery: Celery, keys: Keys, client: Client
) -> None:
    with running_beat(celery) as other:
        assert (leads(beat), leads(other)) == (True, False)
        beat.close()
        assert not client.exists(keys.lock, keys.leader)
        assert leads(other)


def test_stopping_a_standby_does_not_free_the_leaders_lock(beat: Scheduler, celery: Celery) -> None:
    assert leads(beat)
    with running_beat(celery) as other:
        assert not leads(other)
        other.close()
    assert beat.lease.renew(beat.client)


def test_a_beat_that_lost_its_lock_sends_nothing_and_stands_by(
    beat: Scheduler, store: Store, client: Client, keys: Keys, just_now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    assert leads(beat)
    client.set(keys.lock, "another beat's", px=15_000)
    add_due(store, just_now)
    with pytest.raises(LostLock):
        lead(beat)
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
    assert leads(beat)
    client.set(keys.lock, "another beat's", px=15_000)
    beat.max_interval = 0.1
    beat.tick()
    beat.tick()
    assert not leads(beat)
    assert store.names() == []


def test_a_beat_that_lost_its_lock_does_not_try_for_ever_to_set_something_aside(
    beat: Scheduler, client: Client, keys: Keys, just_now: datetime
) -> None:
    beat.lease.seconds = 3600.0  # so that it is not the thread which renews the lease that ends this
    lead(beat)
    client.set(keys.lock, "another beat's", px=60_000)
    put(client, keys, "bad", {"definition": "{"})
    with pytest.raises(LostLock):
        lead(beat)


def test_a_beat_that_lost_its_lock_sets_nothing_aside(
    beat: Scheduler, client: Client, keys: Keys, just_now: datetime
) -> None:
    assert leads(beat)
    client.set(keys.lock, "another beat's", px=15_000)
    put(client, keys, "bad", {"definition": "{"})
    put(client, keys, "theirs", theirs(just_now))
    beat.max_interval = 0.1
    beat.tick()
    assert client.hgetall(keys.entry("bad")) == {"definition": "{"}
    assert "origin" not in client.hgetall(keys.entry("theirs"))


def test_a_standby_that_takes_over_is_no_standby_any_more(beat: Scheduler, client: Client, keys: Keys) -> None:
    client.zadd(keys.standbys, {beat.lease.name: time.time(), "another": time.time()})
    assert leads(beat)
    assert client.zrange(keys.standbys, 0, -1) == ["another"]


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
    assert leads(beat)
    with caplog.at_level(logging.INFO, "scheduler"):
        beat.close()
        beat.close()
    assert messages(caplog) == ["Stopped and released the lock"]
