"""Manual runs that wait for their time: each has its row from the beginning, and the leader sends it then.

The step that sends one also takes it out of those that wait. A leader that dies before leaves it to the next one, and
one that dies after has sent it.
"""

from __future__ import annotations

import time
from datetime import datetime

import redis

from scheduler import faults
from scheduler.errors import NotFound, RefusedChange
from scheduler.events import emit
from scheduler.model import Entry, Reason, run_id
from scheduler.sending import commit_arguments
from scheduler.sending.commit_arguments import APART, Words
from scheduler.sending.dispatch import UNDECIDED, Dispatcher
from scheduler.sending.row import opened
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

MAX_AT_ONCE = 100  #: runs in one step; the next look takes the rest
MAX_WAITING = 1_000  #: runs of all schedules that wait for their time


class Later:
    """Keeps them, for whoever asks for one, and sends them, for the leader."""

    def __init__(self, dispatcher: Dispatcher, store: Store, ledger: Ledger) -> None:
        self.dispatcher = dispatcher
        self.store, self.ledger = store, ledger
        self.client, self.keys = store.client, store.keys
        self.next_at = 0.0  #: when the leader has to look, in epoch seconds
        self._keep = script(self.client, "later")

    def keep(self, entry: Entry, at: datetime, by: str, arguments: str) -> tuple[str, str]:
        """Let a run wait for its time, aware UTC; its id, and 'kept', 'taken' or 'full' as later.lua says.

        ``arguments`` are its own, as its row has them. Raises RefusedChange if it could not be sent.
        """
        identity, now = run_id(entry.name, at, manual=True), time.time()
        job, _ = self.dispatcher.manual(entry, identity, from_seconds(now), arguments)
        why = f"waits for {at:%Y-%m-%d %H:%M:%S} UTC"
        asked = (identity, repr(to_seconds(at)), now, MAX_WAITING, job.task, by, arguments, why)
        return identity, str(self._keep(args=[*self.dispatcher.limits, *asked]))

    def send(self, token: str, commits: int, forgotten_until: datetime | None = None) -> int:
        """Send those whose time has come; returns how many steps that took.

        Where Redis came back with older data, one that was due until ``forgotten_until`` may have been sent, and is not
        sent again. Raises LostLock, OlderData, or what redis-py raises.
        """
        now = time.time()
        if now < self.next_at:
            return 0
        words, sent = commit_arguments.step(token, now, *self.dispatcher.limits, commits), []
        for identity in self.client.zrangebyscore(self.keys.later, "-inf", now, start=0, num=MAX_AT_ONCE):
            if of_one := self.words(identity, now, forgotten_until):
                words += of_one
                sent.append(identity)
        if not sent:
            return 0
        faults.reach("later.before_commit")
        replies = self.dispatcher.commit(words)
        faults.reach("later.after_commit")
        for number, identity in enumerate(sent):
            outcome, *wrong = replies.get(number, ["sent"])
            if outcome == UNDECIDED[1]:
                self.refuse(identity, Reason.UNSENDABLE, wrong[0])
            elif outcome != UNDECIDED[0]:  # one whose schedule was changed in this moment is tried again
                emit("run.sent", run=identity, queue="its queue at its time")
        return 1

    def words(self, identity: str, now: float, forgotten_until: datetime | None) -> Words:
        """What commit.lua is told of one run; empty for one that waits no longer, or is refused here."""
        try:
            run = self.ledger.get(identity)
            if run.reason != Reason.LATER:  # it was sent or has ended: only its place is left over
                self.client.zrem(self.keys.later, identity)
                return []
            if forgotten_until is not None and from_seconds(run.due) <= forgotten_until:
                self.refuse(identity, Reason.FORGOTTEN, "")
                return []
            entry = self.store.of_run(run)
            job, message = self.dispatcher.manual(entry, identity, from_seconds(now), run.arguments)
            if run.arguments and job.task != run.task:  # they were checked against that one
                raise RefusedChange(f"its arguments are for {run.task}, and the schedule's task is {job.task} now")
        except (*AWAY, *REFUSED):
            raise
        except NotFound as error:
            self.refuse(identity, Reason.REMOVED, str(error))
        except Exception as error:  # other programs write here too; what is wrong with one run touches no other
            self.refuse(identity, Reason.UNSENDABLE, str(error))
        else:
            record = opened(job, message, run.due, now, run.by, arguments=run.arguments)
            head = commit_arguments.entry(entry.name, str(entry.revision), "", APART, "", "", job.rules, (), 1)
            return [*head, *commit_arguments.run(identity, record, message.place, message.payload, "")]
        return []

    def refuse(self, identity: str, reason: Reason, why: str) -> None:
        """End a run that cannot be sent; one that has ended keeps its end."""
        emit("run.refused", run=identity, error=why)
        try:
            self.ledger.close(identity, reason.outcome, unclaimed=True, reason=reason, detail=why)
        except (*AWAY, *REFUSED):
            raise
        except redis.ResponseError as error:  # its ledger is damaged
            emit("run.refused", run=identity, error=error)
        self.client.zrem(self.keys.later, identity)
