"""One message to a person about a change of health."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

MAX_SUBJECTS = 10  #: named in a message about many


@dataclass(frozen=True)
class Alert:
    """What changed, since when, why and what to do. Times are epoch seconds; a sink shows them in UTC."""

    id: str  #: the same when a message is sent again, so that a receiver can drop the second
    event: str  #: one of ``EVENTS`` in model/alerts.py, or ``test``
    severity: str  #: ``critical``, ``warning`` or ``ok``
    subject: str  #: the name of a schedule, or a part of the service: ``beat``, ``workers``, ``redis``, ``file``
    at: float  #: when it changed
    since: float | None = None  #: since when the state before the message lasted
    due: float | None = None  #: the due instant that it is about
    reason: str = ""  #: one sentence, without a full stop
    remedy: str = ""  #: what to do
    output: str = ""  #: the last lines that the run printed
    link: str = ""  #: the schedule on the page, where the page's address is known
    count: int = 1  #: how many in a row failed, or were missed; of a group: how many subjects changed
    subjects: tuple[str, ...] = ()  #: of a group: the first MAX_SUBJECTS
    changes: tuple[str, ...] = ()  #: what changed between the last success and the first failure, oldest first

    def to_json(self) -> str:
        """One object; ``from_json`` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Alert:
        """Read an object of this or another version: unknown fields are left out. Raises ValueError."""
        body: Any = json.loads(text)
        if not isinstance(body, dict):
            raise ValueError("an alert is an object")
        known = {field.name: body[field.name] for field in fields(cls) if field.name in body}
        known |= {name: tuple(known[name]) for name in ("subjects", "changes") if name in known}
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(str(error)) from None

    @property
    def is_group(self) -> bool:
        """Whether this is about several subjects at once."""
        return bool(self.subjects)

    def title(self) -> str:
        """One line: the subject of a mail."""
        if self.is_group:
            return f"{self.count} {GROUPS.get(self.event, self.event)}"
        if self.event == "problem":
            return self.reason
        if self.event == "recovered" and self.reason:
            return f"Solved: {self.reason}"
        if self.event == "failing" and self.count > 1:
            return f"{self.subject} is failing: {self.count} runs in a row"
        if self.event == "missed" and self.count > 1:
            return f"{self.subject} missed {self.count} runs"
        return f"{self.subject} {VERBS.get(self.event, self.event)}"

    def text(self) -> str:
        """The title and everything that is known, a line each."""
        names = list(self.subjects)
        if self.is_group and self.count > len(names):
            names.append(f"and {self.count - len(names)} more")
        lines = [
            self.title(),
            *(f"  {name}" for name in names),
            *(f"{label}: {value}" for label, value in self._facts() if value),
            *(["What changed since it was well:"] if self.changes else []),
            *(f"  {change}" for change in self.changes),
        ]
        return "\n".join([*lines, "", self.output] if self.output else lines)

    def _facts(self) -> list[tuple[str, str]]:
        return [
            ("Due", moment(self.due)),
            ("Since", moment(self.since)),
            ("Reason", "" if self.reason in self.title() else self.reason),
            ("What to do", self.remedy),
            ("Page", self.link),
        ]


VERBS = {
    "failing": "failed",
    "lost": "lost a run",
    "late": "is late",
    "stuck": "is stuck",
    "missed": "missed a run",
    "slow": "is slow",
    "recovered": "is well again",
    "test": "works",
}
GROUPS = {
    "failing": "schedules are failing",
    "lost": "schedules lost a run",
    "late": "schedules are late",
    "stuck": "schedules are stuck",
    "missed": "schedules missed runs",
    "slow": "schedules are slow",
    "recovered": "are well again",
    "problem": "problems of the service",
}


def moment(at: float | None) -> str:
    """An instant in UTC, such as ``2026-01-31 02:30:00 UTC``; empty for None."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
