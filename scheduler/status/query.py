"""What is typed into the search for schedules, and which of them have it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from scheduler.status.catalogue import View
from scheduler.status.problems.failing import newest_errors
from scheduler.storage.store import Store

PLACES = ("tag", "queue", "zone", "state", "error")  #: what may come before a word, with a colon
PART = re.compile(rf'(?:({"|".join(PLACES)}):)?(?:"([^"]*)"|(\S+))')  #: a word of a search, or several in quotes
STEP = 1000  #: schedules whose errors one command reads


class Query(NamedTuple):
    """What a search is for, casefolded; a schedule has to have all of it."""

    words: Sequence[str]  #: in its name, task, description or tags
    tags: Sequence[str]
    queues: Sequence[str]  #: that its runs go to
    zones: Sequence[str]  #: in the name of its time zone
    states: Sequence[str]  #: as the filter by state has them
    errors: Sequence[str]  #: in why it fails or is quarantined


def read_query(text: str) -> Query:
    """A word in quotes may have spaces; ``tag:`` and the other PLACES say where to look for the word behind."""
    parts = [(place, quoted or word) for place, quoted, word in PART.findall(text.casefold())]
    return Query(*([it for at, it in parts if at == place and it] for place in ("", *PLACES)))


def matching(view: View, query: Query, tag: str = "") -> Sequence[str]:
    """The names of those that have the tag and what the query is for.

    Not its states and its errors, which a view does not have.
    """
    wanted = [(view.by_tag, {tag})] if tag else []
    wanted += [(view.by_tag, same(view.by_tag, one)) for one in query.tags]
    wanted += [(view.by_destination, same(view.by_destination, one)) for one in query.queues]
    wanted += [(view.by_zone, {zone for zone in view.by_zone if one in zone.casefold()}) for one in query.zones]
    names: Sequence[str] = view.names
    for at, (named, keys) in enumerate(wanted):
        its = of_any(named, keys)
        names = sorted(set(its).intersection(names)) if at else its
    for word in query.words:
        texts = view.texts if names is view.names else (view.kept[name].text for name in names)
        names = [name for name, its in zip(names, texts, strict=True) if word in its]
    return names


def having(view: View, tag: str) -> frozenset[str] | None:
    """The names of those that have a tag; None, for all, without one."""
    return frozenset(view.by_tag.get(tag, ())) if tag else None


def same(keys: Iterable[str], wanted: str) -> set[str]:
    """The keys that are this one in any case."""
    return {key for key in keys if key.casefold() == wanted}


def of_any(named: Mapping[str, Sequence[str]], keys: Collection[str]) -> Sequence[str]:
    """The names below any of these keys, sorted."""
    several = [named.get(key, ()) for key in keys]
    return several[0] if len(several) == 1 else sorted({name for names in several for name in names})


def with_errors(store: Store, names: Sequence[str], errors: Sequence[str]) -> Iterator[str]:
    """Those of these names whose newest error, if they are failing, has each text in its first line.

    Of one that is quarantined, it is why.
    """
    for start in range(0, len(names), STEP):
        for name, error in newest_errors(store, names[start : start + STEP]).items():
            if all(text in error.casefold() for text in errors):
                yield name
