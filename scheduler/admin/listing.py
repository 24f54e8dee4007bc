"""The list of schedules: the search, and one page of its results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scheduler.status.as_json import overview_json
from scheduler.status.catalogue import Catalogue, View
from scheduler.status.read_model import Overview, Status
from scheduler.status.states import AllStates, all_states
from scheduler.storage.store import Store

PAGE_SIZE = 50  #: schedules
MAX_QUERY_LENGTH = 200  #: characters
FAILING = "failing"  #: as a state: the newest ended runs failed, whatever runs or waits now
URGENT = ("quarantined", "overdue")  #: states that come before those that are failing


@dataclass(frozen=True)
class Search:
    """The search form; empty text matches everything. Pages count from 1."""

    q: str = ""
    state: str = ""
    tag: str = ""
    page: int = 1

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Search:
        """From the query string; ignores what is invalid there."""
        text = {key: arguments.get(key, "").strip()[:MAX_QUERY_LENGTH] for key in ("q", "state", "tag")}
        number = arguments.get("page", "")
        return cls(**text, page=int(number) if number.isdecimal() and 0 < len(number) < 7 and int(number) else 1)

    def query(self, **other: Any) -> dict[str, Any]:
        """The query string of this search with changes; a changed search starts at page 1."""
        wanted = asdict(self) | {"page": 1} | other
        return {key: value for key, value in wanted.items() if value and (key, value) != ("page", 1)}

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves schedules out."""
        return bool(self.q or self.state or self.tag)

    @property
    def described(self) -> str:
        """``'report', state failed, tag nightly``."""
        parts = (self.q and f"'{self.q}'", self.state and f"state {self.state}", self.tag and f"tag {self.tag}")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Listing:
    """One page of search results."""

    search: Search
    overview: Overview
    matched: int
    counts: Mapping[str, int]  #: all schedules by state, worst first
    modes: Mapping[str, int]  #: all schedules by mode
    tags: Mapping[str, int]  #: how many schedules have each tag, in the order of the tags
    failing: int = 0  #: how many are, whatever state their newest run gives them
    expected: int = 0  #: how many of these are expected to

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return max(1, -(-self.matched // PAGE_SIZE))

    @property
    def first(self) -> int:
        """The number of the first row, counted from 1."""
        return (self.search.page - 1) * PAGE_SIZE + 1

    def json(self) -> dict[str, Any]:
        paging = {"matched": self.matched, "page": self.search.page, "pages": self.pages}
        counts = {"counts": dict(self.counts), "modes": dict(self.modes), "tags": dict(self.tags)}
        return overview_json(self.overview) | paging | counts


def find(status: Status, catalogue: Catalogue, search: Search) -> Listing:
    """Run the search over what the catalogue keeps and the indexes say; only the rows of the page are read."""
    view = catalogue.look()
    states, failing = all_states(status.store, view), failing_names(status.store, view)
    names = matching(view, states, failing, search)
    start = (search.page - 1) * PAGE_SIZE
    shown, tags = names[start : start + PAGE_SIZE], dict(sorted(view.tags.items()))
    found = status.overview(shown)
    sick = len(failing), len(failing & found.expected)
    return Listing(search, found, len(names), states.counts(), states.modes, tags, *sick)


def matching(view: View, states: AllStates, failing: Collection[str], search: Search) -> Sequence[str]:
    """The names that the search is for: what needs a person first, then by name."""
    names = view.matching(search.q, search.tag)
    if search.state:
        names = [it for it in names if it in failing] if search.state == FAILING else states.only(names, search.state)
    ranks = dict.fromkeys(failing, len(URGENT)) | {
        name: URGENT.index(state) for name, state in states.others.items() if state in URGENT
    }
    calm = len(URGENT) + 1
    return sorted(names, key=lambda name: ranks.get(name, calm)) if ranks else names


def failing_names(store: Store, view: View) -> set[str]:
    """Those that are failing and exist."""
    return {name for name in store.client.zrange(store.keys.failing, 0, -1) if name in view.kept}
