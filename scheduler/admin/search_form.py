"""What the search forms of several pages share, as it is in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime

from scheduler.operations.operation import MAX_QUERY_CHARS


@dataclass(frozen=True)
class NewestFirst:
    """A search whose first page has the newest; ``since`` is a local time of UTC."""

    since: str = ""
    before: str = ""  #: where the page before ended

    def query(self, **other: str) -> dict[str, str]:
        """The query string of this search with changes; a changed search starts with the newest."""
        values = asdict(self) | {"before": ""} | other
        values["from"] = values.pop("since")
        return {key: value for key, value in values.items() if value}


def texts(arguments: Mapping[str, str], *keys: str) -> dict[str, str]:
    """What is typed into these fields."""
    return {key: arguments.get(key, "").strip()[:MAX_QUERY_CHARS] for key in keys}


def instant(text: str) -> datetime | None:
    """An instant, or the local time of a form, which is in UTC; None if it is neither, or where the calendar ends."""
    try:
        given = datetime.fromisoformat(text)
        moment = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if MINYEAR < moment.year < MAXYEAR else None
