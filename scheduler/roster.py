"""What beat knows of the entries that are due: decoded once for each revision, not once for each run."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduler import entries, faults
from scheduler.entries import Job
from scheduler.events import emit
from scheduler.instants import from_micros
from scheduler.model import Entry
from scheduler.redis_client import hashes, script
from scheduler.store import Store

KEPT = 200_000  #: decoded entries that are kept
SWEPT = 100  #: entries that are looked at in one go for changes by other programs


class Standing(NamedTuple):
    """Where an entry stands: what of it changes from run to run, as it is stored."""

    name: str
    revision: str
    due: str
    ran: str


@dataclass(frozen=True, slots=True)
class Known:
    """A decoded entry."""

    revision: str
    entry: Entry
    job: Job


class Roster:
    """Reads the due entries in one step, and the definitions of those that it does not know yet."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._due = script(store.client, "due")
        self._sweep = script(store.client, "sweep")
        self.gone: set[str] = set()  #: names that stood in the index without an entry, for whoever can put it back
        self._cursor = "0"
        self._known: OrderedDict[str, Known] = OrderedDict()

    def due(self, limit: int) -> list[Standing]:
        """The entries whose time has come, longest overdue first."""
        faults.reach("roster.before_due")
        flat = self._due(keys=[self.store.keys.schedule], args=[time.time(), limit, self.store.keys.prefix])
        faults.reach("roster.after_due")
        found = [Standing(*flat[at : at + 4]) for at in range(0, len(flat), 4)]
        for gone in found:
            if not gone.revision:
                emit("entry.vanished", schedule=gone.name)
                self.gone.add(gone.name)
        return [standing for standing in found if standing.revision]

    def unknown(self, standings: Iterable[Standing]) -> dict[str, dict[str, str]]:
        """The hashes of those that were changed since they were read, or never were."""
        names = [standing.name for standing in standings if self._find(standing) is None]
        return dict(zip(names, hashes(self.store.client, map(self.store.keys.entry, names)), strict=True))

    def touched_outside(self) -> dict[str, dict[str, str]]:
        """The hashes of those that are gone, or that another program saved or sent; each call looks at some more."""
        keys = self.store.keys
        self._cursor, *names = self._sweep(keys=[keys.schedule], args=[self._cursor, SWEPT, keys.prefix])
        return dict(zip(names, hashes(self.store.client, map(keys.entry, names)), strict=True)) if names else {}

    def learn(self, entry: Entry) -> None:
        """Keep an entry; raises DamagedEntry when it cannot be sent as it is."""
        self._known[entry.name] = Known(str(entry.revision), entry, entries.job(entry))
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        """Read this entry anew when it is due again."""
        self._known.pop(name, None)

    def clear(self) -> None:
        """Read every entry anew: while another beat led, revisions may have begun again."""
        self._known.clear()

    def get(self, standing: Standing) -> tuple[Entry, Job] | None:
        """The entry as it stands now, and its job; None if it is not known as it stands."""
        known = self._find(standing)
        if known is None:
            return None
        due = from_micros(standing.due)
        return replace(known.entry, due=due, total_run_count=int(standing.ran)), known.job

    def _find(self, standing: Standing) -> Known | None:
        known = self._known.get(standing.name)
        return known if known is not None and known.revision == standing.revision else None
