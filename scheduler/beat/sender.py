"""From the entries that are due to runs in their queues, in batches; what is wrong with one entry touches no other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from scheduler import faults
from scheduler.beat import adopt
from scheduler.beat.lease import Lease
from scheduler.beat.loss_detector import LossDetector
from scheduler.beat.roster import ENTRIES_PER_PAGE, Roster
from scheduler.beat.withdrawal import Withdrawal
from scheduler.events import emit
from scheduler.sending.decide import Leaderless, Stretches, decide, decide_on_time
from scheduler.sending.dispatch import Dispatcher, Due, Unsendable
from scheduler.storage import entries
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import EPOCH, from_seconds
from scheduler.storage.lock import LostLock
from scheduler.storage.scripts import Posted

MAX_BATCH = 100  #: entries committed in one step: more would keep others waiting for Redis, and are no faster
#: Batches on their way to Redis: on a busy machine, beat and Redis both find one ready whenever they get a core.
MAX_IN_FLIGHT = 4
MAX_SENT_PER_ROUND = 100 * MAX_BATCH  #: entries that are sent before beat does anything else
MAX_LOOKING_S = 0.1  #: seconds of looking at what other programs did, after which what is due goes first


def is_unsent(reply: Sequence[str] | None) -> bool:
    """Whether an entry was left as it was, because it had been changed or its ledger is damaged."""
    return reply is not None and reply[0] in ("changed", "broken")


class Sender:
    """Reads, decides and commits, for the beat that leads."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        roster: Roster,
        lease: Lease,
        losses: LossDetector,
        leaderless: Leaderless,
        keep_zones: Callable[[], None],
    ) -> None:
        self.dispatcher = dispatcher
        self.roster = roster
        self.store = roster.store
        self.lease = lease
        self.losses = losses
        self.leaderless = leaderless  #: before this beat took the lock
        self.keep_zones = keep_zones  #: keeps the rules of zones that are new in the roster
        self.withdrawal = Withdrawal(self.store.client, self.store.keys, lease.token)
        self.round_began = EPOCH  #: when it looked last for what is due
        self.passes = 0  #: over all entries that ``look_around`` has to make, the present one included
        self.in_flight: deque[tuple[list[Due], Posted]] = deque()  #: batches whose replies were not read yet

    def forget(self) -> None:
        """Read every entry again, and build every message again."""
        self.roster.clear()
        self.dispatcher.composer.forget()

    def send(self, covered: Stretches) -> bool:
        """Send what is due; False when nothing is. While Redis takes some batches, the next is prepared and follows.

        Raises LostLock, OlderData, or what redis-py raises while Redis is away.
        """
        self.round_began = from_seconds(time.time())
        names = self.roster.due(MAX_SENT_PER_ROUND)
        try:
            for start in range(0, len(names), MAX_BATCH):
                self.hand_over(self.prepare(names[start : start + MAX_BATCH], covered))
        finally:
            self.settle_all()
        return bool(names)

    def prepare(self, names: list[str], covered: Stretches) -> list[Due]:
        """Decide over these entries; leaves out those that are quarantined, or read again in the next round."""
        now = from_seconds(time.time())
        for name, stored in self.roster.unknown(names).items():
            self.read(name, stored, now)
        self.keep_zones()  # before anything runs by them
        if covered:
            self.take_back_skips(names, covered)
        faults.reach("beat.before_decide")
        decided = [self.decide(name, now, covered) for name in names]
        faults.reach("beat.after_decide")
        return [due for due in decided if due is not None]

    def take_back_skips(self, names: list[str], covered: Stretches) -> None:
        """What was skipped while the clock was ahead, and is ahead of it again, will be decided: it keeps no row."""
        for known in filter(None, map(self.roster.get, names)):
            with self.setting_aside(known.entry.name, str(known.entry.revision)):
                self.withdrawal.look(known.entry.name, known.job, known.due, covered)

    def hand_over(self, batch: list[Due]) -> None:
        """Send these, and wait for those before them; an entry is in one batch only, so neither needs the other."""
        while batch:
            try:
                arguments = self.dispatcher.arguments(batch, self.lease.token, self.losses.memory.commits)
                break
            except Unsendable as error:
                self.set_aside(error.entry.name, str(error.entry.revision), str(error))
                batch = [due for due in batch if due.entry.name != error.entry.name]
        if batch:
            self.in_flight.append((batch, self.dispatcher.post(arguments)))
        else:
            self.lease.hold_on(self.store.client)
        if len(self.in_flight) >= MAX_IN_FLIGHT:
            self.settle()

    def settle_all(self) -> None:
        """Settle every batch that was posted; raises LostLock."""
        try:
            while self.in_flight:
                self.settle()
        finally:
            while self.in_flight:  # their entries are still due, or were advanced: reading them again tells
                self.in_flight.popleft()[1].drop()

    def settle(self) -> None:
        """Wait for the batch that was sent first, and take its outcome into account."""
        batch, posted = self.in_flight.popleft()
        replies = self.dispatcher.replies(posted)
        self.losses.memory.commits += 1
        for number, due in enumerate(batch):
            known, decision = self.roster.get(due.entry.name), due.decision
            if number in replies or decision.resumed or known is None:
                self.roster.forget(due.entry.name)
            else:
                known.due = decision.due
                known.ran += len(decision.runs)
        self.note_sent(due.entry.name for number, due in enumerate(batch) if not is_unsent(replies.get(number)))
        for number, (outcome, *wrong) in replies.items():
            if outcome == "broken":
                self.set_aside(batch[number].entry.name, str(batch[number].entry.revision), wrong[0])
        self.dispatcher.tell(batch, replies)
        self.losses.backup.changed.update(due.entry.name for due in batch if due.job.max_runs is not None)
        self.lease.progress()
        if not self.lease.held:
            raise LostLock

    def note_sent(self, names: Iterable[str]) -> None:
        """Remember without Redis what was sent in this round."""
        self.losses.memory.note_sent(self.round_began, everything=False)
        self.losses.memory.sent_lately |= dict.fromkeys(names, self.round_began)

    def read(self, name: str, stored: dict[str, str], now: datetime) -> None:
        """Read an entry that is new or was changed; what cannot be read is set aside."""
        self.roster.forget(name)
        if "definition" not in stored:
            if self.store.set_aside(name, "", "", self.lease.token):
                emit("entry.vanished", schedule=name)
                self.losses.missing.add(name)
            return
        with self.setting_aside(name, stored.get("revision", "")):
            entry = entries.decode(name, stored)
            if entries.was_changed_outside(stored):
                after = adopt.adopted(entry, stored, now, self.dispatcher.app.scheduler_zone)
                if self.store.adopt(after, stored, self.lease.token, adopt.audit(entry, after, now)):
                    emit("entry.adopted", schedule=entry.name)
            else:
                self.roster.learn(entry)

    def decide(self, name: str, now: datetime, covered: Stretches) -> Due | None:
        """One entry's decision; None for an entry that could not be read, or was changed: the next round reads it."""
        known = self.roster.get(name)
        if known is None:
            return None
        entry, job, due = known.entry, known.job, known.due
        try:
            forgotten = self.losses.forgotten(name, due)
            decision = None if covered or forgotten else decide_on_time(entry, job, due, now)
            if decision is None:
                decision = decide(known.present(), job, now, self.leaderless, covered, forgotten)
            return Due(entry, job, decision, due)
        except Exception as error:
            self.refuse(name, str(known.entry.revision), error)
            return None

    def look_at_all(self) -> None:
        """From the next ``look_around`` on, look at every entry that is stored now."""
        if not self.passes:
            self.roster.begin_again()
        self.passes = min(self.passes + 1, 2)  # what was looked at already may have been changed since

    def look_around(self) -> None:
        """Take over what other programs did with RedBeat's API, which announces nothing and computes its own times."""
        ends = time.monotonic() + MAX_LOOKING_S
        if not self.passes:
            self.take_over(self.roster.touched_outside())
        while self.passes and time.monotonic() < ends:
            self.take_over(self.roster.touched_outside(ENTRIES_PER_PAGE))
            self.passes -= self.roster.is_through

    def take_over(self, touched: dict[str, dict[str, str]]) -> None:
        """Read these entries again, and give each its own place in the index."""
        now = from_seconds(time.time())
        for name, stored in touched.items():
            self.read(name, stored, now)
            with self.setting_aside(name, stored.get("revision", "")):
                if not entries.was_changed_outside(stored):
                    self.store.put_in_place(entries.decode(name, stored), self.lease.token)

    @contextmanager
    def setting_aside(self, name: str, revision: str) -> Iterator[None]:
        """Whatever is wrong with one entry must not touch the others."""
        try:
            yield
        except (*AWAY, *REFUSED):
            raise
        except Exception as error:
            self.refuse(name, revision, error)

    def refuse(self, name: str, revision: str, error: Exception) -> None:
        """Set an entry aside because of this error."""
        reason = str(error) if isinstance(error, DamagedEntry) else f"{type(error).__name__}: {error}"
        self.set_aside(name, revision, reason)

    def set_aside(self, name: str, revision: str, error: str) -> None:
        """Quarantine an entry, unless it was changed since this revision."""
        self.roster.forget(name)
        if self.store.set_aside(name, revision, error, self.lease.token):
            emit("entry.quarantined", schedule=name, error=error)
