"""Sending: one atomic step in Redis for a whole batch of runs.

The step checks that the lock still holds and that each entry is as it was read, advances the entries, writes the
runs to the ledger and pushes the messages. Either all of that happens, or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple

from celery import Celery

from scheduler import events, faults
from scheduler.errors import RefusedChange
from scheduler.events import emit
from scheduler.model import Entry, Reason, Run, run_id
from scheduler.sending import commit_arguments, message
from scheduler.sending.commit_arguments import KEEP, Words
from scheduler.sending.composer import Composer
from scheduler.sending.decide import Decision, Skip, expiry
from scheduler.sending.message import ESCAPED, CannotCompose, Message
from scheduler.sending.row import opened
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.client import AWAY, REFUSED, Client
from scheduler.storage.entries import DamagedEntry, Job
from scheduler.storage.instants import from_seconds, to_micros, to_redbeat_json, to_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Again
from scheduler.storage.lock import LostLock
from scheduler.storage.scripts import Posted, script

NOT_SENT = {reason.value: reason.sentence for reason in (Reason.OVERLAP, Reason.NO_QUEUE)}
UNDECIDED = ("changed", "broken")  #: what becomes of an entry whose decision was not carried out


class Due(NamedTuple):
    """An entry with what was decided over it."""

    entry: Entry
    job: Job
    decision: Decision
    due: datetime | None  #: its next due instant before that, which may be later than the entry's own


#: What became of those entries of a batch, by their number, of which not every run was sent.
Replies = dict[int, list[str]]


class Dispatcher:
    """Builds messages and commits batches."""

    def __init__(self, app: Celery, client: Client, keys: Keys, settings: Settings) -> None:
        self.app = app
        self.client = client
        self.keys = keys
        self.limits = (keys.prefix, settings.keep_runs, int(settings.keep_days * 86_400_000))
        self.outbox = keys.outbox if settings.has_outbox else ""
        self._commit = script(client, "_commit_arguments", "commit")
        self.composer = Composer(app, self.outbox)

    def arguments(self, batch: Sequence[Due], token: str, commits: int = 0) -> Words:
        """What ``post`` needs to send a batch; raises Unsendable for one of the entries.

        ``commits`` is how many steps this leader knows at least; see commit_arguments.py.
        """
        now = time.time()
        at = from_seconds(now)
        arguments = commit_arguments.step(token, now, *self.limits, commits)
        for due in batch:
            try:
                arguments += self._entry(due)
                arguments += self._runs(due, at, now)
            except (*AWAY, *REFUSED):
                raise
            except CannotCompose as error:
                raise Unsendable(due.entry, str(error)) from error
            except Exception as error:  # other programs write entries too: an expiry beyond year 9999, say
                raise Unsendable(due.entry, f"{type(error).__name__}: {error}") from error
        return arguments

    def post(self, arguments: Words) -> Posted:
        """Begin to send a batch, all of it or nothing."""
        faults.reach("dispatch.before_commit")
        return self._commit.post([self.keys.lock, self.keys.schedule], arguments)

    def replies(self, posted: Posted) -> Replies:
        """What became of a batch; raises LostLock or OlderData with nothing sent."""
        answer = posted.answer()
        faults.reach("dispatch.after_commit")
        return read_replies(answer)

    def commit(self, arguments: Words) -> Replies:
        """Send a batch, and wait for it; it is sent again as the client repeats its calls."""
        return read_replies(self._commit([self.keys.lock, self.keys.schedule], arguments))

    def run_now(self, entry: Entry, by: str, arguments: str = "") -> str:
        """Send a manual run at once; returns its id. Raises RefusedChange when the run before still goes on.

        ``arguments`` are its own, as its row has them; those of the schedule if empty.
        """
        requested = from_seconds(time.time())
        now = to_seconds(requested)  # to the microsecond, as in the run's identity
        identity = run_id(entry.name, requested, manual=True)
        job, sent = self.manual(entry, identity, requested, arguments)
        record = opened(job, sent, now, now, by, arguments=arguments)
        words = commit_arguments.step("", now, *self.limits, 0)
        words += commit_arguments.entry(entry.name, str(entry.revision), "", KEEP, "", "", job.rules, (), 1)
        words += commit_arguments.run(identity, record, sent.place, sent.payload, "")
        replies = self.commit(words)
        outcome, *wrong = replies.get(0, ["sent"])
        if outcome == "broken":
            raise RefusedChange(f"schedule '{entry.name}' cannot be sent: {wrong[0]}; delete that key, then run it")
        if outcome == "changed":
            raise RefusedChange(f"schedule '{entry.name}' changed at the same time: look at it again, then run it")
        if outcome == Reason.NO_QUEUE:
            raise RefusedChange(f"{sent.queue} is not a list in Redis: give schedule '{entry.name}' another queue")
        if outcome == Reason.OVERLAP:
            raise RefusedChange(
                f"the run before of '{entry.name}' is still queued or running: wait for it, or set overlap: allow"
            )
        emit("run.sent", run=identity, queue=sent.queue)
        what = f"{identity} with {arguments}" if arguments else identity
        line = audit_line(by, requested, "run", None, None, what, schedule=entry.name)
        Audit(self.client, self.keys).add(line)
        return identity

    def again(self, entry: Entry, run: Run) -> Again:
        """What sends a run that has its row already; raises RefusedChange for an entry that cannot be sent."""
        now = time.time()
        job, sent = self.manual(entry, run.id, from_seconds(now), run.arguments)
        record = opened(job, sent, run.due, now, arguments=run.arguments)
        return Again(sent.place, sent.payload, job.policies.overlap, record)

    def manual(self, entry: Entry, identity: str, now: datetime, arguments: str) -> tuple[Job, Message]:
        """A manual run and its message; ``arguments`` as in ``run_now``. Raises RefusedChange where it has none."""
        try:
            job = entries.with_arguments(entries.job(entry), arguments)
            if arguments:  # a template has those of the schedule
                return job, message.build(self.app, job, identity, None)
            return job, self.composer.message(entry, job, identity, None, now)
        except (DamagedEntry, CannotCompose) as error:
            raise RefusedChange(f"schedule '{entry.name}' cannot be sent: {error}") from error

    def backfilled(self, entry: Entry, job: Job, due: datetime, by: str) -> Words:
        """The id, record, place and message of a run of a backfill; it does not expire. Raises CannotCompose."""
        now, identity = time.time(), run_id(entry.name, due)
        sent = self.composer.message(entry, job, identity, None, from_seconds(now))
        record = opened(replace(job, pings=False), sent, to_seconds(due), now)
        return [identity, f'{record[:-1]},"backfill":"1","by":{ESCAPED(by)}}}', sent.place, sent.payload]

    def _entry(self, due: Due) -> Words:
        entry, job, decision, before = due
        return commit_arguments.entry(
            entry.name,
            str(entry.revision),
            to_micros(before),
            to_micros(decision.due),
            self._score(due, decision.due),
            to_redbeat_json(decision.runs[-1]) if decision.runs else "",
            job.rules,
            self._unusual(due) if decision.is_unusual else (),
            len(decision.runs),
        )

    def _score(self, due: Due, at: datetime | None) -> float:
        if due.entry.pause is not None and not due.decision.resumed:
            return entries.score(due.entry.with_due(at), due.job.timing)
        return entries.NEVER if at is None else to_seconds(due.job.timing.send_at(at))

    def _unusual(self, due: Due) -> Words:
        resumed, if_unsent = due.decision.resumed, due.decision.if_unsent
        definition = self._unpaused(due) if resumed else ""
        score = "" if if_unsent is None else self._score(due, if_unsent)
        skips = [skip_words(due.entry.name, skip) for skip in due.decision.skips]
        return commit_arguments.unusual(resumed, definition, to_micros(if_unsent), score, skips)

    def _unpaused(self, due: Due) -> str:
        """RedBeat's definition without the pause; empty for one that another program wrote."""
        after = replace(due.entry, pause=None, due=due.decision.due)
        return "" if after.origin == "redbeat" else entries.definition(after, due.job)

    def _runs(self, due: Due, at: datetime, now: float) -> Words:
        words: Words = []
        for instant in due.decision.runs:
            identity = run_id(due.entry.name, instant)
            expires = expiry(due.job, instant, due.decision.due, at)
            sent = self.composer.message(due.entry, due.job, identity, expires, at)
            ends = 0.0 if expires is None else to_seconds(expires)
            record = opened(due.job, sent, to_seconds(instant), now, expires=ends)
            words += commit_arguments.run(identity, record, sent.place, sent.payload, ends or "")
        return words

    def tell(self, batch: Sequence[Due], replies: Replies) -> None:
        """Log what became of the runs and skips of a batch."""
        if not events.are_heard():
            return
        for number, due in enumerate(batch):
            outcomes = replies.get(number)
            if outcomes is None or outcomes[0] not in UNDECIDED:
                self._tell(due, outcomes or repeat("sent"))

    def _tell(self, due: Due, outcomes: Iterable[str]) -> None:
        for instant, outcome in zip(due.decision.runs, outcomes, strict=False):
            if outcome in NOT_SENT:
                emit("run.skipped", schedule=due.entry.name, count=1, reason=NOT_SENT[outcome])
            elif not self.outbox:
                emit("run.sent", run=run_id(due.entry.name, instant), queue=due.job.options.get("queue", "its queue"))
        for skip in due.decision.skips:
            emit("run.skipped", schedule=due.entry.name, count=skip.count, reason=skip.reason.explain(skip.detail))


def read_replies(answer: list[Any] | str | None) -> Replies:
    """What ``commit.lua`` returned; raises LostLock or OlderData with nothing sent."""
    if answer is None:
        raise LostLock
    if isinstance(answer, str):
        raise OlderData
    # Lua counts from 1.
    return {number - 1: outcomes for number, *outcomes in answer}


class OlderData(Exception):
    """Redis came back with older data than the leader has seen; nothing of the batch was sent."""


class Unsendable(Exception):
    """The message of one entry cannot be built; nothing of the batch was sent."""

    def __init__(self, entry: Entry, error: str) -> None:
        super().__init__(error)
        self.entry = entry


def skip_words(name: str, skip: Skip) -> Words:
    """A stretch of skips as commit.lua reads it; instants in epoch seconds."""
    first, last = to_seconds(skip.first), to_seconds(skip.last)
    identity, is_apart = run_id(name, skip.first), skip.is_apart
    return commit_arguments.skip(identity, first, last, skip.count, skip.reason, skip.detail, is_apart=is_apart)
