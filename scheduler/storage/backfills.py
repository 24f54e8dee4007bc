"""Backfills: stretches of past due instants that a person wants to run, at most one for each schedule.

The command line begins, stops and resumes them; the leader sends their runs. Both write a backfill only if it is as
they read it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from scheduler.errors import NotFound
from scheduler.model import Run
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, read_or, record, whole

Only = Literal["missed", "failed", "all"]
MISSED, FAILED = frozenset({"", "skipped"}), frozenset({"failed", "lost", "stopped"})
#: The outcomes of rows that run, by what a person asked for; an empty one where there is no row.
WANTED: dict[str, frozenset[str]] = {"missed": MISSED, "failed": FAILED, "all": MISSED | FAILED}
MAX_STRETCHES = 100  #: of earlier backfills that are remembered
TTL_S = 366 * 86_400  #: after the last change of any


@dataclass(frozen=True)
class Backfill:
    """What was asked for, and how far it is; instants are epoch seconds."""

    name: str  #: of the schedule
    first: float
    last: float
    only: str  #: one of WANTED
    max_running: int  #: of its runs that are queued or running at once
    by: str
    at: float = 0.0  #: when it began
    total: int = 0  #: due instants that were to run when it began
    cursor: float = 0.0  #: the last due instant that was looked at
    sent: int = 0
    open: str = ""  #: ids of its runs that are queued or running, one in a line
    state: str = "running"  #: or stopped, done
    why: str = ""  #: it is stopped
    ran: str = ""  #: stretches that earlier backfills ran: first and last, one stretch in a line
    step: int = 0  #: how often it was written

    @property
    def under_way(self) -> list[str]:
        """The ids of its runs that are queued or running."""
        return self.open.split("\n") if self.open else []

    def has_run(self, due: float) -> bool:
        """Whether an earlier backfill ran this due instant, whose row may be trimmed since."""
        stretches = (map(float, line.split()) for line in self.ran.splitlines())
        return any(first <= due <= last for first, last in stretches)

    def covered(self) -> str:
        """What this one and those before it ran, as in ``ran``."""
        own = [f"{self.first!r} {self.cursor!r}"] if self.only != "failed" and self.sent else []
        return "\n".join([*self.ran.splitlines(), *own][-MAX_STRETCHES:])

    def wants(self, due: float, row: Run | None, lost: Sequence[tuple[float, float]] = ()) -> bool:
        """Whether the due instant with this row, or with none, runs; ``lost`` are stretches that Redis forgot."""
        if row is not None:
            return row.outcome in WANTED[self.only]
        if any(first <= due <= last for first, last in lost):
            return "lost" in WANTED[self.only]
        return "" in WANTED[self.only] and not self.has_run(due)


def read(text: str | None) -> Backfill | None:
    """A backfill from its text; None for what is none, which another program wrote."""
    try:
        backfill = record(Backfill, loads(text))
        [*map(float, backfill.ran.split())]
    except (ValueError, TypeError, OverflowError):
        return None
    return backfill if backfill.only in WANTED else None


def is_running(text: str) -> bool:
    """Whether a stored backfill runs, without reading all of it."""
    return '"state": "running"' in text


def text_of(backfill: Backfill) -> str:
    """As it is stored; apply.lua reads the name at its beginning, and the step at its end."""
    return json.dumps(asdict(backfill))


@dataclass(frozen=True)
class Backfills:
    """All of them in Redis."""

    client: Client
    keys: Keys

    def texts(self) -> dict[str, str]:
        """The stored backfills by name, and beside them the numbers of ended runs."""
        stored: dict[str, str] = self.client.hgetall(self.keys.backfills)
        return stored

    def running(self, more: Iterable[str] = ()) -> dict[str, str]:
        """The texts of those that run, and of these names, by name."""
        names = sorted(self.client.smembers(self.keys.open_backfills).union(more))
        texts = self.client.hmget(self.keys.backfills, names) if names else []
        return {name: text for name, text in zip(names, texts, strict=True) if text and is_running(text)}

    def all(self) -> Iterator[tuple[Backfill, dict[str, int]]]:
        """Each with the number of its runs that ended, by outcome."""
        texts = self.texts()
        for name, text in texts.items():
            if "\n" not in name and (backfill := read(text)) is not None:
                yield backfill, ended(texts, name)

    def get(self, name: str) -> tuple[Backfill, dict[str, int]]:
        """The backfill of a schedule, and the number of its runs that ended, by outcome; raises NotFound."""
        texts = self.texts()
        backfill = read(texts.get(name))
        if backfill is None:
            raise NotFound(f"'{name}' has no backfill: `scheduler backfill {name} --from TIME --to TIME` begins one")
        return backfill, ended(texts, name)

    def change(self, name: str, to: Callable[[Backfill | None], Backfill]) -> Backfill:
        """Write a backfill as ``to`` makes it of the stored one, and tell the leader; nothing where ``to`` raises."""

        def write(pipe: Client) -> Backfill:
            before = read(pipe.hget(self.keys.backfills, name))
            after = to(before)
            counts = [field for field in pipe.hkeys(self.keys.backfills) if field.startswith(f"{name}\n")]
            pipe.multi()
            if counts and (before is None or after.at != before.at):  # another one begins
                pipe.hdel(self.keys.backfills, *counts)
            pipe.hset(self.keys.backfills, name, text_of(replace(after, step=(before.step if before else 0) + 1)))
            pipe.expire(self.keys.backfills, TTL_S)
            (pipe.sadd if after.state == "running" else pipe.srem)(self.keys.open_backfills, name)
            pipe.expire(self.keys.open_backfills, TTL_S)
            pipe.publish(self.keys.wake, "1")
            return after

        written: Backfill = self.client.transaction(write, self.keys.backfills, value_from_callable=True)
        return written


def ended(texts: dict[str, str], name: str) -> dict[str, int]:
    """How many runs of a backfill ended, by outcome."""
    begin = f"{name}\n"
    return {key.removeprefix(begin): read_or(0, whole, text) for key, text in texts.items() if key.startswith(begin)}
