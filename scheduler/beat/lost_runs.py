"""Runs whose worker disappeared: marked lost, or sent again if the schedule says so or they had not started."""

from __future__ import annotations

import time

from celery import Celery

from scheduler import faults
from scheduler.beat.lost_messages import LostMessages
from scheduler.beat.memory import Memory
from scheduler.errors import NotFound
from scheduler.events import emit
from scheduler.model import Reason, Run, read_run_id
from scheduler.sending import message
from scheduler.sending.broker import Broker
from scheduler.sending.message import CannotCompose, Message
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import MAX_ATTEMPTS, UNTAKEN, Ledger
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

MAX_PER_STEP = 200  #: runs that are given up or sent again in one step
MAX_OVERDUE = 10_000  #: overdue leases that the leader remembers, with the time when it saw them first


class LostRuns:
    """Watches the leases of running runs, for the leader."""

    def __init__(self, app: Celery, store: Store, ledger: Ledger, memory: Memory, broker: Broker | None = None) -> None:
        self.app = app
        self.store = store
        self.ledger = ledger
        self.memory = memory
        self.patience = ledger.lease / 2  #: seconds in which a worker that lives renews
        self.messages = LostMessages(app, store, ledger, broker)
        self._overdue: dict[tuple[str, float], float] = {}
        self._lose = script(store.client, "lose")

    def settle(self, token: str) -> bool:
        """Mark lost, or send again, every run that no worker has any more; False when another beat has the lock."""
        return self.settle_leases(token) and self.messages.settle(token)

    def settle_leases(self, token: str) -> bool:
        """The same for runs whose lease is over."""
        keys = self.store.keys
        now = time.time()
        ids = self.overdue(now)
        if not ids:
            return True
        arguments: list[str | float] = [token, now, keys.prefix]
        reasons: dict[str, Reason] = {}
        for run_id in ids:
            again, reasons[run_id] = self.again(run_id)
            queue, payload = (again.place, again.payload) if again else ("", "")
            arguments += [run_id, queue, payload, now + UNTAKEN.total_seconds(), reasons[run_id]]
        faults.reach("lost_runs.before_settle")
        answers = self._lose(keys=[keys.lock, keys.leases], args=arguments)
        faults.reach("lost_runs.after_settle")
        for run_id, answer in zip(ids, answers or (), strict=False):
            if answer == "lost":
                emit("run.lost", run=run_id, reason=reasons[run_id].sentence)
            elif answer == "sent":
                emit("run.sent_again", run=run_id, reason=Reason.RERUN.sentence)
            elif answer == "skipped":
                emit("run.skipped", schedule=read_run_id(run_id)[0], count=1, reason=Reason.EXPIRED.sentence)
        return answers is not None

    def overdue(self, now: float) -> list[str]:
        """Runs whose lease is over, and was not renewed for a while since.

        After an outage of Redis, or a step of the clock, every lease is over until its worker renews it.
        """
        leases = self.store.client.zrangebyscore(
            self.store.keys.leases, 0, now, start=0, num=MAX_OVERDUE, withscores=True
        )
        # By this clock, because a step of the wall clock ends every lease at once.
        here = time.monotonic()
        self._overdue = {(run_id, ends): self._overdue.get((run_id, ends), here) for run_id, ends in leases}
        return [run_id for (run_id, _), since in self._overdue.items() if here - since >= self.patience][:MAX_PER_STEP]

    def wait_again(self) -> None:
        """Start the wait again after Redis was away: no worker could renew meanwhile."""
        self._overdue.clear()

    def again(self, run_id: str) -> tuple[Message | None, Reason]:
        """The run's message, if its schedule wants a rerun and it has attempts left; and why it is lost otherwise."""
        try:
            run: Run = self.ledger.get(run_id)
            if self.is_forgotten(run):
                return None, Reason.FORGOTTEN
            job = entries.with_arguments(entries.job(self.store.of_run(run)), run.arguments)
            if job.policies.on_lost != "rerun" or run.attempt >= MAX_ATTEMPTS:
                return None, Reason.LOST
            return message.build(self.app, job, run_id, None), Reason.LOST
        except (NotFound, DamagedEntry, CannotCompose):
            return None, Reason.LOST

    def is_forgotten(self, run: Run) -> bool:
        """Whether it may have ended in the time that Redis forgot, so that running it again could run it twice."""
        until = self.memory.forgotten_until
        return until is not None and from_seconds(run.started) <= until
