"""What a schedule names: a group of the file, and the schedules that follow it, none of which may lead back to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scheduler.model import Declared, Entry, Problem
from scheduler.model.then import Then
from scheduler.printable import near, shown
from scheduler.storage import groups
from scheduler.storage.store import Store


def problems(store: Store, declared: Declared) -> Iterator[Problem]:
    """Errors for names that mean nothing here."""
    group = declared.schedule.group
    if group is not None:
        known = groups.declared(store.client, store.keys)
        listed = ", ".join(sorted(known)) or "none"
        if group not in known:
            remedy = near(group, known) or f"declare it under groups: in the schedule file (declared: {listed})"
            yield Problem(f"unknown group {shown(group)}", remedy, declared.name, "group")
    if declared.schedule.then is not None:
        yield from follower_problems(store, declared)


def follower_problems(store: Store, declared: Declared) -> Iterator[Problem]:
    """Errors for followers that do not exist, or that lead back to the schedule."""
    name, first = declared.name, names_of(declared.schedule.then)
    entries = {entry.name: entry for entry in store.read(first - {name})}
    for missing in sorted(first - entries.keys() - {name}):
        remedy = near(missing, store.names()) or "name a schedule that exists"
        yield Problem(f"unknown schedule {shown(missing)}", remedy, name, "then")
    reached, waiting = set(first), [*entries.values()]
    while waiting:
        more = {child for entry in waiting for child in followers_of(entry)} - reached
        reached |= more
        waiting = list(store.read(more))
    if name in reached:
        yield Problem(f"then leads back to {shown(name)}", "take a name out", name, "then")


def names_of(then: Then | None) -> set[str]:
    return {*then.success, *then.failure, *then.always} if then else set()


def followers_of(entry: Entry) -> set[str]:
    """The names in the `then` of a stored entry; none where it cannot be read."""
    given: Any = entry.fields.get("then")
    lists = given.values() if isinstance(given, Mapping) else ()
    return {name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)}
