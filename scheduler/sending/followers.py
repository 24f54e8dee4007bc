"""Runs that start because another one has ended, from the list in which the step that ended it put them.

The run is committed first and leaves the list then. A leader that dies in between leaves it to the next one, which
finds its row in the ledger and sends nothing again.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, NamedTuple

from scheduler import faults
from scheduler.errors import NotFound
from scheduler.events import emit
from scheduler.model import Entry, Reason, read_run_id
from scheduler.sending import commit_arguments
from scheduler.sending.commit_arguments import APART, Words
from scheduler.sending.decide import by_person
from scheduler.sending.dispatch import UNDECIDED, Dispatcher
from scheduler.sending.message import CannotCompose
from scheduler.sending.row import opened
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.ledger import NO_EXPIRY
from scheduler.storage.records import loads, mapping, read_or, text
from scheduler.storage.store import Store

MAX_AT_ONCE = 100  #: runs in one step; the next look takes the rest


class Follower(NamedTuple):
    """A run that is to start, the run that it follows, and its text in the list."""

    id: str
    parent: str
    text: str


class Followers:
    """Sends what follows, for the leader."""

    def __init__(self, dispatcher: Dispatcher, store: Store) -> None:
        self.dispatcher = dispatcher
        self.store = store

    def send(self, token: str, commits: int) -> int:
        """Send what waits; returns how many steps that took. Raises LostLock, OlderData, or what redis-py raises."""
        client, keys = self.store.client, self.store.keys
        texts = client.lrange(keys.followers, 0, MAX_AT_ONCE - 1)
        if not texts:
            return 0
        waiting = [read_or(Follower("", "", text), read, text) for text in texts]
        now = time.time()
        words, sent = commit_arguments.step(token, now, *self.dispatcher.limits, commits), []
        done = [it for it in waiting if not it.id]
        for follower in waiting:
            try:
                words += self.words(follower, self.store.get(read_run_id(follower.id)[0]), from_seconds(now))
                sent.append(follower)
            except (NotFound, ValueError) as error:
                emit("run.refused", run=follower.id or follower.text[:80], error=error)
                done.append(follower)
        faults.reach("followers.before_commit")
        replies = self.dispatcher.commit(words) if sent else {}
        faults.reach("followers.after_commit")
        # One whose schedule was changed in this moment is tried again.
        done += [it for number, it in enumerate(sent) if replies.get(number, ["sent"])[0] != UNDECIDED[0]]
        for follower in done:
            client.lrem(keys.followers, 1, follower.text)
        for number, follower in enumerate(sent):
            if number not in replies:
                emit("run.sent", run=follower.id, queue=f"after {follower.parent}")
        return bool(sent)

    def words(self, follower: Follower, entry: Entry, now: datetime) -> Words:
        """What commit.lua is told: the run, or why it is skipped."""
        revision, due = str(entry.revision), read_run_id(follower.id)[1]
        try:
            if refusal := held_back(entry, now):
                raise CannotCompose(refusal)
            job = entries.job(entry)
            expires = None if job.policies.expires is None else now + job.policies.expires
            message = self.dispatcher.composer.message(entry, job, follower.id, expires, now)
        except (DamagedEntry, CannotCompose) as error:
            skip = commit_arguments.skip(follower.id, due, due, 1, Reason.NOT_STARTED, str(error))
            unusual = commit_arguments.unusual(False, "", "", "", [skip])
            return commit_arguments.entry(entry.name, revision, "", APART, "", "", "skip", unusual, 0)
        ends = 0.0 if expires is None else to_seconds(expires)
        record = opened(job, message, due, to_seconds(now), expires=ends, parent=follower.parent)
        deadline = ends or to_seconds(now + NO_EXPIRY)
        head = commit_arguments.entry(entry.name, revision, "", APART, "", "", job.rules, (), 1)
        return [*head, *commit_arguments.run(follower.id, record, message.place, message.payload, deadline)]


def read(given: str) -> Follower:
    """Raises ValueError, TypeError or KeyError."""
    stored: dict[str, Any] = mapping(loads(given))
    read_run_id(text(stored["id"]))
    return Follower(stored["id"], text(stored["parent"]), given)


def held_back(entry: Entry, now: datetime) -> str:
    """Why nothing can start the schedule now; empty if it can."""
    if entry.error:
        return f"the schedule is quarantined: {entry.error}"
    if entry.pause is not None and (entry.pause.until is None or from_seconds(entry.pause.until) > now):
        return by_person("paused", entry.pause)
    return ""
