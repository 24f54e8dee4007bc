"""Checks of ``then``: every name is a schedule of the file, and none follows itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scheduler.model import Declared
from scheduler.printable import near, shown
from scheduler.validate.terms import Finding, Path


def findings(declared: Mapping[str, Declared], schedules: Mapping[str, Any]) -> Iterator[Finding]:
    """Errors for unknown names and for circles; ``schedules`` are all of the file, also those with errors."""
    follows = {name: dict(named(item)) for name, item in declared.items() if item.schedule.then}
    for children in follows.values():
        for path, child in children.items():
            if child not in schedules:
                remedy = near(child, schedules) or "name a schedule of this file"
                yield Finding(path, f"unknown schedule {shown(child)}", remedy)
    graph = {name: list(dict.fromkeys(children.values())) for name, children in follows.items()}
    for circle in circles(graph):
        way = " → ".join(circle)
        path = next(path for path, child in follows[circle[0]].items() if child == circle[1])
        yield Finding(path, f"then leads back to where it began: {way}", "take one of these names out")


def named(item: Declared) -> Iterator[tuple[Path, str]]:
    """Each name in the ``then`` of a schedule with its place in the file."""
    given = item.schedule.then
    for when in ("success", "failure", "always"):
        for index, child in enumerate(getattr(given, when)):
            yield ("schedules", item.name, "then", when, index), child


def circles(graph: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """One circle of each knot, as names of which the last is the first."""
    done: set[str] = set()
    for start in graph:
        way, rest = [start], [iter(graph[start])]
        while rest:
            child = next(rest[-1], None)
            if child is None:
                done.add(way.pop())
                rest.pop()
            elif child in way:
                yield [*way[way.index(child) :], child]
                done.update(way)
            elif child not in done:
                way.append(child)
                rest.append(iter(graph.get(child, ())))
