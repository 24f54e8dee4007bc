"""The list of schedules: the search, and one page of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, get_args

from scheduler.admin.search_form import texts
from scheduler.status.as_json import overview_json
from scheduler.status.catalogue import Catalogue, View
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.read_model import Overview, Status
from scheduler.status.rows import EXPECTED_FAILURE, STATES
from scheduler.status.search import UNSTARTED, Found, Sort

PAGE_SIZE = 50  #: schedules
MAX_PROBLEMS = 5  #: lines of the block at the top
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True)
class Search:
    """The search form; empty text matches everything. Pages count from 1."""

    q: str = ""
    state: str = ""
    tag: str = ""
    sort: str = ""  #: one of SORTS; empty for what needs attention first
    page: int = 1

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Search:
        """From the query string; ignores what is invalid there."""
        text = texts(arguments, "q", "state", "tag")
        number, sort = arguments.get("page", ""), arguments.get("sort", "")
        text["sort"] = sort if sort in SORTS else ""
        return cls(**text, page=int(number) if number.isdecimal() and 0 < len(number) < 7 and int(number) else 1)

    def query(self, **other: Any) -> dict[str, Any]:
        """The query string of this search with changes; a changed search starts at page 1."""
        wanted = vars(self) | {"page": 1} | other
        return {key: value for key, value in wanted.items() if value and (key, value) != ("page", 1)}

    @property
    def order(self) -> Sort:
        """What the list is ordered by."""
        return next((it for it in SORTS if it == self.sort), "attention")

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
    counts: Mapping[str, int]  #: by state, worst first: what the search finds in any state; has the chosen one
    modes: Mapping[str, int]  #: all schedules by mode
    tags: Mapping[str, int]  #: how many schedules have each tag, in the order of the tags
    failing: int = 0  #: how many of them are, whatever state their newest run gives them
    expected: int = 0  #: how many of these are expected to
    unstarted: Mapping[str, str] = field(default_factory=dict)  #: how many of them are stuck and late: "3", "999+"
    unread: int = 0  #: how many more may have the error that was searched for

    @property
    def named(self) -> tuple[ServiceProblem, ...]:
        """The worst problems. All errors of the file take one line, or they would hide that no worker answers."""
        of_file = [it for it in self.overview.problems if it.subject == "file"]
        return tuple(it for it in self.overview.problems if it not in of_file[1:])[:MAX_PROBLEMS]

    @property
    def unnamed(self) -> tuple[ServiceProblem, ...]:
        """The other problems."""
        return tuple(it for it in self.overview.problems if it not in self.named)

    @property
    def failing_chips(self) -> list[tuple[str, str]]:
        """How many are failing, and how many are expected failures: words and tones."""
        unexpected = self.failing - self.expected
        chips = [(f"{unexpected} failing", "bad" if unexpected else "calm")] if unexpected or not self.expected else []
        if self.expected:
            chips.append((f"{self.expected} {EXPECTED_FAILURE}{'' if self.expected == 1 else 's'}", "calm"))
        return chips

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
    facts = Facts(status.store, status.ledger.settings)
    matches = found_by(facts, catalogue.look(), search)
    start = (search.page - 1) * PAGE_SIZE
    shown = [place.name for place in islice(matches.ordered(search.order), start, start + PAGE_SIZE)]
    tally, chosen = matches.tally(), search.state
    counts = {str(it): tally.states.get(it, 0) for it in STATES if it in tally.states or it == chosen}
    more = "" if facts.unstarted.is_complete else "+"
    slow = {it: f"{tally.unstarted[it]}{more}" for it in UNSTARTED if tally.unstarted[it] or it == chosen}
    seen, tags, modes = status.overview(shown, facts), matches.view.tags, matches.states.modes
    sick = tally.failing, tally.expected
    return Listing(search, seen, len(matches.names), counts, modes, tags, *sick, slow, matches.unread)


def found_by(facts: Facts, view: View, search: Search) -> Found:
    return Found(facts.store, view, search.q, search.state, search.tag, facts)
