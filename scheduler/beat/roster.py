"""Beat's cache of decoded entries: filled when they are due first, then kept up to date by what it sends itself.

The cache may be out of date; then the atomic step that sends refuses the entry, and it is read again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler import faults
from scheduler.model import Entry
from scheduler.storage import entries
from scheduler.storage.client import hashes
from scheduler.storage.entries import Job
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

MAX_KNOWN = 100_000  #: decoded entries in the cache, 1.1 KB each
ENTRIES_PER_SWEEP = 40  #: entries that one sweep checks for changes by other programs
ENTRIES_PER_PAGE = 500  #: the same, where another program is known to have changed one: Redis takes 3 ms for them

NOTHING: dict[str, Any] = {}


@dataclass(slots=True)
class Known:
    """An entry as it was read, but for its fields.

    ``due`` and ``ran`` replace its own, because runs sent since then advanced them.
    """

    entry: Entry
    job: Job
    due: datetime | None
    ran: int

    def present(self) -> Entry:
        """The entry as it is now."""
        return replace(self.entry, due=self.due, total_run_count=self.ran)


class Roster:
    """Finds what is due, and the definitions of those entries that it does not know yet."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._sweep = script(store.client, "sweep")
        self.zones: set[str] = set()  #: of every entry that was read
        self._cursor = "0"
        self._known: OrderedDict[str, Known] = OrderedDict()

    def due(self, limit: int) -> list[str]:
        """The names of the entries whose time has come, longest overdue first."""
        client, keys = self.store.client, self.store.keys
        faults.reach("roster.before_due")
        wanted = ("ZRANGEBYSCORE", keys.schedule, 0, time.time(), "LIMIT", 0, limit)
        # As bytes: a member that is not UTF-8 has to be removed as it is.
        members = client.execute_command(*wanted, NEVER_DECODE=True)
        faults.reach("roster.after_due")
        names = {member: name for member in members if (name := read_name(member, keys.prefix))}
        if len(names) < len(members):
            # None of our names: it would be due again at every tick.
            client.zrem(keys.schedule, *(set(members) - set(names)))
        return list(names.values())

    def unknown(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The hashes of those that were not read yet, or have to be read again; empty for one that is gone."""
        wanted = [name for name in names if name not in self._known]
        return dict(zip(wanted, hashes(self.store.client, map(self.store.keys.entry, wanted)), strict=True))

    def begin_again(self) -> None:
        """Let the next call of ``touched_outside`` begin with the first entry."""
        self._cursor = "0"

    @property
    def is_through(self) -> bool:
        """Whether ``touched_outside`` has looked at all that were stored when it began."""
        return self._cursor == "0"

    def touched_outside(self, count: int = ENTRIES_PER_SWEEP) -> dict[str, dict[str, str]]:
        """The hashes of those that are gone, or that another program saved or sent; each call looks at some more."""
        keys = self.store.keys
        self._cursor, *names = self._sweep(keys=[keys.schedule], args=[self._cursor, count, keys.prefix])
        return dict(zip(names, hashes(self.store.client, map(keys.entry, names)), strict=True)) if names else {}

    def learn(self, entry: Entry) -> None:
        """Keep an entry; raises DamagedEntry when it cannot be sent as it is."""
        job = entries.job(entry)
        # Its job says all that sending needs of these.
        bare = replace(entry, fields=NOTHING, base=NOTHING, overlay=NOTHING)
        self._known[entry.name] = Known(bare, job, entry.due, entry.total_run_count)
        self.zones.add(job.timing.zone)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """Read this entry again when it is due."""
        self._known.pop(name, None)

    def clear(self) -> None:
        """Read every entry again."""
        self._known.clear()

    def get(self, name: str) -> Known | None:
        """The entry and its job, if it is known."""
        return self._known.get(name)


def read_name(member: bytes, prefix: str) -> str | None:
    """The name of an entry from its member in the index; None for what cannot be one."""
    try:
        text = member.decode()
    except UnicodeDecodeError:
        return None
    return text.removeprefix(prefix) if text.startswith(prefix) else None
