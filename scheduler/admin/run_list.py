"""The search form of the runs of all schedules, as it is in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

from scheduler.admin.search_form import NewestFirst, instant, texts
from scheduler.model import Outcome
from scheduler.status.catalogue import View
from scheduler.status.place import Place
from scheduler.status.query import having
from scheduler.status.runs import WRONG, Wanted

BY_ERROR = "error"
WENT_WRONG = (WRONG, "failed", "lost")
PRESETS = {"": "any time", "1h": "last hour", "night": "since 18:00 yesterday", "24h": "24 h", "7d": "7 days"}
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
OUTCOMES = {"": "all", WRONG: "failed or lost"} | {
    outcome: outcome for outcome in get_args(Outcome) if outcome != "unreadable"
}


@dataclass(frozen=True)
class RunSearch(NewestFirst):
    """The form; what is invalid in the address counts as empty. ``until`` is a local time of UTC too."""

    q: str = ""
    schedule: str = ""
    tag: str = ""  #: that its schedule has now
    error: str = ""
    worker: str = ""
    by: str = ""  #: BY_ERROR for a row of each error
    outcome: str = ""
    last: str = ""  #: one of PRESETS; ``since`` replaces it
    until: str = ""

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> RunSearch:
        text = texts(arguments, "q", "schedule", "tag", "error", "worker")
        text["by"] = BY_ERROR if arguments.get("by") == BY_ERROR else ""
        outcome, last = arguments.get("outcome", ""), arguments.get("last", "")
        outcome = WRONG if text["by"] and outcome not in WENT_WRONG else outcome
        since, until = (arguments.get(key, "") for key in ("from", "until"))
        return cls(
            **text,
            outcome=outcome if outcome in OUTCOMES else "",
            last=last if last in PRESETS else "",
            since=since if instant(since) else "",
            until=until if instant(until) else "",
            before=arguments.get("before", "") if Place.read(arguments.get("before", "")) else "",
        )

    def wanted(self, view: View) -> Wanted:
        """What it asks for at this moment, of the schedules as they are now."""
        since, until = instant(self.since), instant(self.until)
        begin = since.timestamp() if since else beginning(self.last)
        end = until.timestamp() if until else float("inf")
        named = self.q, self.schedule, self.error, self.worker
        return Wanted(begin, end, self.outcome, *named, having(view, self.tag))

    @property
    def place(self) -> Place | None:
        return Place.read(self.before)


def beginning(last: str) -> float:
    """When a preset begins, in epoch seconds."""
    now = datetime.now(UTC)
    if last == "night":
        return (now - timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0).timestamp()
    return (now - SPANS[last]).timestamp() if last in SPANS else 0.0
