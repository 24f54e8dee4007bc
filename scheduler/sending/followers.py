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
from scheduler.sending.dispatch import NOT_SENT, UNDECIDED, Dispatcher
from scheduler.sending.message import CannotCompose
from scheduler.sending.row import opened
from scheduler.storage import entries
from scheduler.storage.aside import lose_follower
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.records import loads, mapping, read_or, text
from scheduler.storage.store import Store

MAX_AT_ONCE = 100  #: runs in one step; the next look takes the rest
MAX_SHOWN_CHARS = 80  #: of one that cannot be read


class Follower(NamedTuple):
    """A run that is to start, the run that it follows, and its text in the list."""

    id: str
    parent: str
    text: str
    at: float = 0.0  #: when the run before ended, in epoch seconds of Redis's clock; 0 from an older release

    @property
    def name(self) -> str:
        """The schedule's, as it was when the run before ended."""
        return self.id.rpartition("@")[0]


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
        texts = self.store.client.lrange(self.store.keys.followers, 0, MAX_AT_ONCE - 1)
        if not texts:
            return 0
        waiting = [read_or(Follower("", "", text), read, text) for text in texts]
        known = {entry.name: entry for entry in self.store.read({it.name for it in waiting if it.id})}
        now = time.time()
        words, asked = commit_arguments.step(token, now, *self.dispatcher.limits, commits), []
        done: list[Follower] = []
        for follower in waiting:
            try:
                entry = known.get(follower.name) or self.find(follower)
            except NotFound as error:
                self.lose(follower, str(error))
                done.append(follower)
                continue
            is_forgotten = forgotten_until is not None and follower.at <= to_seconds(forgotten_until)
            of_one, skip = self.decide(follower, entry, from_seconds(now), is_forgotten)
            words += of_one
            asked.append((follower, skip))
        faults.reach("followers.before_commit")
        replies = self.dispatcher.commit(words) if asked else {}
        faults.reach("followers.after_commit")
        for number, (follower, skip) in enumerate(asked):
            if self.tell(follower, skip, *replies.get(number, ["sent"])):
                done.append(follower)
        with self.store.client.pipeline() as pipe:
            for follower in done:
                pipe.lrem(self.store.keys.followers, 1, follower.text)
            pipe.execute()
        return bool(asked)

    def find(self, follower: Follower) -> Entry:
        """Its schedule under a new name; raises NotFound."""
        if not follower.id:
            raise NotFound("what the run before noted is damaged")
        return self.store.get_moved(follower.name)

    def tell(self, follower: Follower, skip: str, outcome: str, *wrong: str) -> bool:
        """Log what became of one; False if it has to be tried again, because its schedule was changed meanwhile."""
        if outcome == UNDECIDED[0]:
            return False
        if outcome == UNDECIDED[1]:
            self.lose(follower, wrong[0])
        elif skip or outcome in NOT_SENT:
            emit("run.skipped", schedule=follower.name, count=1, reason=skip or NOT_SENT[outcome])
        else:
            emit("run.sent", run=follower.id, queue=f"its queue after {follower.parent}")
        return True

    def lose(self, follower: Follower, error: str) -> None:
        """Say what became of one that can have no row."""
        run = follower.id or follower.text[:MAX_SHOWN_CHARS]
        emit("run.refused", run=run, error=error)
        lose_follower(self.store.client, self.store.keys, run=run, parent=follower.parent, error=error)

    def decide(self, follower: Follower, entry: Entry, now: datetime, is_forgotten: bool) -> tuple[Words, str]:
        """What commit.lua is told of one, and why it is skipped; empty if it is to run."""
        if is_forgotten:
            return skipped(follower, entry, Reason.FORGOTTEN, "")
        try:
            return self.words(follower, entry, now), ""
        except (*AWAY, *REFUSED):
            raise
        except (DamagedEntry, CannotCompose) as error:
            return skipped(follower, entry, Reason.NOT_STARTED, str(error))
        except Exception as error:  # other programs write entries too: an expiry beyond year 9999, say
            return skipped(follower, entry, Reason.NOT_STARTED, f"{type(error).__name__}: {error}")

    def words(self, follower: Follower, entry: Entry, now: datetime) -> Words:
        """What commit.lua is told of a run; raises DamagedEntry or CannotCompose with why it cannot start."""
        revision, due = str(entry.revision), read_run_id(follower.id)[1]
        if refusal := held_back(entry, now):
            raise CannotCompose(refusal)
        job = entries.job(entry)
        expires = None if job.policies.expires is None else now + job.policies.expires
        message = self.dispatcher.composer.message(entry, job, follower.id, expires, now)
        ends = 0.0 if expires is None else to_seconds(expires)
        record = opened(job, message, due, to_seconds(now), expires=ends, parent=follower.parent)
        head = commit_arguments.entry(entry.name, revision, "", APART, "", "", job.rules, (), 1)
        return [*head, *commit_arguments.run(follower.id, record, message.place, message.payload, ends or "")]


def skipped(follower: Follower, entry: Entry, reason: Reason, detail: str) -> tuple[Words, str]:
    """What commit.lua is told of one that does not start: a row of its own, which says why; and that, for the log."""
    due = read_run_id(follower.id)[1]
    skip = commit_arguments.skip(follower.id, due, due, 1, reason, detail, is_apart=True)
    unusual = commit_arguments.unusual(False, "", "", "", [skip])
    words = commit_arguments.entry(entry.name, str(entry.revision), "", APART, "", "", "skip", unusual, 0)
    return words, reason.explain(detail)


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
