"""The search form of the runs of all schedules, as it is in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import get_args

from scheduler.model import Outcome
from scheduler.status.place import Place
from scheduler.status.runs import WRONG, Wanted

MAX_QUERY_LENGTH = 200  #: characters
BY_ERROR = "error"
WENT_WRONG = (WRONG, "failed", "lost")
PRESETS = {"": "any time", "1h": "last hour", "night": "since 18:00 yesterday", "24h": "24 h", "7d": "7 days"}
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
OUTCOMES = {"": "all", WRONG: "failed or lost"} | {
    outcome: outcome for outcome in get_args(Outcome) if outcome != "unreadable"
}


@dataclass(frozen=True)
class RunSearch:
    """The form; what is invalid in the address counts as empty. ``since`` and ``until`` are local times of UTC."""

    q: str = ""
    schedule: str = ""
    error: str = ""
    by: str = ""  #: BY_ERROR for a row of each error
    outcome: str = ""
    last: str = ""  #: one of PRESETS; ``since`` replaces it
    since: str = ""
    until: str = ""
    before: str = ""  #: where the page before ended

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> RunSearch:
        text = {key: arguments.get(key, "")[:MAX_QUERY_LENGTH].strip() for key in ("q", "schedule", "error")}
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

    def query(self, **other: str) -> dict[str, str]:
        """The query string of this search with changes; a changed search starts with the newest run."""
        values = asdict(self) | {"before": ""} | other
        values["from"] = values.pop("since")
        return {key: value for key, value in values.items() if value}

    @property
    def wanted(self) -> Wanted:
        """What it asks for at this moment."""
        since, until = instant(self.since), instant(self.until)
        begin = since.timestamp() if since else beginning(self.last)
        end = until.timestamp() if until else float("inf")
        return Wanted(begin, end, self.outcome, self.q, self.schedule, self.error)

    @property
    def place(self) -> Place | None:
        return Place.read(self.before)


def beginning(last: str) -> float:
    """When a preset begins, in epoch seconds."""
    now = datetime.now(UTC)
    if last == "night":
        return (now - timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0).timestamp()
    return (now - SPANS[last]).timestamp() if last in SPANS else 0.0


def instant(text: str) -> datetime | None:
    """An instant, or the local time of a form, which is in UTC; None if it is neither, or where the calendar ends."""
    try:
        given = datetime.fromisoformat(text)
        found = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return found if MINYEAR < found.year < MAXYEAR else None
