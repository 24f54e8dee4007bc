"""A beat inside the test's process, driven step by step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from celery import Celery

from scheduler.beat.leading import Leading
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.standing_by import StandingBy
from scheduler.sending.headers import RUN_HEADER
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store, Write
from tests.support.schedules import HOUR, SECOND, declared, entry_of

LOG_IT = "scheduler.tasks.log_it"
LOCKS = {"lock", "leader", "last_led"}
#: Nothing of it falls due by itself, although an hour may begin amid a test.
GOOD = "schedules: {job: {task: scheduler.tasks.log_it, every: 1h, start: '2999-01-01T00:00:00Z', args: [1, 2]}}\n"


@contextmanager
def running_beat(app: Celery) -> Iterator[Scheduler]:
    """A beat that gives up its lock and its connections at the end."""
    beat = Scheduler(app=app)
    beat.file.settled = beat.file.settled_without = 0.0  # tests save by a rename, and tick at once
    try:
        yield beat
    finally:
        beat.listener.close()
        beat.close()
        beat.client.close()


def leads(beat: Scheduler) -> bool:
    """Whether it leads, after it tried once to take the lock if it did not."""
    return isinstance(beat.take_role(), Leading)


def leading(beat: Scheduler) -> Leading:
    """Its role of leader; it takes the lock if it has to."""
    role = beat.take_role()
    assert isinstance(role, Leading)
    return role


def standing_by(beat: Scheduler) -> StandingBy:
    """Its role of standby, without a try for the lock."""
    assert isinstance(beat.role, StandingBy)
    return beat.role


def lead(beat: Scheduler) -> float:
    """One tick of a beat that can lead, without its wait; returns the seconds that it would wait."""
    return float(min(leading(beat).tick(), beat.max_interval))


def come_to_rest(beat: Scheduler) -> None:
    """Ticks of a beat that leads, without their waits, until it would wait for what is due or announced."""
    role = leading(beat)
    for _ in range(20):
        role.outside.looked_at = 0.0
        role.tick()
        if role.indexes.thread:
            role.indexes.thread.join()
        beat.listener.listen(0.0, role.is_interrupted, with_index=True)
        if role.outside.is_told and not beat.listener.index and not role.sender.passes:
            return
    raise AssertionError("it does not come to rest")


def lead_through_a_loss(beat: Scheduler) -> None:
    """Several ticks without their waits; in one of them the beat may notice that its lock is gone too."""
    for _ in range(6):
        try:
            lead(beat)
        except LostLock:
            beat.demote()


def stand_by(beat: Scheduler) -> float:
    """The same of a standby."""
    return float(min(standing_by(beat).tick(), beat.max_interval))


def sent(client: Client, queue: str = "celery") -> list[dict[str, Any]]:
    """The messages in a queue, the first sent first."""
    return [json.loads(message) for message in reversed(client.lrange(queue, 0, -1))]


def runs_sent(client: Client, queue: str = "celery") -> list[str]:
    """The runs of these messages."""
    return [message["headers"][RUN_HEADER] for message in sent(client, queue)]


def arguments(message: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments that a message carries."""
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    return args, kwargs


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


FLEETING = {*LOCKS, "indexed", "probe"}  #: ends of the keys that come and go by themselves


def schedule_data(client: Client, keys: Keys) -> dict[str, Any]:
    """Everything in Redis but what says who leads, and that it takes writes, and when a thread read the ledgers."""
    kinds = {"hash": client.hgetall, "zset": lambda key: client.zrange(key, 0, -1, withscores=True)}
    ours = [key for key in client.scan_iter(f"{keys.prefix}*") if key.rpartition(":")[2] not in FLEETING]
    return {key: kinds.get(client.type(key), client.type)(key) for key in ours}


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "scheduler"]


def write_file(settings: Settings, text: str) -> None:
    """As an editor saves: another file put in its place."""
    new = settings.file.with_suffix(".new")
    new.write_text(text)
    new.rename(settings.file)
