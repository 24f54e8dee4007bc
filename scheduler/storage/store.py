"""The only place that reads or writes entries in Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from scheduler import faults
from scheduler.errors import Conflict, NotFound
from scheduler.model import Entry, Run
from scheduler.printable import near
from scheduler.redis_url import SOCKET_TIMEOUT
from scheduler.storage import entries, staging
from scheduler.storage.audit import AUDIT_LENGTH, MANY_CHANGES, Audit, summarized
from scheduler.storage.client import Client, hashes
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.keys import NEWS, NOTICES, Keys
from scheduler.storage.kinds import escaped
from scheduler.storage.records import loads, read_or, seconds
from scheduler.storage.renamed import names_since, present_name
from scheduler.storage.scripts import script
from scheduler.storage.write import Write as Write
from scheduler.storage.write import pack

NAMES_PER_READ = 1000
STEP_S = 0.0002  #: seconds that Redis may take for each change of one step; 45 µs on a machine that is not busy
MAX_NAMES_COMPARED = 10_000  #: names among which near misses are looked for
TIMES = ("read", "applied", "wrong")  #: of the schedule file
LOST_LOCK = "This beat lost the lock, so it changed nothing: another beat leads now."


class Store:
    """Entries under RedBeat's own keys."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.audit = Audit(client, keys)
        self._apply = script(client, "apply")
        self._adopt = script(client, "adopt")
        self._set_aside = script(client, "set_aside")
        self._put_back = script(client, "put_back")

    def names(self) -> list[str]:
        """Every stored name, sorted."""
        return sorted(self.keys.name(key) for key in self.client.zrange(self.keys.schedule, 0, -1))

    def get(self, name: str) -> Entry:
        """The entry of that name; raises NotFound with near misses."""
        stored = self.client.hgetall(self.keys.entry(name))
        if not stored or "definition" not in stored:
            remedy = near(name, self.names()[:MAX_NAMES_COMPARED]) or "`scheduler list` shows every one"
            raise NotFound(f"no schedule is called {name!r}: {remedy}")
        return self._decode(name, stored)

    def get_moved(self, name: str) -> Entry:
        """The entry that had this name, also if it was renamed since; raises NotFound."""
        try:
            return self.get(name)
        except NotFound:
            names = names_since(self.client, self.keys, name)
            return self.get(next((it for it in names if self.client.exists(self.keys.entry(it))), name))

    def of_run(self, run: Run) -> Entry:
        """The entry of a run's schedule, also if that was renamed since; raises NotFound."""
        return self.get(present_name(self.client, self.keys, run.id, run.schedule))

    def read(self, names: Iterable[str], progress: Callable[[], None] = lambda: None) -> Iterator[Entry]:
        """The entries of these names that exist, in their order; an entry that is damaged carries its error."""
        wanted = list(names)
        for start in range(0, len(wanted), NAMES_PER_READ):
            chunk = wanted[start : start + NAMES_PER_READ]
            for name, stored in zip(chunk, hashes(self.client, map(self.keys.entry, chunk)), strict=True):
                progress()
                if "definition" in stored:
                    yield self._decode(name, stored)

    def all(self, progress: Callable[[], None] = lambda: None) -> dict[str, Entry]:
        """Every entry by name; ``progress`` is called for each."""
        return {entry.name: entry for entry in self.read(self.names(), progress)}

    def write(self, changes: Sequence[Write], *, token: str = "", progress: Callable[[], None] = lambda: None) -> None:
        """Make all of the changes in one atomic step; raise Conflict, and change nothing, if one is out of date.

        A token is the leader's lock token: with it, a beat that lost its lock changes nothing. Many changes take
        a while, in which ``progress`` is called again and again.
        """
        if not changes:
            return
        names = [change.name for change in changes]
        summary = json.dumps(summarized([change.audit for change in changes])) if len(changes) > MANY_CHANGES else ""
        step_s = len(changes) * STEP_S
        wait_s = SOCKET_TIMEOUT + step_s
        with staging.staged(self.client, self.keys, names, map(pack, changes), progress, wait_s) as arguments:
            faults.reach("store.before_apply")
            header = [token, self.keys.prefix, self.keys.wake, AUDIT_LENGTH, len(changes), summary, step_s * 1000]
            conflicts = self._apply(
                keys=[self.keys.lock, self.keys.schedule, self.keys.audit],
                args=[*header, *arguments],
                wait_s=wait_s,
            )
        if conflicts is None:
            raise Conflict(LOST_LOCK)
        if conflicts == "gone":
            raise Conflict("What was prepared in Redis for this change is gone, so nothing was written: repeat it.")
        if conflicts:
            raise Conflict(
                f"{', '.join(repr(name) for name in conflicts[:5])} changed at the same time, "
                "so nothing was written: look again, then repeat the change"
            )

    def revision(self) -> int:
        """The counter of all changes."""
        return read_or(0, int, self.client.get(self.keys.revision) or "0")

    def put_in_place(self, entry: Entry, token: str) -> None:
        """Give the entry the place in the index that is its own, if it has another; raises Conflict."""
        place = entries.score(entry, entries.job(entry).timing)
        if self.client.zscore(self.keys.schedule, self.keys.entry(entry.name)) != place:
            self.write([Write(entry.name, entry, entry)], token=token)

    def set_aside(self, name: str, revision: str, error: str, token: str) -> bool:
        """Keep an entry, shown with its error, where beat does not look until somebody changes it.

        A name without an entry leaves the index instead. False when that was no more so: the lock is another's, or
        the entry was changed meanwhile.
        """
        keys = [self.keys.lock, self.keys.schedule, self.keys.entry(name)]
        faults.reach("store.before_set_aside")
        args = [token, revision or "0", error, entries.NEVER, self.keys.prefix, time.time()]
        done = self._set_aside(keys=keys, args=args)
        faults.reach("store.after_set_aside")
        return bool(done)

    def adopt(
        self, entry: Entry, stored: Mapping[str, str], token: str, audit: Mapping[str, Any] | None = None
    ) -> bool:
        """Write our fields beside what another program saved; False if it was changed again meanwhile."""
        fields = entries.encode(entry) | {"count": str(entry.total_run_count)}
        seen = entries.digest(stored["definition"])
        where = entries.score(entry, entries.job(entry).timing)
        keys = [self.keys.lock, self.keys.schedule, self.keys.entry(entry.name), self.keys.audit]
        flat = [part for pair in fields.items() for part in pair]
        line = json.dumps(audit) if audit else ""
        faults.reach("store.before_adopt")
        done = self._adopt(keys=keys, args=[token, seen, where, self.keys.prefix, line, AUDIT_LENGTH, *flat])
        faults.reach("store.after_adopt")
        return bool(done)

    def raw(self, names: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """The hashes of those of these names that have an entry."""
        wanted = list(names)
        for start in range(0, len(wanted), NAMES_PER_READ):
            chunk = wanted[start : start + NAMES_PER_READ]
            pairs = zip(chunk, hashes(self.client, map(self.keys.entry, chunk)), strict=True)
            yield from ((name, stored) for name, stored in pairs if "definition" in stored)

    def put_back(self, lost: Sequence[tuple[str, float, Mapping[str, str]]], token: str) -> list[str]:
        """Write these entries where there is none of that name; each has its place in the index and its hash.

        Returns the names that were written; raises Conflict when the lock is lost.
        """
        back: list[str] = []
        for start in range(0, len(lost), NAMES_PER_READ):
            arguments: list[str | float] = [token, self.keys.prefix]
            for name, score, stored in lost[start : start + NAMES_PER_READ]:
                arguments += [name, score, 2 * len(stored), *(part for pair in stored.items() for part in pair)]
            done = self._put_back(keys=[self.keys.lock, self.keys.schedule], args=arguments)
            if done is None:
                raise Conflict(LOST_LOCK)
            back += done
        return back

    def indexed(self, names: Iterable[str]) -> set[str]:
        """Those of these names that stand in the index."""
        wanted = list(names)
        scores = self.client.zmscore(self.keys.schedule, [self.keys.entry(name) for name in wanted]) if wanted else []
        return {name for name, score in zip(wanted, scores, strict=True) if score is not None}

    def reindex(self) -> int:
        """Find the entries that do not stand in the index, and add them; returns how many. Reads the whole keyspace."""
        # After the prefix, a colon begins the keys that are no entries.
        pattern = escaped(self.keys.prefix) + "[^:]*"
        names = [self.keys.name(key) for key in self.client.scan_iter(match=pattern, count=NAMES_PER_READ)]
        added = 0
        for name, stored in self.raw(names):
            added += self.client.zadd(self.keys.schedule, {self.keys.entry(name): place(name, stored)}, nx=True)
        return added

    def note_file(self, facts: Mapping[str, str]) -> None:
        """Remember what became of the schedule file; ``applied`` stays from the last good one."""
        with self.client.pipeline() as pipe:
            pipe.hset(self.keys.file, mapping=dict(facts))
            if facts.get("problems"):
                pipe.hsetnx(self.keys.file, "wrong", facts.get("read", ""))
            elif "problems" in facts:
                pipe.hdel(self.keys.file, "wrong")
            pipe.execute()

    def file_facts(self) -> dict[str, str]:
        """What became of the schedule file: path, digest, read, applied, summary, problems.

        ``read``, ``applied`` and ``wrong``, since when it has problems, are epoch seconds, 0 where they cannot be read.
        """
        facts: dict[str, str] = self.client.hgetall(self.keys.file)
        return facts | {name: str(read_or(0.0, seconds, facts[name])) for name in TIMES if name in facts}

    def zone(self) -> str:
        """The application's time zone, as the leader said: what RedBeat's crontabs mean."""
        return self.client.hget(self.keys.file, "zone") or "UTC"

    def calendars(self) -> dict[str, tuple[str, ...]]:
        """The days of the schedule file's calendars, by name; none where they cannot be read."""
        stored = read_or(None, loads, self.client.hget(self.keys.file, "calendars"))
        stored = stored if isinstance(stored, dict) else {}
        return {name: tuple(map(str, days)) for name, days in stored.items() if isinstance(days, list)}

    def inherited(self) -> dict[str, Any]:
        """Zone and policies that the schedule file gives to its schedules; none where they cannot be read."""
        stored = read_or(None, loads, self.client.hget(self.keys.file, "inherited"))
        return stored if isinstance(stored, dict) else {}

    def notices(self) -> dict[str, str]:
        """What beat and workers noted because a person has to know it: sentences by the kinds of ``Keys.notice``."""
        texts = self.client.mget(map(self.keys.notice, NOTICES))
        return {kind: text for kind, text in zip(NOTICES, texts, strict=True) if text}

    def news(self) -> tuple[str, ...]:
        """What happened and needs no person, in sentences."""
        return tuple(text for text in self.client.mget(map(self.keys.notice, NEWS)) if text)

    def _decode(self, name: str, stored: dict[str, str]) -> Entry:
        try:
            return entries.decode(name, stored)
        except DamagedEntry as error:
            return entries.damaged(name, stored, str(error))


def place(name: str, stored: Mapping[str, str]) -> float:
    """Where an entry belongs in the index; NEVER for one that cannot be read."""
    try:
        entry = entries.decode(name, stored)
        return entries.score(entry, entries.job(entry).timing)
    except DamagedEntry:
        return entries.NEVER
