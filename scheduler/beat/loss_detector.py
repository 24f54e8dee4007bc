"""Notices that Redis lost or rolled back data, and mends it.

Noticing costs the same however many schedules are stored. Signs of a loss are: a marker that disappears with all other
data, an index that is suddenly much smaller, a counter of changes or of commits that goes back, and entries that the
roster does not find when they are due or when it looks at some of them.

The types give the order of a tick: only ``LossDetector.mend`` makes a Mended, only that can ``ask``, and only the
Question that this returns can ``hear`` the answers.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler.beat.backup import Backup
from scheduler.beat.memory import Memory
from scheduler.events import emit
from scheduler.model import read_run_id
from scheduler.sending.decide import Forgotten
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.store import Store

MAX_CHANGED_PER_TICK = 2000  #: changed entries that are read in one tick
FORGOTTEN_TTL_S = 7 * 86_400  #: seconds for which workers do not begin runs of which Redis lost the record
LOSS_SHOWN_S = 86_400  #: seconds for which a loss is shown as a problem


class LossDetector:
    """One for each term as leader: another beat's term may have changed anything."""

    def __init__(self, store: Store, backup: Backup, memory: Memory) -> None:
        self.store = store
        self.backup = backup
        self.memory = memory
        self.missing: set[str] = set()  #: names in the index whose entries are gone
        self.has_shrunk = False  #: whether the index lost more than half of its names at once
        self.has_older_data = False  #: whether Redis counts fewer commits than it has told
        self.size = 0  #: names in the index
        self.marker: str | None = None  #: the data that everything was compared with; None: compare everything

    def mend(self, token: str) -> Mended:
        """Put back what is missing, as far as the backup has it.

        Raises Conflict when the lock is lost.
        """
        if self.has_older_data:
            return Mended(self, self._go_on_from_older_data())
        if self.marker is None:
            return Mended(self, self._compare_everything(token))
        if self.has_shrunk:
            self.has_shrunk = False
            if count := self.store.reindex():
                self._report(f"the index of its schedules: {count} are back in it")
        return Mended(self, self._restore_missing(token) if self.missing else None)

    def _compare_everything(self, token: str) -> datetime | None:
        """Compare everything that is stored with the backup; what is stored counts, unless nothing of it survived."""
        client, keys, backup = self.store.client, self.store.keys, self.backup
        # Redis also lost when each of the file's schedules was sent last; ``forgotten`` finds what was sent since.
        after = self.memory.sent_all or from_seconds(time.time())
        marker = client.get(keys.marker)
        known = backup.snapshot.marker
        lost_all = marker is None and known != ""
        if lost_all:
            self.memory.forgotten_lately = dict(self.memory.sent_lately)
        if marker is None:
            restored = backup.restore(list(backup.snapshot.entries), token, after)
            marker = uuid.uuid4().hex
            client.set(keys.marker, marker)  # after the entries: a crash in between repeats the step
            if lost_all:
                path = backup.snapshot.path
                self._report(
                    f"all its data: {restored} schedules are back from {path}, the file's are loaded again; the runs "
                    "that waited in queues and the history of all runs are gone"
                )
        if marker != known:
            self.memory.revision = self.memory.commits = 0  # other data counts from its own beginning
        self._hear_commits(client.get(keys.commits))
        backup.follow(marker)
        client.delete(keys.changed)  # before the names are read: what changes from now on is told again
        names = self.store.names()
        self.missing |= backup.copy_all(names, spare=self.missing)
        self.size, self.marker = len(names), marker
        return after if lost_all else self._restore_missing(token) if self.missing else None

    def _hear_commits(self, text: str | None) -> None:
        told = int(text) if text and text.isdecimal() else 0
        self.has_older_data = self.has_older_data or told < self.memory.commits
        self.memory.commits = max(told, self.memory.commits)

    def _go_on_from_older_data(self) -> datetime | None:
        """Send nothing again that fell due before; returns the instant after which the file's schedules are due."""
        memory = self.memory
        self.has_older_data, self.marker, memory.commits = False, None, 0
        memory.forgotten_until = memory.sent_some
        if memory.sent_some:  # before any row says so: no worker shall begin such a run beside its row
            self.store.client.set(self.store.keys.forgotten, to_seconds(memory.sent_some), ex=FORGOTTEN_TTL_S)
        until = f"{memory.sent_some:%H:%M:%S}" if memory.sent_some else "now"
        self._report(
            f"what it wrote last, and came back with older data: runs due up to {until} UTC are not sent again, and "
            "how they ended is not known; repeat what was changed on the page shortly before"
        )
        return memory.sent_some

    def forgotten(self, name: str, due: datetime | None) -> Forgotten | None:
        """What Redis lost of a schedule that is due at this instant; nearly always nothing."""
        until = self.memory.forgotten_until or self.memory.forgotten_lately.get(name)
        if until is None or due is None or due > until:
            return None
        identities = self.store.client.hkeys(self.store.keys.ledger(name))
        rows = (read_run_id(identity) for identity in identities if not identity.startswith(":"))
        return Forgotten(until, {from_seconds(instant) for _, instant in rows})

    def _restore_missing(self, token: str) -> datetime:
        """Put back the entries that are in the index and gone; returns the instant after which they are due."""
        # The others were sent on time meanwhile, so what fell due later than ``sent_all`` may still be unsent.
        after = self.memory.sent_all or from_seconds(time.time())
        restored = self.backup.restore(self.missing, token, after)
        names = ", ".join(sorted(self.missing)[:5])
        self._report(
            f"{len(self.missing)} schedules ({names}): {restored} are back from the snapshot, the file is loaded again"
        )
        self.missing.clear()
        return after

    def _report(self, loss: str) -> None:
        """Log a loss, and show it on the page for a while."""
        emit("store.lost", what=loss)
        at = from_seconds(time.time()).strftime("%Y-%m-%d %H:%M")
        self.store.client.set(self.store.keys.notice("loss"), f"{at} UTC: Redis lost {loss}", ex=LOSS_SHOWN_S)


@dataclass(frozen=True)
class Mended:
    """As far as the leader knows, Redis has all its data."""

    detector: LossDetector
    fall_due_after: datetime | None  #: after a loss: the file's schedules are due after this instant

    def ask(self, pipe: Any) -> Question:
        """Add the questions to a round trip that is made anyway."""
        detector, keys = self.detector, self.detector.store.keys
        # Asking removes the names of changed entries from Redis. If the answer is lost, so are the names: the marker
        # stays None then, and the next tick compares everything.
        marker, detector.marker = detector.marker, None
        pipe.mget(keys.marker, keys.revision, keys.commits)
        pipe.zcard(keys.schedule)
        pipe.spop(keys.changed, MAX_CHANGED_PER_TICK)
        return Question(detector, marker)


@dataclass(frozen=True)
class Question:
    """What Redis was asked; ``marker`` is the answer expected, None if everything is to be compared anyway."""

    detector: LossDetector
    marker: str | None

    def hear(self, counts: Sequence[str | None], size: int, changed: Iterable[str]) -> bool:
        """Take the answers: marker, number of the last change and commits; number of schedules; changed entries.

        False when there is something to mend.
        """
        (marker, revision, commits), detector = counts, self.detector
        changes = detector.backup.changed
        changes.update(changed)
        # Each name that went by a change may be one that left the index.
        detector.has_shrunk = detector.has_shrunk or 2 * size < detector.size - len(changes)
        detector.size = size
        is_same_data = self.marker is not None and marker == self.marker
        self._hear_revision(revision, is_same_data=is_same_data)
        if not is_same_data:
            return False
        detector.marker = marker
        detector._hear_commits(commits)
        return not (detector.has_shrunk or detector.missing or detector.has_older_data)

    def _hear_revision(self, text: str | None, *, is_same_data: bool) -> None:
        store, memory = self.detector.store, self.detector.memory
        told = int(text) if text and text.isdecimal() else 0
        if is_same_data and told < memory.revision:
            # Redis was rolled back. Were a number given to a second change, beat would take an entry that it has read
            # for the changed one.
            store.client.set(store.keys.revision, memory.revision)
        memory.revision = max(told, memory.revision if is_same_data else 0)
