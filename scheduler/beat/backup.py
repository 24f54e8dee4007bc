"""The leader's backup: keeps the snapshot on disk up to date with Redis, and restores entries from it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from scheduler.beat.snapshot import Snapshot, Stored, is_worth_keeping
from scheduler.events import emit
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import to_micros
from scheduler.storage.store import Store
from scheduler.storage.survey import Survey, survey
from scheduler.storage.workers import keep_imports, last_good_imports

WRITE_INTERVAL_S = 5.0  #: seconds between two writes of the snapshot at least
WRITE_SHARE = 50  #: a write is repeated after this many times its duration at the earliest
RETRY_INTERVAL_S = 60.0  #: seconds until a write that failed is tried again


class Backup:
    """What no schedule file holds. Its methods may be called in any order, but only while this beat leads."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.changed: set[str] = set()  #: names of entries that ``update`` reads again
        self.survey: Survey | None = None  #: of the entries, when all were copied last; to be used at once
        self.has_file_schedules = False  #: whether it holds the file's schedules too
        self.is_unwritten = False
        self.next_write = 0.0

    @cached_property
    def snapshot(self) -> Snapshot:
        """Read when it is needed first: a standby neither reads nor moves what the leader writes."""
        return Snapshot.of(self.settings)

    def follow(self, marker: str) -> None:
        """From now on this is a backup of the data with this marker."""
        self.is_unwritten = self.is_unwritten or marker != self.snapshot.marker
        self.snapshot.marker = marker

    def copy_imports(self) -> None:
        """Keep the last good imports that Redis has, or put them back: workers may start while the file is wrong."""
        client, keys, snapshot = self.store.client, self.store.keys, self.snapshot
        stored = last_good_imports(client, keys)
        if stored is None and snapshot.imports:
            keep_imports(client, keys, snapshot.imports)
        elif stored is not None and stored != snapshot.imports:
            snapshot.imports, self.is_unwritten = stored, True

    def restore(self, names: Iterable[str], token: str, after: datetime) -> int:
        """Put back those of these entries that Redis does not have, due after this instant; returns how many.

        Raises Conflict when the lock is lost.
        """
        kept = self.snapshot.entries
        lost = [(name, *due_after(name, kept[name], after)) for name in names if name in kept]
        return len(self.store.put_back(lost, token))

    def copy_all(self, names: Collection[str], *, spare: Collection[str]) -> set[str]:
        """Copy every entry, and drop all others but the spared ones; returns the names of which there is no entry."""
        present, seen = set(), Survey()
        for name, origin, stored in self._look_at(names):
            present.add(name)
            seen.see(name, origin, (stored or {}).get("error", ""))
            self.copy(name, stored)
        self.survey = seen
        gone = set(names) - present
        for name in self.snapshot.entries.keys() - present - gone - set(spare):
            self.copy(name, None)
        return gone

    def _look_at(self, names: Collection[str]) -> Iterator[tuple[str, str, Stored | None]]:
        if not self.has_file_schedules:
            return survey(self.store.client, self.store.keys, names)
        return ((name, stored.get("origin", ""), stored) for name, stored in self.store.raw(names))

    def update(self, *, spare: Collection[str]) -> set[str]:
        """Copy what was changed but the spared ones, and write if it is time; returns names in the index without entry.

        A spared entry is known to be lost: its copy is what it is restored from.
        """
        gone: set[str] = set()
        if self.changed:
            stored = dict(self.store.raw(self.changed))
            gone = self.store.indexed(self.changed - stored.keys())
            for name in self.changed - gone - set(spare):
                self.copy(name, stored.get(name))
            self.changed.clear()
        if self.is_unwritten and time.monotonic() >= self.next_write:
            self.write()
        return gone

    def copy(self, name: str, stored: Stored | None) -> None:
        """Keep one entry as it is stored now, or drop it."""
        kept = self.snapshot.entries
        if stored and (self.has_file_schedules or is_worth_keeping(stored)):
            self.is_unwritten = self.is_unwritten or kept.get(name) != stored
            kept[name] = stored
        elif kept.pop(name, None) is not None:
            self.is_unwritten = True

    def write(self) -> None:
        """Write the snapshot; a failure is shown as a problem and retried later."""
        began = time.monotonic()
        notice = self.store.keys.notice("snapshot")
        try:
            self.snapshot.write()
        except OSError as error:
            self.next_write = began + RETRY_INTERVAL_S
            path = error.filename or self.snapshot.path  # an error of a write, as on a full disk, names no file
            emit("snapshot.failed", path=path, error=error.strerror)
            remedy = "set SCHEDULER_STATE_DIR to a writable directory"
            text = f"Cannot write the snapshot to {path}: {error.strerror}; {remedy}"
            self.store.client.set(notice, text, ex=int(3 * RETRY_INTERVAL_S))
            return
        self.is_unwritten = False
        self.next_write = began + max(WRITE_INTERVAL_S, WRITE_SHARE * (time.monotonic() - began))
        self.store.client.delete(notice)


def due_after(name: str, stored: Stored, after: datetime) -> tuple[float, Stored]:
    """An entry's score in the index, and its hash: due after this instant, or where its pause found it."""
    try:
        entry = entries.decode(name, stored)
        due_timing = entries.job(entry).timing
    except DamagedEntry:
        return entries.NEVER, stored
    if entry.pause is None:
        entry = replace(entry, due=due_timing.next_due(after))
    return entries.score(entry, due_timing), stored | {"due": to_micros(entry.due)}
