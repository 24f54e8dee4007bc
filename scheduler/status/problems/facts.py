"""What Redis knows of the service, read when a kind of problem asks for it, and once for all kinds."""

from __future__ import annotations

import socket
import time
from functools import cached_property
from typing import Any, NamedTuple

import redis

from scheduler.command_name import restart_advice, start_command
from scheduler.settings import Settings
from scheduler.status.lacking import Lacking, lacking
from scheduler.status.unstarted import UNTAKEN_S, AllUnstarted, unstarted
from scheduler.storage import first_seen, groups, health, lock, queues, uses
from scheduler.storage.alerts import SinkState, sink_states
from scheduler.storage.client import Client, refusal_of_writes
from scheduler.storage.groups import Group
from scheduler.storage.health import AllFailing, Quarantined
from scheduler.storage.keys import Keys
from scheduler.storage.queues import PRIORITY
from scheduler.storage.records import loads, mapping, read_or, seconds
from scheduler.storage.store import Store
from scheduler.storage.uses import Users
from scheduler.storage.workers import Worker
from scheduler.storage.workers import workers as known_workers

LEFT_S = 10.0 + UNTAKEN_S  #: the pause between two reports of a worker, and what the next one needs to start
STANDBY_S = 30.0  #: a standby that was not heard of for so long has gone
MAX_NAMED = 10  #: failing or quarantined schedules that get a line each; the others are counted


class Queue(NamedTuple):
    """A queue in which runs wait; a priority is a queue of its own."""

    key: str
    since: float  #: epoch seconds: when the run that waits longest was sent
    waiting: int  #: runs


class Facts:
    """One look at the service. Its clock is this machine's, in epoch seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.now = time.time()

    @property
    def client(self) -> Client:
        return self.store.client

    @property
    def keys(self) -> Keys:
        return self.store.keys

    @cached_property
    def refusal(self) -> Exception | None:
        """Why Redis accepts no writes; None if it does."""
        return refusal_of_writes(self.client, self.keys)

    @cached_property
    def first_seen(self) -> dict[str, float]:
        """Since when the leader sees each problem, in epoch seconds."""
        return first_seen.first_seen(self.client, self.keys)

    @cached_property
    def info(self) -> dict[str, Any]:
        """Redis's INFO; empty for a user of Redis who may not ask."""
        try:
            info: dict[str, Any] = self.client.info()
        except redis.exceptions.NoPermissionError:
            return {}
        return info

    @cached_property
    def leader(self) -> lock.Holder | None:
        return lock.holder(self.client, self.keys)

    @cached_property
    def standbys(self) -> tuple[str, ...]:
        return tuple(self.client.zrangebyscore(self.keys.standbys, self.now - STANDBY_S, "+inf"))

    @cached_property
    def standbys_with_other_file(self) -> frozenset[str]:
        """The standbys whose schedule file differs from the one that the leader read last."""
        if not self.standbys or "digest" not in self.file:
            return frozenset()
        digests = self.client.hmget(self.keys.standby_files, self.standbys)
        same = (None, self.file["digest"])
        return frozenset(name for name, digest in zip(self.standbys, digests, strict=True) if digest not in same)

    @cached_property
    def file(self) -> dict[str, str]:
        """What became of the schedule file; see ``Store.file_facts``."""
        return self.store.file_facts()

    @cached_property
    def expected_to_fail(self) -> frozenset[str]:
        """Schedules with ``alerts: {off: why}`` in the last good file."""
        nothing: frozenset[str] = frozenset()
        return read_or(nothing, names, self.file.get("expected_to_fail") or "[]")

    @cached_property
    def workers(self) -> tuple[Worker, ...]:
        """Those that report, and those that ended without a word."""
        return known_workers(self.client, self.keys)

    @property
    def live_workers(self) -> tuple[Worker, ...]:
        return tuple(worker for worker in self.workers if not worker.is_silent(self.now))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of the schedule file, with their runs."""
        return groups.groups(self.client, self.keys)

    @cached_property
    def unstarted(self) -> AllUnstarted:
        """The schedules that are late or stuck."""
        return unstarted(
            self.store, {it.key: it.waiting for it in self.queues}, self.taken_queues, self.now, self.groups
        )

    @cached_property
    def failing(self) -> AllFailing:
        """How many schedules are failing, and the MAX_NAMED worst; without those that are expected to fail."""
        return health.failing(self.client, self.keys, MAX_NAMED, self.expected_to_fail)

    @cached_property
    def quarantined(self) -> tuple[int, dict[str, Quarantined]]:
        """How many schedules were set aside, and why and when, of the first MAX_NAMED by name."""
        return health.quarantined(self.client, self.keys, MAX_NAMED)

    @cached_property
    def queue_keys(self) -> tuple[str, ...]:
        """The keys of all queues that runs were sent to."""
        return tuple(sorted(self.client.smembers(self.keys.queues)))

    @cached_property
    def queues(self) -> tuple[Queue, ...]:
        """Each queue in which runs wait."""
        keys = self.queue_keys
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zrange(self.keys.sent(key), 0, 0, withscores=True)
                pipe.zcard(self.keys.sent(key))
            answers = pipe.execute(raise_on_error=False)
        return tuple(
            Queue(key, first[0][1], waiting)
            for key, first, waiting in zip(keys, answers[::2], answers[1::2], strict=True)
            if isinstance(first, list) and first and isinstance(waiting, int)
        )

    @property
    def waiting_by_queue(self) -> dict[str, Queue]:
        """The same by name: the priorities of a queue count as one."""
        merged: dict[str, Queue] = {}
        for key, since, waiting in self.queues:
            name = key.partition(PRIORITY)[0]
            before = merged.get(name, Queue(name, since, 0))
            merged[name] = Queue(name, min(since, before.since), waiting + before.waiting)
        return merged

    @cached_property
    def sinks(self) -> dict[str, SinkState]:
        """How deliveries go, by sink of the last good schedule file; one that never got an alert has an empty state."""
        states = sink_states(self.client, self.keys)
        return {name: states.get(name, SinkState()) for name in sorted(self.declared("sinks"))}

    def declared(self, part: str) -> frozenset[str]:
        """The names in ``sinks`` or ``pings`` of the last good schedule file."""

        def names(text: str) -> frozenset[str]:
            return frozenset(mapping(mapping(loads(text)).get(part, {})))

        return read_or(frozenset[str](), names, self.file.get("alerts", ""))

    @property
    def taken_queues(self) -> frozenset[str]:
        """The queues that a live worker takes from."""
        return frozenset(queue for worker in self.live_workers for queue in worker.queues)

    @cached_property
    def users_of_queues(self) -> dict[str, Users]:
        """The schedules of the last good file by the queue that their runs go to."""
        return uses.from_json(self.file.get("queues", ""))

    @cached_property
    def notices(self) -> dict[str, str]:
        """What beat and workers noted for a while, by kind."""
        return self.store.notices()

    @cached_property
    def lacking_tasks(self) -> tuple[Lacking, ...]:
        """The tasks of the last good file that live workers lack; none while they may still import its modules."""
        applied = read_or(0.0, seconds, self.file.get("applied"))
        if self.now - applied < LEFT_S:
            return ()
        return lacking(uses.from_json(self.file.get("tasks", "")), self.live_workers)

    @cached_property
    def untaken(self) -> dict[str, float]:
        """The queues that no live worker takes from, of those that workers took from or the file's schedules send to.

        Each has when a worker took from it last, in epoch seconds: 0 for never. Without those that a worker left just
        now: another may be about to start.
        """
        known = dict.fromkeys(self.users_of_queues, 0.0) | queues.last_taken(self.client, self.keys)
        taken, before = self.taken_queues, self.now - LEFT_S
        return {queue: last for queue, last in sorted(known.items()) if queue not in taken and last < before}

    @cached_property
    def untaken_messages(self) -> dict[str, int]:
        """How many messages wait in each of these queues beside the runs; none if the broker is not this Redis.

        They are plain calls, and what is left of runs that were stopped or expired.
        """
        if self.settings.has_outbox:
            return {}
        runs = self.waiting_by_queue
        messages = queues.messages(self.client, self.untaken)
        return {
            queue: max(0, count - (runs[queue].waiting if queue in runs else 0)) for queue, count in messages.items()
        }

    @property
    def place(self) -> str:
        """``on web1: `` if the leader's file is on another host."""
        here = socket.gethostname()
        return "" if self.file.get("host", here) == here else f"on {self.file['host']}: "

    def start(self, what: str = "celery-beat") -> str:
        """How to start a part of the service, on the host of the leader's file."""
        return f"{self.place}start one with `{start_command(what, beats=self.file.get('command', ''))}`"

    def restart(self, what: str, host: str) -> str:
        """What to do about a part of the service that may hang."""
        return restart_advice(what, host, self.file.get("command", ""))


def names(text: str) -> frozenset[str]:
    """Raises ValueError."""
    listed = loads(text)
    if not isinstance(listed, list):
        raise ValueError("names are a list")
    return frozenset(map(str, listed))
