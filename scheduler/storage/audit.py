"""The audit log: who changed what, when and why. A stream that forgets its oldest lines.

The last changes of each schedule are in a stream of its own too, so undo and restore find them longer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

from scheduler.errors import NotFound
from scheduler.model import Overlaid, Pause, SkipNext
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.kinds import escaped
from scheduler.storage.records import loads, mapping, read_or, record, seconds, text, whole

AUDIT_LENGTH = 10_000
MAX_LOOKED_AT = 2_500  #: lines that one page reads, when few of them match; an act on many schedules has many
LINES_PER_READ = 500
MANY_CHANGES = 200  #: more at once are one line, so that a large load does not push the others out


@dataclass(frozen=True)
class Wanted:
    """Which lines; an empty text is any."""

    schedule: str = ""  #: exactly this one
    by: str = ""  #: in the name of who did it, in any case
    change: str = ""  #: exactly this word, in any case
    since: float = 0.0  #: epoch seconds

    def has(self, line: Mapping[str, Any]) -> bool:
        """Whether it is one of these, but for its time, which its id has."""
        is_whats = not self.change or line["change"].casefold() == self.change.casefold()
        is_whose = self.by.casefold() in line["by"].casefold()
        return is_whats and is_whose and (not self.schedule or line["schedule"] == self.schedule)


class Page(NamedTuple):
    """Some of the lines; ``older`` is the id before which the next page begins, empty at the end."""

    lines: list[dict[str, Any]]
    older: str = ""


class Audit:
    """The lines of the log."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line to the audit log for what changed no entry."""
        self.client.xadd(self.keys.audit, {"change": json.dumps(line)}, maxlen=AUDIT_LENGTH, approximate=True)

    def lines(self, count: int = 100, schedule: str = "") -> list[dict[str, Any]]:
        """The newest lines, newest first, each with its ``id``; of one schedule if one is named."""
        wanted = Wanted(schedule)
        return list(islice(filter(wanted.has, self._each(wanted)), count))

    def of(self, schedule: str, since: float, until: float, count: int) -> list[dict[str, Any]]:
        """The newest lines of a schedule between two moments in epoch seconds, newest first, from its own stream."""
        newest, oldest = str(int(until * 1000)), str(max(0, int(since * 1000)))
        items = self.client.xrevrange(self.keys.history(schedule), newest, oldest, count=count)
        return [read_line(*item) for item in items]

    def find(self, wanted: Wanted, before: str = "", count: int = 100) -> Page:
        """The newest ``count`` lines that are wanted, of those older than the line with the id ``before``."""
        lines: list[dict[str, Any]] = []
        for number, line in enumerate(self._each(wanted, before), 1):
            if wanted.has(line):
                if len(lines) == count:
                    return Page(lines, lines[-1]["id"])
                lines.append(line)
            if number == MAX_LOOKED_AT:
                return Page(lines, line["id"])
        return Page(lines)

    def _each(self, wanted: Wanted, before: str = "") -> Iterator[dict[str, Any]]:
        """Lines by their ids, newest first, each once: those that may be wanted, read as far as they are used."""
        newest = f"({before}" if before else "+"
        oldest = str(int(wanted.since * 1000)) if wanted.since > 0 else "-"  # Redis refuses an id below 0
        lines = self._stream(self.keys.audit, newest, oldest)
        if wanted.schedule:  # its own stream has lines that the log dropped
            kept = self._stream(self.keys.history(wanted.schedule), newest, oldest)
            lines = merge(lines, kept, key=place, reverse=True)
        return (next(same) for _, same in groupby(lines, itemgetter("id")))

    def _stream(self, key: str, newest: str, oldest: str) -> Iterator[dict[str, Any]]:
        while items := self.client.xrevrange(key, newest, oldest, count=LINES_PER_READ):
            yield from (read_line(*item) for item in items)
            newest = f"({items[-1][0]}"

    def line(self, identity: str) -> dict[str, Any]:
        """The line of the audit log with this id; raises NotFound."""
        known = re.fullmatch(r"[0-9]{1,18}-[0-9]{1,18}", identity)
        items = (self.client.xrange(self.keys.audit, identity, identity) or self._kept(identity)) if known else []
        if not items:
            raise NotFound(f"the audit log has no line {identity[:60]!r}: `scheduler audit` shows the newest")
        return read_line(*items[0])

    def _kept(self, identity: str) -> list[Any]:
        """The line with this id in the history of a schedule. Reads the whole keyspace, but only for an old line."""
        pattern = f"{escaped(self.keys.history(''))}*"
        histories = list(self.client.scan_iter(match=pattern, count=1000, _type="stream"))
        with self.client.pipeline(transaction=False) as pipe:
            for key in histories:
                pipe.xrange(key, identity, identity)
            return next((items for items in pipe.execute() if items), [])


def place(line: Mapping[str, Any]) -> tuple[int, int]:
    """The place of a line in the log, by its id."""
    milliseconds, _, number = line["id"].partition("-")
    return int(milliseconds), int(number)


def summarized(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One line in the place of many of one load."""
    counts = Counter(str(line["change"]) for line in lines if line)
    first = next((line for line in lines if line), {})
    why = ", ".join(f"{count} {what}" for what, count in counts.items())
    return {"by": first.get("by", "?"), "at": first.get("at", 0), "change": "load", "why": why}


def audit_line(
    by: str, at: datetime, what: str, before: object, after: object, why: str = "", **more: Any
) -> dict[str, Any]:
    """One line of the audit log; ``before`` and ``after`` are fields, None where there is no such schedule."""
    return {"by": by, "at": at.timestamp(), "change": what, "before": before, "after": after, "why": why, **more}


def read_line(identity: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """A line with its id. Never raises: one that cannot be read is the change 'unreadable', and ``why`` says why."""
    at = read_or(0.0, seconds, int(identity.partition("-")[0]) / 1000)
    empty = {"by": "?", "at": at, "change": "?", "schedule": "", "before": None, "after": None, "why": ""}
    try:
        return {"id": identity, **checked(empty | mapping(loads(fields["change"])))}
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        why = f"this line cannot be read: {' '.join(str(error).split())[:200]}"
        return {"id": identity, **empty, "change": "unreadable", "why": why}


def checked(line: dict[str, Any]) -> dict[str, Any]:
    """A line whose values have the types that ``audit_line`` gives them; raises ValueError or TypeError."""
    read = line | {"at": seconds(line["at"]), "before": fields_of(line["before"]), "after": fields_of(line["after"])}
    read |= {key: text(line[key]) for key in ("by", "change", "schedule", "why")}
    for key, kind in (("pause", Pause), ("skip", SkipNext)):
        if key in line:
            before, after = line[key]
            read[key] = [None if one is None else as_mapping(kind, one) for one in (before, after)]
    read |= {"base": mapping(line["base"])} if "base" in line else {}
    if "overlay" in line:
        read["overlay"] = {key: as_mapping(Overlaid, note) for key, note in mapping(line["overlay"]).items()}
    return read | ({"runs": whole(line["runs"])} if "runs" in line else {})


def as_mapping(kind: type[Any], value: Any) -> dict[str, Any]:
    """A pause, a skip or an overlaid field, if its values can be read."""
    read: dict[str, Any] = asdict(record(kind, value))
    return read


def fields_of(value: Any) -> dict[str, Any] | None:
    return None if value is None else mapping(value)
