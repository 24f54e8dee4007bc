"""Runs whose message was lost on its way: sent again, because they had not started.

Between taking a message off its queue and claiming the run, a worker alone has it. When that worker is killed, or the
connection breaks, Celery's broker gives the message back after an hour, or never. A queue may also be purged, deleted,
or lost with its broker. ``unclaimed.lua`` finds such runs.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from celery import Celery

from scheduler import faults
from scheduler.errors import NotFound
from scheduler.events import emit
from scheduler.model import Reason, Run, read_run_id
from scheduler.sending import message
from scheduler.sending.broker import Away, Broker
from scheduler.sending.message import CannotCompose
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.ledger import NO_EXPIRY, Ledger
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

MAX_PER_LOOK = 100  #: runs that are sent again in one step
EXPIRED = (Reason.EXPIRED.outcome, Reason.EXPIRED)
GONE = (Reason.MESSAGE_LOST.outcome, Reason.MESSAGE_LOST)


class Unclaimed(NamedTuple):
    """A run, and where and when it was pushed."""

    run_id: str
    queue: str
    pushed: str


class LostMessages:
    """The leader's look at the runs that were sent and that no worker claimed."""

    def __init__(self, app: Celery, store: Store, ledger: Ledger, broker: Broker | None) -> None:
        self.app = app
        self.broker = broker  #: another one than the schedule's Redis
        self.store = store
        self.ledger = ledger
        self.patience = ledger.lease
        self.next_look = 0.0
        self._find = script(store.client, "unclaimed")
        self._send_again = script(store.client, "send_again")

    def settle(self, token: str) -> bool:
        """Send again what was lost, looking every few seconds; False when the lock is another's."""
        if time.monotonic() < self.next_look:
            return True
        keys = self.store.keys
        try:
            waiting = self.waiting_elsewhere()
        except Away:  # the outbox says so when it has something to publish
            self.next_look = time.monotonic() + self.patience
            return True
        arguments = [token, keys.prefix, self.patience, MAX_PER_LOOK, int(self.broker is not None), *waiting]
        values = self._find(keys=[keys.lock, keys.queues], args=arguments)
        if values is None:
            return False
        lost = [Unclaimed(*values[at : at + 3]) for at in range(0, len(values), 3)]
        # Otherwise there may be more: look again at the next tick.
        if len(lost) < MAX_PER_LOOK:
            self.next_look = time.monotonic() + self.patience / 6
        return not lost or self.send_again(lost, token)

    def waiting_elsewhere(self) -> list[str | int]:
        """Queue and number of messages for each queue of another broker that has an overdue run; raises Away."""
        if self.broker is None:
            return []
        client, keys = self.store.client, self.store.keys
        # The times of the pushes are by Redis's clock.
        seconds, micros = client.time()
        overdue_before = seconds + micros / 1e6 - self.patience
        queues = sorted(client.smembers(keys.queues))
        with client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.zcount(keys.sent(queue), "-inf", overdue_before)
            overdue = [queue for queue, count in zip(queues, pipe.execute(), strict=True) if count]
        counts = self.broker.waiting(overdue) if overdue else {}
        return list(chain.from_iterable(counts.items()))

    def send_again(self, lost: list[Unclaimed], token: str) -> bool:
        """In one step; False when the lock is another's."""
        keys, now = self.store.keys, time.time()
        verdicts = [self.again(one.run_id, from_seconds(now)) for one in lost]
        arguments: list[str | float] = [token, now, keys.prefix]
        for one, verdict in zip(lost, verdicts, strict=True):
            arguments += [*one, *verdict]
        faults.reach("lost_messages.before_settle")
        answers = self._send_again(keys=[keys.lock], args=arguments)
        faults.reach("lost_messages.after_settle")
        for one, verdict, answer in zip(lost, verdicts, answers or (), strict=False):
            if answer == "sent":
                emit("run.sent_again", run=one.run_id, reason=Reason.RESENT.sentence)
            elif answer == "ended" and verdict[-2:] == EXPIRED:
                emit("run.skipped", schedule=read_run_id(one.run_id)[0], count=1, reason=Reason.EXPIRED.sentence)
            elif answer == "ended":
                emit("run.lost", run=one.run_id, reason=Reason.MESSAGE_LOST.sentence)
        return answers is not None

    def again(self, run_id: str, now: datetime) -> tuple[str | float, ...]:
        """Queue, message and deadline of the run; or what became of it instead: outcome, reason."""
        try:
            run = self.ledger.get(run_id)
            job = entries.with_arguments(entries.job(self.store.of_run(run)), run.arguments)
            expires = expires_at(run)
            if expires is not None and expires <= now:
                return ("", "", "", *EXPIRED)
            options = job.options | ({"retries": run.attempt} if run.attempt else {})
            again = message.build(self.app, replace(job, options=options), run_id, expires)
        except (NotFound, DamagedEntry, CannotCompose):
            return ("", "", "", *GONE)
        deadline = to_seconds(now + NO_EXPIRY if expires is None else expires)
        return (again.place, again.payload, deadline, "", "")


def expires_at(run: Run) -> datetime | None:
    """When the message that was lost would have been dropped; a next attempt does not expire."""
    return from_seconds(run.expires) if run.expires and not run.attempt else None
