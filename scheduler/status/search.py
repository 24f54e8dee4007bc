"""Which schedules a search finds, and in which order: for the list, the API and acts on all that match."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, count
from typing import Literal, NamedTuple

from scheduler.status.catalogue import View
from scheduler.status.place import Place
from scheduler.status.problems.facts import Facts
from scheduler.status.query import Query, matching, read_query, with_errors
from scheduler.status.states import AllStates, all_states
from scheduler.status.unstarted import Unstarted
from scheduler.storage.store import Store

Sort = Literal["attention", "name", "next", "last", "duration"]
FAILING = "failing"  #: as a state: the newest ended runs failed, whatever runs or waits now
UNSTARTED = ("stuck", "late")  #: as states: a run waits for too long, whatever the newest run gives them
URGENT = ("quarantined", "overdue")  #: states that come before those whose runs do not start, or that are failing
MAX_ASKED = 10_000  #: names whose places are asked for; with more, the index is read from its beginning
MAX_ERRORS = 1000  #: schedules whose errors one search reads: of more, it would take seconds
STEP = 1000  #: names that one command reads
AT_THE_END = 1e12  #: after every place in an index


class Index(NamedTuple):
    """A sorted set of schedules in Redis."""

    key: str
    prefix: str = ""  #: what its members have in front of their names
    least: float | str = "-inf"  #: a lower score is none


class Tally(NamedTuple):
    """How many schedules are in which state."""

    states: dict[str, int]  #: by what their newest runs give them, worst first; without the states that none has
    failing: int  #: whatever state that is
    expected: int  #: of those that are failing
    unstarted: Mapping[str, int]  #: that are late and stuck


class Found:
    """The schedules that have a text, a state and a tag; an empty one is any. Nothing is read before it is needed.

    Without ``facts``, none is late or stuck.
    """

    def __init__(
        self, store: Store, view: View, text: str = "", state: str = "", tag: str = "", facts: Facts | None = None
    ) -> None:
        self.store = store
        self.view = view
        self.facts = facts
        self.text, self.state, self.tag = text, state, tag

    @cached_property
    def states(self) -> AllStates:
        return all_states(self.store, self.view)

    @cached_property
    def failing(self) -> dict[str, float]:
        """All that are failing and exist, whether they were searched for or not, and since when, in epoch seconds."""
        members = self.store.client.zrange(self.store.keys.failing, 0, -1, withscores=True)
        return {name: since for name, since in members if name in self.view.kept}

    @cached_property
    def unstarted(self) -> dict[str, Unstarted]:
        """All that are late or stuck and exist; of very many, those that have waited longest."""
        known = self.facts.unstarted.schedules if self.facts else ()
        return {it.name: it for it in known if it.name in self.view.kept}

    @property
    def names(self) -> Sequence[str]:
        """Sorted."""
        return self._names_and_unread[0]

    @property
    def unread(self) -> int:
        """How many more may have the error, as only MAX_ERRORS are read: of those that began to fail last."""
        return self._names_and_unread[1]

    @property
    def in_any_state(self) -> Sequence[str]:
        """Those that have the text and the tag, whatever ``state`` was asked for; sorted."""
        return self._in_any_state_and_unread[0]

    @cached_property
    def _query(self) -> Query:
        return read_query(self.text)

    @cached_property
    def _in_any_state_and_unread(self) -> tuple[Sequence[str], int]:
        return self._with_errors(matching(self.view, self._query, self.tag), self._query.states)

    @cached_property
    def _names_and_unread(self) -> tuple[Sequence[str], int]:
        names, unread = self._in_any_state_and_unread
        if not self.state:
            return names, unread
        if not unread:
            return self._in_state(names, self.state), 0
        # The MAX_ERRORS that were read may all be in other states: read those in this one.
        return self._with_errors(matching(self.view, self._query, self.tag), (*self._query.states, self.state))

    def _with_errors(self, names: Sequence[str], states: Iterable[str]) -> tuple[Sequence[str], int]:
        """Those of these names that have these states and the errors of the query, and how many more may have them."""
        for state in states:
            names = self._in_state(names, state)
        if not self._query.errors:
            return names, 0
        quarantined = {name for name, it in self.view.held.items() if it.is_quarantined}
        ill = [name for name in self.failing.keys() | quarantined if is_in(name, names)]
        ill.sort(key=lambda name: (-self.failing.get(name, AT_THE_END), name))
        found = sorted(with_errors(self.store, ill[:MAX_ERRORS], self._query.errors))
        return found, max(0, len(ill) - MAX_ERRORS)

    def tally(self) -> Tally:
        """How many of ``in_any_state`` are in each state, for the counts above the list."""
        every, found = self.view.kept.keys(), self.in_any_state
        names = every if len(found) == len(every) else frozenset(found)  # a set of 50,000 takes a while to make
        failing = self.failing.keys() & names
        expected = len(failing & self.view.expected_to_fail)
        unstarted = Counter[str](it.state for name, it in self.unstarted.items() if name in names)
        return Tally(self.states.counts(names), len(failing), expected, unstarted)

    def _in_state(self, names: Sequence[str], state: str) -> Sequence[str]:
        """Those of these names that have this state; none if there is no such state."""
        if state == FAILING:
            return [name for name in names if name in self.failing]
        if state in UNSTARTED:
            wanted = {name for name, it in self.unstarted.items() if it.state == state}
            return [name for name in names if name in wanted]
        return self.states.only(names, state)

    def ordered(self, sort: Sort, after: Place | None = None) -> Iterator[Place]:
        """The places of all after one, in their order; a reader who stops early costs little."""
        if sort == "name":
            first = bisect_right(self.names, after.name) if after else 0
            return (Place(0.0, name) for name in self.names[first:])
        places = self._by_attention() if sort == "attention" else self._by_index(sort, after)
        return (place for place in places if after is None or place > after)

    def _by_attention(self) -> Iterator[Place]:
        """What needs a person first, then the others, each by name. What is expected to fail is one of the others."""
        ranks = dict.fromkeys(self.failing.keys() - self.view.expected_to_fail, len(URGENT) + 1)
        ranks |= dict.fromkeys(self.unstarted, len(URGENT))
        ranks |= {name: URGENT.index(state) for name, state in self.states.others.items() if state in URGENT}
        urgent = sorted(Place(rank, name) for name, rank in ranks.items() if is_in(name, self.names))
        return chain(urgent, (Place(len(URGENT) + 2, name) for name in self.names if name not in ranks))

    def _index(self, sort: Sort) -> Index:
        """Where the places by ``sort`` are: the soonest, the newest, the longest first."""
        keys = self.store.keys
        if sort == "next":
            return Index(keys.schedule, keys.entry(""), 0.0)
        return Index(keys.ended if sort == "last" else keys.took)

    def _by_index(self, sort: Sort, after: Place | None) -> Iterator[Place]:
        """By an index; those that have no place in it at the end."""
        index, names = self._index(sort), self.names
        out = self.view.switched_off if sort == "next" else frozenset()
        if len(names) <= MAX_ASKED:
            return iter(sorted(self._places(index, names, out)))
        wanted = self.view.kept if names is self.view.names else frozenset(names)
        walked = (place for place in self._walk(index, after) if place.name in wanted and place.name not in out)
        steps = (names[start : start + STEP] for start in range(0, len(names), STEP))
        rest = (place for step in steps for place in self._places(index, step, out) if place.at == AT_THE_END)
        return chain(walked, rest)

    def _places(self, index: Index, names: Sequence[str], out: frozenset[str]) -> Iterator[Place]:
        """The place of each name."""
        least = float(index.least)
        for start in range(0, len(names), STEP):
            step = names[start : start + STEP]
            scores = self.store.client.zmscore(index.key, [index.prefix + name for name in step])
            for name, score in zip(step, scores, strict=True):
                yield Place(AT_THE_END if score is None or score < least or name in out else score, name)

    def _walk(self, index: Index, after: Place | None) -> Iterator[Place]:
        """Every member of the index from a place on."""
        client, begin = self.store.client, after.at if after else index.least
        # By rank: with a limit, Redis would walk over all that was read before, in each step again.
        for start in count(client.zcount(index.key, "-inf", f"({begin}"), STEP):
            members = client.zrange(index.key, start, start + STEP - 1, withscores=True)
            yield from (Place(score, member.removeprefix(index.prefix)) for member, score in members)
            if len(members) < STEP:
                return


def is_in(name: str, names: Sequence[str]) -> bool:
    """Whether a name is among these, which are sorted."""
    at = bisect_left(names, name)
    return at < len(names) and names[at] == name
