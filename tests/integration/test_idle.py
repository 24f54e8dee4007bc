"""A beat with nothing to do asks Redis little, and hears at once what another program does with RedBeat's API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

from scheduler.beat import outside
from scheduler.beat.leading import QUIET_INTERVAL_S
from scheduler.beat.lease import Lease
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.snapshot import Snapshot
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from tests.support.beats import come_to_rest, leading
from tests.support.polling import until
from tests.support.schedules import HOUR, declared, entry_of

MAX_COMMANDS_A_SECOND = 3.0
EVERY_HOUR: dict[str, Any] = {"task": "scheduler.tasks.log_it", "args": [1, 2], "every": "1h"}


@pytest.fixture(autouse=True)
def redbeats_client(celery: Celery) -> Iterator[None]:
    yield
    get_redis(celery).close()


@pytest.fixture
def add(store: Store, settings: Settings) -> Callable[[int], None]:
    """Store so many schedules, none of them due within the hour."""
    settings.file.write_text("schedules: {}")

    def store_many(count: int) -> None:
        later = from_seconds(time.time()) + HOUR
        wanted = [
            declared(f"s{number}", task="scheduler.tasks.log_it", args=[1, 2], every="1h") for number in range(count)
        ]
        store.write([Write(one.name, None, entry_of(one, "admin", now=later)) for one in wanted])

    return store_many


@pytest.fixture
def quiet(beat: Scheduler, add: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """A beat that leads over three schedules and has done all that it does at its start; nothing else asks Redis."""
    add(3)
    come_to_rest(beat)
    beat.lease.renew(beat.client)
    monkeypatch.setattr(beat.lease, "renew", lambda *_, **__: True)  # its thread renews when it likes
    return beat


def save(app: Celery, name: str = "s1", **changes: Any) -> None:
    """What another program does; the entry is not due by that."""
    entry = RedBeatSchedulerEntry.from_key(f"redbeat:{name}", app=app)
    entry.last_run_at = app.now()
    for field, value in changes.items():
        setattr(entry, field, value)
    entry.save()


def commands(client: Client) -> int:
    """How many Redis has carried out, those within scripts included."""
    return int(client.info("stats")["total_commands_processed"])


def test_an_idle_beat_asks_redis_at_most_three_times_a_second(quiet: Scheduler, client: Client) -> None:
    role = leading(quiet)
    role.groups_at = role.probed_at = 0.0
    before = commands(client)
    role.tick()
    of_a_tick = commands(client) - before - 1
    before = commands(client)
    assert Lease.renew(quiet.lease, quiet.client)
    of_a_renewal = commands(client) - before - 1
    assert role.longest_wait(quiet.max_interval) == QUIET_INTERVAL_S
    assert (of_a_tick, of_a_renewal) == (10, 4)
    assert of_a_tick / QUIET_INTERVAL_S + of_a_renewal / (quiet.lease.seconds / 3) < MAX_COMMANDS_A_SECOND


def test_a_save_of_another_program_ends_the_wait(quiet: Scheduler, celery: Celery) -> None:
    save(celery, args=[7, 7])
    quiet.listener.listen(60.0, lambda: bool(quiet.listener.index))
    assert quiet.listener.index == "changed"
    save(celery, args=[8, 8])
    RedBeatSchedulerEntry.from_key("redbeat:s2", app=celery).delete()
    assert quiet.listener.take_index() == "changed"
    assert quiet.listener.take_index() == ""


@pytest.mark.parametrize("count", [3, 1_200])
def test_what_another_program_saved_is_in_force_before_beat_waits_again_however_many_are_stored(
    beat: Scheduler, add: Callable[[int], None], celery: Celery, store: Store, count: int
) -> None:
    add(count)
    come_to_rest(beat)
    save(celery, args=[7, 7])
    leading(beat).outside.looked_at = time.monotonic()  # no ordinary look within a minute
    assert leading(beat).tick() == 0.0
    until(lambda: leading(beat).tick() > 0, 60, "beat rests: on a busy machine a tick gets through fewer entries")
    assert store.get("s1").fields["args"] == [7, 7]
    assert store.get("s2").fields["args"] == [1, 2]


def test_beat_rests_only_after_its_copy_for_a_loss_has_each_change(quiet: Scheduler, store: Store) -> None:
    role, before = leading(quiet), store.get("s1")
    store.write([Write("s1", before, replace(before, fields=before.fields | {"args": [9, 9]}))])
    role.tick()
    assert not role.outside.may_hide, "the place in the index is the same"
    assert role.longest_wait(2.0) == 2.0
    quiet.context.backup.next_write = 0.0
    role.tick()
    assert json.loads(Snapshot.of(quiet.settings).entries["s1"]["fields"])["args"] == [9, 9]


def test_what_beat_does_itself_is_not_looked_for(quiet: Scheduler, store: Store, client: Client, keys: Keys) -> None:
    now = from_seconds(time.time())
    due = declared("due", **EVERY_HOUR, start=now.isoformat())
    store.write([Write("due", None, entry_of(due, "admin", now=now - HOUR))])
    role = leading(quiet)
    role.tick()
    assert client.llen("celery") == 1
    assert role.sender.passes == 0
    assert role.longest_wait(2.0) == 2.0
    assert role.outside.may_hide


def test_a_user_of_redis_without_client_tracking_is_looked_after_each_second(
    beat: Scheduler, add: Callable[[int], None], client: Client, celery: Celery, store: Store
) -> None:
    add(3)
    client.acl_setuser("default", enabled=True, commands=["-client|tracking"])
    try:
        role = leading(beat)
        for _ in range(3):
            role.tick()
            beat.listener.listen(0.0, role.is_interrupted, with_index=True)
    finally:
        client.acl_setuser("default", enabled=True, commands=["+client|tracking"])
    assert not beat.listener.hears_index
    assert role.longest_wait(60.0) == outside.LOOK_INTERVAL_S
    save(celery, args=[7, 7])
    role.outside.looked_at -= outside.LOOK_INTERVAL_S
    role.tick()
    assert store.get("s1").fields["args"] == [7, 7]


def test_a_renewal_that_fails_ends_the_wait(quiet: Scheduler) -> None:
    role = leading(quiet)
    assert not role.is_interrupted()
    quiet.lease.has_failed = True
    assert role.is_interrupted()
    role.tick()
    assert not role.is_interrupted()
