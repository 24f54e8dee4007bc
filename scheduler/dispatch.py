"""Sending: one atomic step in Redis for a whole batch of runs.

The step checks that the lock still holds and that each entry is as it was read, advances the entries, writes the
runs to the ledger and pushes the messages. Either all of that happens, or nothing.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from celery import Celery

from scheduler import entries, events, faults, message
from scheduler.decide import Decision, expiry
from scheduler.entries import DamagedEntry, Job
from scheduler.errors import RefusedChange
from scheduler.events import emit
from scheduler.instants import from_seconds, to_micros, to_redbeat_json, to_seconds
from scheduler.ledger import NO_EXPIRY, UNTAKEN
from scheduler.message import CannotCompose, Message, Template
from scheduler.model import Entry, run_id
from scheduler.redis_client import Client, Keys, script
from scheduler.settings import Settings
from scheduler.store import audit_line, log

TEMPLATES = 50_000  #: message templates that are kept
NOT_SENT = {"overlap": "the run before had not finished", "no queue": "its queue is a key of another kind in Redis"}


@dataclass(frozen=True)
class Due:
    """An entry with what was decided over it."""

    entry: Entry
    job: Job
    decision: Decision


class LostLock(Exception):
    """The lock is another beat's: nothing was sent."""


class Dispatcher:
    """Builds messages and commits batches."""

    def __init__(self, app: Celery, client: Client, keys: Keys, settings: Settings) -> None:
        self.app = app
        self.client = client
        self.keys = keys
        self.limits: list[str | int] = [keys.prefix, settings.keep_runs, int(settings.keep_days * 86_400_000)]
        self.outbox = keys.outbox if settings.has_outbox else ""
        self._commit = script(client, "commit")
        self._templates: OrderedDict[tuple[str, int, bool], Template | None] = OrderedDict()

    def forget(self) -> None:
        """Build every message anew."""
        self._templates.clear()

    def commit(self, batch: Sequence[Due], token: str) -> list[str]:
        """Send a batch; returns the names that somebody changed meanwhile, of which nothing was sent.

        Raises LostLock, or Unsendable for one of the entries, in both cases with nothing sent.
        """
        now = time.time()
        arguments: list[str | float] = [token, now, *self.limits]
        for due in batch:
            arguments += self._advance(due)
            arguments += self._runs(due, from_seconds(now))
        faults.reach("dispatch.before_commit")
        replies = self._commit(keys=[self.keys.lock, self.keys.schedule], args=arguments)
        faults.reach("dispatch.after_commit")
        if replies is None:
            raise LostLock
        heard = events.are_heard()
        for due, (status, *outcomes) in zip(batch, replies, strict=True):
            if status == "ok" and heard:
                self._tell(due, outcomes)
        return [due.entry.name for due, (status, *_) in zip(batch, replies, strict=True) if status == "changed"]

    def run_now(self, entry: Entry, by: str) -> str:
        """Send a manual run at once; returns its id. Raises RefusedChange when the run before still goes on."""
        now = time.time()
        requested = from_seconds(now)
        identity = run_id(entry.name, requested, manual=True)
        try:
            job = entries.job(entry)
            sent = self._message(entry, job, identity, None, requested)
        except (DamagedEntry, CannotCompose) as error:
            raise RefusedChange(f"schedule '{entry.name}' cannot be sent: {error}") from error
        as_it_is = (entry.name, _revision(entry), to_micros(entry.due), "keep", "", "")
        one_run = (job.policies.overlap, 0, "", 1, 0)
        deadline = now + NO_EXPIRY.total_seconds()
        record = opened(job, sent, now, now, by)
        run = (identity, now, record, sent.queue, sent.payload, deadline)
        arguments = ["", now, *self.limits, *as_it_is, *one_run, *run]
        [(status, *outcome)] = self._commit(keys=[self.keys.lock, self.keys.schedule], args=arguments)
        if status == "changed":
            raise RefusedChange(f"schedule '{entry.name}' changed at the same time: look at it again, then run it")
        if outcome == ["no queue"]:
            raise RefusedChange(f"{sent.queue} is no list in Redis: give schedule '{entry.name}' another queue")
        if outcome == ["overlap"]:
            raise RefusedChange(
                f"the run before of '{entry.name}' is still queued or running: wait for it, or set overlap: allow"
            )
        emit("run.sent", run=identity, queue=sent.queue)
        line = audit_line(by, requested, "run", None, None, f"run {identity}", schedule=entry.name)
        log(self.client, self.keys, line)
        return identity

    def _advance(self, due: Due) -> list[str | float]:
        entry, job, decision = due.entry, due.job, due.decision
        head: list[str | float] = [
            entry.name,
            _revision(entry),
            to_micros(entry.due),
            to_micros(decision.due),
            entries.NEVER if decision.due is None else to_seconds(job.timing.send_at(decision.due)),
            to_redbeat_json(decision.runs[-1]) if decision.runs else "",
            job.policies.overlap,
            int(decision.resumed),
            self._unpaused(due) if decision.resumed else "",
            len(decision.runs),
            len(decision.skips),
        ]
        if entry.pause is not None and not decision.resumed:
            head[4] = entries.score(entry.with_due(decision.due), job.timing)
        for skip in decision.skips:
            first, until = to_seconds(skip.first), to_seconds(skip.last)
            head += [run_id(entry.name, skip.first), first, until, skip.count, skip.reason, skip.detail]
        return head

    def _unpaused(self, due: Due) -> str:
        """RedBeat's definition without the pause; empty for one that another program wrote."""
        after = replace(due.entry, pause=None, due=due.decision.due)
        return "" if after.origin == "redbeat" else entries.definition(after, due.job)

    def _runs(self, due: Due, now: datetime) -> list[str | float]:
        flat: list[str | float] = []
        for instant in due.decision.runs:
            identity = run_id(due.entry.name, instant)
            expires = expiry(due.job, instant, due.decision.due, now)
            try:
                sent = self._message(due.entry, due.job, identity, expires, now)
            except CannotCompose as error:
                raise Unsendable(due.entry, str(error)) from error
            deadline = to_seconds(now + NO_EXPIRY if expires is None else expires + UNTAKEN)
            due_at = to_seconds(instant)
            record = opened(due.job, sent, due_at, to_seconds(now))
            flat += [identity, due_at, record, sent.queue, sent.payload, deadline]
        return flat

    @cached_property
    def _announces(self) -> bool:
        """Whether Celery shall publish a ``task-sent`` event with each message."""
        return bool(self.app.conf.task_send_sent_event)

    def _message(self, entry: Entry, job: Job, identity: str, expires: datetime | None, now: datetime) -> Message:
        if self.outbox:
            return message.for_outbox(job, identity, expires, self.outbox)
        if message.somebody_listens() or self._announces:
            return message.compose(self.app, job, identity, expires)
        key = (entry.name, entry.revision, expires is not None)
        if key not in self._templates:
            self._templates[key] = message.template(self.app, job, expiring=expires is not None)
            if len(self._templates) > TEMPLATES:
                self._templates.popitem(last=False)
        cached = self._templates[key]
        return cached.render(identity, expires, now) if cached else message.compose(self.app, job, identity, expires)

    def _tell(self, due: Due, outcomes: Sequence[str]) -> None:
        for instant, outcome in zip(due.decision.runs, outcomes, strict=True):
            if outcome in NOT_SENT:
                emit("run.skipped", schedule=due.entry.name, count=1, reason=NOT_SENT[outcome])
            elif not self.outbox:
                emit("run.sent", run=run_id(due.entry.name, instant), queue=due.job.options.get("queue", "its queue"))
        for skip in due.decision.skips:
            emit("run.skipped", schedule=due.entry.name, count=skip.count, reason=skip.detail or skip.reason)


class Unsendable(Exception):
    """The message of one entry cannot be built; nothing of the batch was sent."""

    def __init__(self, entry: Entry, error: str) -> None:
        super().__init__(error)
        self.entry = entry


def opened(job: Job, sent: Message, due: float, now: float, by: str = "") -> str:
    """A run's record as the ledger begins it; ``by`` asked for a manual run. See ``_ledger.lua``."""
    record = {"due": repr(due), "outcome": "queued", "task": job.task, "task_id": sent.task_id}
    record |= {"queue": sent.queue, "sent": repr(now)}
    if by:
        record |= {"manual": "1", "by": by}
    return json.dumps(record, separators=(",", ":"))


def _revision(entry: Entry) -> str:
    return str(entry.revision)
