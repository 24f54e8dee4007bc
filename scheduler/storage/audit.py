"""The audit log: who changed what, when and why. A stream that forgets its oldest lines.

The last changes of each schedule are in a stream of its own too, so undo and restore find them longer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from scheduler.errors import NotFound
from scheduler.model import Overlaid, Pause, SkipNext
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.kinds import escaped
from scheduler.storage.records import loads, mapping, read_or, record, seconds, text, whole

AUDIT_LENGTH = 10_000
MANY_CHANGES = 200  #: more at once are one line, so that a large load does not push the others out


class Audit:
    """The lines of the log."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a line to the audit log for what changed no entry."""
        self.client.xadd(self.keys.audit, {"change": json.dumps(line)}, maxlen=AUDIT_LENGTH, approximate=True)

    def lines(self, count: int = 100, schedule: str = "", before: str = "") -> list[dict[str, Any]]:
        """The newest lines of the audit log, newest first, each with its ``id``.

        Of one schedule if one is named; with ``before``, those older than the line with this id.
        """
        # The stream knows no schedules, and the lines of one may be far back.
        searched, newest = AUDIT_LENGTH if schedule else count, f"({before}" if before else "+"
        lines = [read_line(*item) for item in self.client.xrevrange(self.keys.audit, newest, count=searched)]
        if schedule:
            own = {line["id"]: line for line in lines if line["schedule"] == schedule}
            kept = self.client.xrevrange(self.keys.history(schedule), newest, count=count)
            lines = sorted((own | {item[0]: read_line(*item) for item in kept}).values(), key=place, reverse=True)
        return lines[:count]

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
    found = line | {"at": seconds(line["at"]), "before": fields_of(line["before"]), "after": fields_of(line["after"])}
    found |= {key: text(line[key]) for key in ("by", "change", "schedule", "why")}
    for key, kind in (("pause", Pause), ("skip", SkipNext)):
        if key in line:
            before, after = line[key]
            found[key] = [None if one is None else as_mapping(kind, one) for one in (before, after)]
    found |= {"base": mapping(line["base"])} if "base" in line else {}
    if "overlay" in line:
        found["overlay"] = {key: as_mapping(Overlaid, note) for key, note in mapping(line["overlay"]).items()}
    return found | ({"runs": whole(line["runs"])} if "runs" in line else {})


def as_mapping(kind: type[Any], value: Any) -> dict[str, Any]:
    """A pause, a skip or an overlaid field, if its values can be read."""
    read: dict[str, Any] = asdict(record(kind, value))
    return read


def fields_of(value: Any) -> dict[str, Any] | None:
    return None if value is None else mapping(value)
