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
    at: float = 0.0  #: when the run before ended, in epoch seconds of Redis's clock; 0 from an older release


class Followers:
    """Sends what follows, for the leader."""

    def __init__(self, dispatcher: Dispatcher, store: Store) -> None:
        self.dispatcher = dispatcher
        self.store = store

    def send(self, token: str, commits: int, forgotten_until: datetime | None = None) -> int:
        """Send what waits; returns how many steps that took. Raises LostLock, OlderData, or what redis-py raises.

        Where Redis came back with older data, what was to start until ``forgotten_until`` may have been sent, and is
        not sent again.
        """
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
                entry = self.store.get_moved(read_run_id(follower.id)[0])
                if forgotten_until is not None and from_seconds(follower.at) <= forgotten_until:
                    words += skipped(follower, entry, Reason.FORGOTTEN, "")
                else:
                    words += self.words(follower, entry, from_seconds(now))
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
            return skipped(follower, entry, Reason.NOT_STARTED, str(error))
        ends = 0.0 if expires is None else to_seconds(expires)
        record = opened(job, message, due, to_seconds(now), expires=ends, parent=follower.parent)
        deadline = ends or to_seconds(now + NO_EXPIRY)
        head = commit_arguments.entry(entry.name, revision, "", APART, "", "", job.rules, (), 1)
        return [*head, *commit_arguments.run(follower.id, record, message.place, message.payload, deadline)]


def skipped(follower: Follower, entry: Entry, reason: Reason, detail: str) -> Words:
    """What commit.lua is told of one that does not start: a row of its own, which says why."""
    due = read_run_id(follower.id)[1]
    skip = commit_arguments.skip(follower.id, due, due, 1, reason, detail, is_apart=True)
    unusual = commit_arguments.unusual(False, "", "", "", [skip])
    return commit_arguments.entry(entry.name, str(entry.revision), "", APART, "", "", "skip", unusual, 0)


def read(given: str) -> Follower:
    """Raises ValueError, TypeError or KeyError."""
    stored: dict[str, Any] = mapping(loads(given))
    read_run_id(text(stored["id"]))
    return Follower(stored["id"], text(stored["parent"]), given, float(stored.get("at") or 0))


def held_back(entry: Entry, now: datetime) -> str:
    """Why nothing can start the schedule now; empty if it can."""
    if entry.error:
        return f"the schedule is quarantined: {entry.error}"
    if entry.pause is not None and (entry.pause.until is None or from_seconds(entry.pause.until) > now):
        return by_person("paused", entry.pause)
    return ""
