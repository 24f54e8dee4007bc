"""The beat's own steps, one by one: sending what is due, and waiting for what comes next."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from scheduler.beat.leading import Leading
from scheduler.beat.scheduler import Scheduler
from scheduler.model import run_id
from scheduler.settings import Settings
from scheduler.storage.client import AWAY
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store, Write
from tests.support.beats import (
    GOOD,
    LOG_IT,
    add_due,
    arguments,
    come_to_rest,
    lead,
    leading,
    messages,
    running_beat,
    runs_sent,
    sent,
    write_file,
)
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.schedules import DAY, SECOND, declared, entry_of


def test_a_due_instant_is_sent_with_its_identity(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now)
    lead(beat)
    wait = lead(beat)  # the first looks once more at what had just been changed
    (message,) = sent(beat.client)
    assert message["headers"]["scheduler_run"] == run_id("job", just_now)
    assert arguments(message) == ([1, 2], {})
    assert wait == beat.max_interval


def test_the_wait_ends_at_the_next_due_instant(beat: Scheduler, store: Store) -> None:
    beat.max_interval = 3600.0
    due = int(time.time()) + 600
    add_due(store, from_seconds(due))
    lead(beat)
    before = time.time()
    wait = lead(beat)
    assert due - time.time() <= wait <= due - before


def test_what_is_due_at_the_same_time_is_sent_in_one_tick_however_much_it_is(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    fields: dict[str, Any] = {"task": LOG_IT, "args": [1, 2], "every": "1h", "start": just_now.isoformat()}
    wanted = [declared(f"s{number}", **fields) for number in range(1200)]
    store.write([Write(one.name, None, entry_of(one, "admin", now=just_now - SECOND)) for one in wanted])
    lead(beat)
    assert len(set(runs_sent(beat.client))) == 1200


def test_a_tick_ends_although_something_is_due_all_the_time(beat: Scheduler, store: Store, just_now: datetime) -> None:
    for number in range(20):
        add_due(store, just_now, f"s{number}", every="1ms")
    assert lead(beat) < 0.1


def test_another_tick_sends_nothing_again(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now)
    lead(beat)
    lead(beat)
    assert len(sent(beat.client)) == 1


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
    come_to_rest(beat)
    woken = threading.Event()
    ticking = ticking_until(beat, woken)
    assert not woken.wait(0.3)
    begun = time.monotonic()
    add_due(store, from_seconds(time.time()) + DAY)
    assert woken.wait(60)
    assert time.monotonic() - begun < beat.max_interval / 2
    ticking.join()


def test_a_change_of_the_file_wakes_an_idle_beat(beat: Scheduler, settings: Settings) -> None:
    write_file(settings, GOOD)
    beat.max_interval = 30.0
    come_to_rest(beat)
    woken = threading.Event()
    ticking = ticking_until(beat, woken)
    begun = time.monotonic()
    write_file(settings, GOOD.replace("1h", "2h"))
    assert woken.wait(60)
    assert time.monotonic() - begun < beat.max_interval / 2
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
        until(lambda: beat.tick() or isinstance(beat.role, Leading), 60, "the beat does not lead again")
        until(lambda: beat.tick() or beat.context.store.names(), 60, "the schedules do not come back")
    told = [line.split(":")[0].split(" after")[0] for line in messages(caplog) if "Redis" in line]
    # That Redis came back empty may be told before it answers every question again.
    assert [line for line in told if "lost all its data" not in line] == ["Waiting for Redis", "Redis answers again"]


def test_an_edit_of_an_entry_that_beat_knows_already_governs_the_next_run(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    add_due(store, just_now, every="1s", overlap="allow")
    lead(beat)
    seen = store.get("job")
    store.write([Write("job", seen, replace(seen, fields=seen.fields | {"args": [3, 4]}))])
    before = len(sent(beat.client))
    until(lambda: [lead(beat)] and len(sent(beat.client)) > before, 60, "nothing is sent")
    assert arguments(sent(beat.client)[before]) == ([3, 4], {})


def test_an_entry_is_read_once_however_often_it_is_sent(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now, every="1s", overlap="allow")
    lead(beat)
    lead(beat)  # the first looks once more at what had just been changed
    known = leading(beat).sender.roster.get("job")
    before = len(sent(beat.client))
    until(lambda: [lead(beat)] and len(sent(beat.client)) > before + 1, 60, "nothing is sent")
    assert leading(beat).sender.roster.get("job") is known


def test_max_runs_bounds_what_is_sent_over_several_ticks(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now, every="1s", overlap="allow", max_runs=4)
    until(lambda: [lead(beat)] and (store.get("job").due is None or len(sent(beat.client)) > 4), 60, "it goes on")
    assert len(sent(beat.client)) == store.get("job").total_run_count == 4


def test_a_redis_that_took_over_and_knows_less_is_read_anew(beat: Scheduler, store: Store, just_now: datetime) -> None:
    add_due(store, just_now, every="1s", overlap="allow")
    lead(beat)
    seen = store.get("job")
    edit = replace(seen, fields=seen.fields | {"args": [3, 4]})
    beat.client.set(
        beat.context.keys.revision, seen.revision - 1
    )  # the change that beat has seen is not there any more
    beat.client.hset(beat.context.keys.entry("job"), "revision", seen.revision - 1)
    beat.wait_for_redis(AWAY[0]("the connection is lost"))
    store.write([Write("job", replace(seen, revision=seen.revision - 1), edit)])
    assert store.get("job").revision == seen.revision
    before = len(sent(beat.client))
    until(lambda: [lead(beat)] and len(sent(beat.client)) > before, 60, "nothing is sent")
    assert arguments(sent(beat.client)[-1]) == ([3, 4], {})


def test_the_banner_shows_no_password(celery: Celery, settings: Settings, tmp_path: Path) -> None:
    with running_beat(celery) as beat:
        assert beat.info.splitlines() == [
            f"       . redis -> {settings.shown_redis_url}",
            f"       . file -> {settings.file}",
        ]
