"""The search form of the runs of all schedules, as it is in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

from scheduler.admin.filters import absolute
from scheduler.admin.search_form import NewestFirst, instant, texts
from scheduler.model import Outcome, Reason
from scheduler.status.catalogue import View
from scheduler.status.place import Place
from scheduler.status.wanted import WRONG, Wanted, with_schedules

BY_ERROR = "error"
WENT_WRONG = (WRONG, "failed", "lost")
PRESETS = {"": "any time", "1h": "last hour", "night": "since 18:00 UTC yesterday", "24h": "24 h", "7d": "7 days"}
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
OUTCOMES = {"": "all", WRONG: "failed or lost"} | {
    outcome: outcome for outcome in get_args(Outcome) if outcome != "unreadable"
}
STARTERS = {"person": "a person", "schedule": "its schedule", "run": "another run"}
TEXTS = ("q", "schedule", "task", "queue", "tag", "worker", "error")
LABELS = {
    "q": "Schedule",
    "task": "Task",
    "queue": "Queue",
    "tag": "Tag",
    "worker": "Worker",
    "error": "Error",
    "reason": "Reason",
    "started_by": "Started by",
    "since": "From",
    "until": "Until",
}


@dataclass(frozen=True)
class RunSearch(NewestFirst):
    """The form; what is invalid in the address counts as empty. ``until`` is a local time of UTC too."""

    q: str = ""
    schedule: str = ""
    tag: str = ""  #: that its schedule has now
    error: str = ""
    worker: str = ""
    task: str = ""
    queue: str = ""
    started_by: str = ""  #: one of STARTERS
    reason: str = ""  #: the word of a Reason
    by: str = ""  #: BY_ERROR for a row of each error
    outcome: str = ""
    last: str = ""  #: one of PRESETS; ``since`` replaces it
    until: str = ""

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> RunSearch:
        text = texts(arguments, *TEXTS)
        text["by"] = BY_ERROR if arguments.get("by") == BY_ERROR else ""
        outcome, last = arguments.get("outcome", ""), arguments.get("last", "")
        outcome = WRONG if text["by"] and outcome not in WENT_WRONG else outcome
        since, until = (arguments.get(key, "") for key in ("from", "until"))
        started_by, reason = arguments.get("started_by", ""), arguments.get("reason", "")
        return cls(
            **text,
            started_by=started_by if started_by in STARTERS else "",
            reason=reason if reason in set(Reason) else "",
            outcome=outcome if outcome in OUTCOMES else "",
            last=last if last in PRESETS else "",
            since=since if instant(since) else "",
            until=until if instant(until) else "",
            before=arguments.get("before", "") if Place.read(arguments.get("before", "")) else "",
        )

    def wanted(self, view: View) -> Wanted:
        """What it asks for at this moment, of the schedules as they are now."""
        since, until = instant(self.since), instant(self.until)
        wanted = Wanted(
            since=since.timestamp() if since else beginning(self.last),
            until=until.timestamp() if until else float("inf"),
            outcome=self.outcome,
            text=self.q,
            schedule=self.schedule,
            error=self.error,
            worker=self.worker,
            task=self.task,
            queue=self.queue,
            started_by=self.started_by,
            reason=self.reason,
        )
        return with_schedules(wanted, self.tag, lambda: view)

    @property
    def span(self) -> tuple[float, float] | None:
        """Begin and end in epoch seconds; None without a begin."""
        since, until = instant(self.since), instant(self.until)
        return (since.timestamp(), until.timestamp() if until else float("inf")) if since else None

    @property
    def narrowed(self) -> dict[str, tuple[str, str]]:
        """The filters that are set: the label and the text of each, by its name in the search."""
        shown = asdict(self) | {key: absolute(instant(getattr(self, key))) for key in ("since", "until")}
        shown["started_by"] = STARTERS.get(self.started_by)
        return {key: (label, shown[key]) for key, label in LABELS.items() if getattr(self, key)}

    @property
    def place(self) -> Place | None:
        return Place.read(self.before)


def beginning(last: str) -> float:
    """When a preset begins, in epoch seconds."""
    now = datetime.now(UTC)
    if last == "night":
        return (now - timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0).timestamp()
    return (now - SPANS[last]).timestamp() if last in SPANS else 0.0
