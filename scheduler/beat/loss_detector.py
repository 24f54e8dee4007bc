"""Notices that Redis lost or rolled back data, and mends it.

Noticing costs the same however many schedules are stored. Signs of a loss are: a marker that disappears with all other
data, an index that is suddenly much smaller, a counter of changes that goes back, and entries that the roster does not
find when they are due or when it looks at some of them.

The types give the order of a tick: only ``LossDetector.mend`` makes a Mended, only that can ``ask``, and only the
Question that this returns can ``hear`` the answers.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler.beat.backup import Backup
from scheduler.beat.memory import Memory
from scheduler.events import emit
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store

MAX_CHANGED_PER_TICK = 2000  #: changed entries that are read in one tick
LOSS_SHOWN_S = 86_400  #: seconds for which a loss is shown as a problem


class LossDetector:
    """One for each term as leader: another beat's term may have changed anything."""

    def __init__(self, store: Store, backup: Backup, memory: Memory) -> None:
        self.store = store
        self.backup = backup
        self.memory = memory
        self.missing: set[str] = set()  #: names in the index whose entries are gone
        self.has_shrunk = False  #: whether the index lost more than half of its names at once
        self.size = 0  #: names in the index
        self.marker: str | None = None  #: the data that everything was compared with; None: compare everything

    def mend(self, token: str) -> Mended:
        """Put back what is missing, as far as the backup has it.

        Raises Conflict when the lock is lost.
        """
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
        # Nothing is sent twice: with all its data, Redis also lost when each of the file's schedules was sent last.
        after = self.memory.sent_some or from_seconds(time.time())
        marker = client.get(keys.marker)
        known = backup.snapshot.marker
        lost_all = marker is None and known != ""
        if marker is None:
            restored = backup.restore(list(backup.snapshot.entries), token, after)
            marker = uuid.uuid4().hex
            client.set(keys.marker, marker)  # after the entries: a crash in between repeats the step
            if lost_all:
                path = backup.snapshot.path
                self._report(f"all its data: {restored} schedules are back from {path}, the file's are loaded again")
        if marker != known:
            self.memory.revision = 0  # other data counts its changes from its own beginning
        backup.follow(marker)
        client.delete(keys.changed)  # before the names are read: what changes from now on is told again
        names = self.store.names()
        self.missing |= backup.copy_all(names, spare=self.missing)
        self.size, self.marker = len(names), marker
        return after if lost_all else self._restore_missing(token) if self.missing else None

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
        pipe.get(keys.marker)
        pipe.zcard(keys.schedule)
        pipe.spop(keys.changed, MAX_CHANGED_PER_TICK)
        pipe.get(keys.revision)
        return Question(detector, marker)


@dataclass(frozen=True)
class Question:
    """What Redis was asked; ``marker`` is the answer expected, None if everything is to be compared anyway."""

    detector: LossDetector
    marker: str | None

    def hear(self, marker: str | None, size: int, changed: Iterable[str], revision: str | None) -> bool:
        """Take the answers: marker, number of schedules, changed entries, number of the last change.

        False when there is something to mend.
        """
        detector, changes = self.detector, self.detector.backup.changed
        changes.update(changed)
        # Each name that went by a change may be one that left the index.
        detector.has_shrunk = detector.has_shrunk or 2 * size < detector.size - len(changes)
        detector.size = size
        is_same_data = self.marker is not None and marker == self.marker
        self._hear_revision(revision, is_same_data=is_same_data)
        if not is_same_data:
            return False
        detector.marker = marker
        return not detector.has_shrunk and not detector.missing

    def _hear_revision(self, text: str | None, *, is_same_data: bool) -> None:
        store, memory = self.detector.store, self.detector.memory
        told = int(text) if text and text.isdecimal() else 0
        if is_same_data and told < memory.revision:
            # Redis was rolled back. Were a number given to a second change, beat would take an entry that it has read
            # for the changed one.
            store.client.set(store.keys.revision, memory.revision)
        memory.revision = max(told, memory.revision if is_same_data else 0)
