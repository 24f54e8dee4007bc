"""The leader's watch over what is stored: it notices what Redis lost, and puts back what no schedule file holds.

Noticing costs the same whatever is stored: a marker that would be gone with everything else, the size of the index, and
entries that the roster finds gone, when they are due or when it looks at some of all.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from scheduler.beat.snapshot import Snapshot, Stored, is_worth_keeping
from scheduler.events import emit
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds, to_micros
from scheduler.storage.store import Store

PAUSE = 5.0  #: seconds between two writes of the snapshot
SHARE = 50  #: a write is repeated after this many times its duration at the earliest
RETRY = 60.0  #: seconds until a write that failed is tried again
AT_ONCE = 2000  #: changed entries that are read in one tick
SHOWN = 86_400  #: seconds for which a loss is shown as a problem


class Safekeeping:
    """Used by the leader only: ``begin``, then in each tick ``mend``, ``keep``, and ``ask`` with ``hear``."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.snapshot: Snapshot | None = None
        self.begun = False
        self.size = self.revision = 0
        self.changed: set[str] = set()
        self.missing: set[str] = set()
        self.shrunk = False
        self.asking = self.keeps_all = False
        self.sent_all: datetime | None = None
        self.sent_some: datetime | None = None
        self.unwritten = False
        self.next_write = 0.0

    def begin(self, led_until: datetime | None) -> None:
        """Look at everything anew: this beat begins to lead. Somebody led until then, as far as that is known."""
        self.begun = self.shrunk = False
        self.missing.clear()
        self.sent(led_until or self.sent_all or from_seconds(time.time()), everything=True)

    def forget_sent(self) -> None:
        """What this beat sent last is no guide any more: another one leads, or the clock was set back."""
        self.sent_all = self.sent_some = None

    def trust_file(self, good: bool) -> None:
        """While the schedule file cannot be loaded, its schedules too are kept in the copy."""
        if self.keeps_all == good:
            self.keeps_all, self.begun = not good, False

    def ask(self, pipe: Any) -> None:
        """Join the questions of a tick to a round trip that is made anyway."""
        self.begun = self.begun and not self.asking  # an answer that was lost may have named changes
        self.asking = True
        pipe.get(self.store.keys.marker)
        pipe.zcard(self.store.keys.schedule)
        pipe.spop(self.store.keys.changed, AT_ONCE)
        pipe.get(self.store.keys.revision)

    def hear(self, marker: str | None, size: int, changed: Iterable[str], revision: str | None) -> bool:
        """The answers: which life of the data this is, how many schedules there are, which were changed.

        False when there is something to mend.
        """
        self.asking = False
        self.changed.update(changed)
        self.begun = self.begun and self.snapshot is not None and marker == self.snapshot.marker
        self.shrunk = self.shrunk or 2 * size < self.size - len(self.changed)
        self.size = size
        counted = int(revision) if revision and revision.isdecimal() else 0
        if self.begun and counted < self.revision:
            self.store.client.set(self.store.keys.revision, self.revision)  # none may come a second time
        self.revision = max(counted, self.revision if self.begun else 0)
        return self.begun and not self.shrunk and not self.missing

    def sent(self, at: datetime, *, everything: bool) -> None:
        """What fell due up to then was sent: some of it, or everything."""
        self.sent_some = max(self.sent_some or at, at)
        if everything:
            self.sent_all = max(self.sent_all or at, at)

    def mend(self, token: str) -> datetime | None:
        """Put back what is missing. Where something was, returns the instant after which the file's fall due again.

        Raises Conflict when the lock is lost.
        """
        if not self.begun:
            return self.look_at_all(token)
        if self.shrunk:
            self.shrunk = False
            if count := self.store.reindex():
                self.report(f"the index of its schedules: {count} are back in it")
        if not self.missing:
            return None
        return self.put_back_missing(token)

    def look_at_all(self, token: str) -> datetime | None:
        """Compare everything that is stored with the copy; what is stored counts, unless nothing of it survived."""
        snapshot = self.snapshot = self.snapshot or Snapshot.of(self.settings)
        client, keys = self.store.client, self.store.keys
        since = self.sent_some or from_seconds(time.time())
        marker = client.get(keys.marker)
        lost = marker is None and snapshot.marker != ""
        if marker is None:
            back = self.put_back(snapshot.entries, token, since)
            marker = uuid.uuid4().hex
            client.set(keys.marker, marker)
            if lost:
                self.report(
                    f"all its data: {back} schedules are back from {snapshot.path}, the file's are loaded again"
                )
        self.unwritten = marker != snapshot.marker
        snapshot.marker = marker
        client.delete(keys.changed)
        names = self.store.names()
        found = set()
        for name, stored in self.store.raw(names):
            found.add(name)
            self.copy(name, stored)
        self.missing.update(set(names) - found)
        self.size, self.begun = len(names), True
        for name in snapshot.entries.keys() - found - self.missing:
            self.copy(name, None)
        return since if lost else self.put_back_missing(token) if self.missing else None

    def put_back_missing(self, token: str) -> datetime:
        """Those that stand in the index and are gone."""
        kept = self.snapshot.entries if self.snapshot else {}
        since = self.sent_all or from_seconds(time.time())
        back = self.put_back({name: kept[name] for name in self.missing & kept.keys()}, token, since)
        names = ", ".join(sorted(self.missing)[:5])
        self.report(
            f"{len(self.missing)} schedules ({names}): {back} are back from the snapshot, the file is loaded again"
        )
        self.missing.clear()
        return since

    def put_back(self, lost: dict[str, Stored], token: str, since: datetime) -> int:
        """Those of these entries of which there is none now, due after ``since``."""
        return len(self.store.put_back([(name, *revived(name, stored, since)) for name, stored in lost.items()], token))

    def keep(self) -> None:
        """Bring the copy up to date, and write it if it is time."""
        now = time.monotonic()
        if self.changed:
            stored = dict(self.store.raw(self.changed))
            self.missing |= self.store.indexed(self.changed - stored.keys())
            for name in self.changed - self.missing:
                self.copy(name, stored.get(name))
            self.changed.clear()
        if self.unwritten and now >= self.next_write:
            self.write(now)

    def copy(self, name: str, stored: Stored | None) -> None:
        """Keep one entry as it is stored now, or forget it."""
        kept = self.snapshot.entries if self.snapshot else {}
        if stored and (self.keeps_all or is_worth_keeping(stored)):
            self.unwritten = self.unwritten or kept.get(name) != stored
            kept[name] = stored
        elif kept.pop(name, None) is not None:
            self.unwritten = True

    def write(self, now: float) -> None:
        notice = self.store.keys.notice("snapshot")
        try:
            if self.snapshot is not None:
                self.snapshot.write()
        except OSError as error:
            self.next_write = now + RETRY
            emit("snapshot.failed", path=error.filename, error=error.strerror)
            text = f"The snapshot cannot be written to {error.filename}: {error.strerror}; set SCHEDULER_STATE_DIR"
            self.store.client.set(notice, text, ex=int(3 * RETRY))
            return
        self.unwritten = False
        self.next_write = now + max(PAUSE, SHARE * (time.monotonic() - now))
        self.store.client.delete(notice)

    def report(self, what: str) -> None:
        """Tell of a loss, now and on the page for a while."""
        emit("store.lost", what=what)
        at = from_seconds(time.time()).strftime("%Y-%m-%d %H:%M")
        self.store.client.set(self.store.keys.notice("loss"), f"{at} UTC: Redis lost {what}", ex=SHOWN)


def revived(name: str, stored: Stored, since: datetime) -> tuple[float, Stored]:
    """An entry's place in the index, and its hash: due after ``since``, or where its pause found it."""
    try:
        entry = entries.decode(name, stored)
        due_timing = entries.job(entry).timing
    except DamagedEntry:
        return entries.NEVER, stored
    if entry.pause is None:
        entry = replace(entry, due=due_timing.next_due(since))
    return entries.score(entry, due_timing), stored | {"due": to_micros(entry.due)}
