"""Which schedules the list shows: the search, and one page of what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scheduler.model import Entry
from scheduler.status.as_json import overview_json
from scheduler.status.read_model import STATES, Overview, Status

PAGE = 50  #: schedules on one page
COUNTED = 500  #: schedules up to which the list counts their states at every look
LONGEST_QUERY = 200  #: characters


@dataclass(frozen=True)
class Search:
    """What was asked for; empty text matches everything. Pages count from 1."""

    q: str = ""
    state: str = ""
    tag: str = ""
    page: int = 1

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Search:
        """From the query string; what makes no sense there is left out."""
        text = {key: arguments.get(key, "").strip()[:LONGEST_QUERY] for key in ("q", "state", "tag")}
        number = arguments.get("page", "")
        return cls(**text, page=int(number) if number.isdecimal() and 0 < len(number) < 7 and int(number) else 1)

    def query(self, **other: Any) -> dict[str, Any]:
        """The query string of this search with something changed; a change of the search begins at its first page."""
        wanted = asdict(self) | {"page": 1} | other
        return {key: value for key, value in wanted.items() if value and (key, value) != ("page", 1)}

    @property
    def is_narrow(self) -> bool:
        return bool(self.q or self.state or self.tag)

    def matches(self, entry: Entry) -> bool:
        """Whether its words and its tags are what is looked for."""
        tags = [str(tag) for tag in entry.fields.get("tags") or ()]
        if self.tag and self.tag not in tags:
            return False
        described = (entry.name, entry.fields.get("task"), entry.fields.get("description"), *tags)
        return self.q.casefold() in " ".join(str(text) for text in described if text).casefold()


@dataclass(frozen=True)
class Listing:
    """One page of the schedules that a search finds."""

    search: Search
    overview: Overview
    matched: int
    counts: Mapping[str, int]  #: schedules by state, worst first; empty where there are too many to count

    @property
    def pages(self) -> int:
        return max(1, -(-self.matched // PAGE))

    @property
    def first(self) -> int:
        """The number of the first row, counted from 1."""
        return (self.search.page - 1) * PAGE + 1

    def json(self) -> dict[str, Any]:
        paging = {"matched": self.matched, "page": self.search.page, "pages": self.pages}
        return overview_json(self.overview) | paging | {"counts": dict(self.counts)}


def find(status: Status, search: Search) -> Listing:
    """Look no further than the search needs: without one, only the rows of the page are read."""
    names = status.store.names()
    counts: dict[str, int] = {}
    states: dict[str, str] = {}
    if search.state or len(names) <= COUNTED:
        states = {row.name: row.state for row in status.overview(names).rows}
        tally = Counter(states.values())
        counts = {state: tally[state] for state in STATES if tally[state]}
    if search.q or search.tag:
        names = [entry.name for entry in status.store.read(names) if search.matches(entry)]
    if search.state:
        names = [name for name in names if states.get(name) == search.state]
    start = (search.page - 1) * PAGE
    return Listing(search, status.overview(names[start : start + PAGE]), len(names), counts)
