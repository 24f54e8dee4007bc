"""Schedules that beat set aside because they cannot be sent."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.named import rest
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name the first schedules and count the rest."""
    total, named = facts.quarantined
    for name, it in named.items():
        yield ServiceProblem(
            f"schedule '{name}' is quarantined: {it.error}",
            "change it in the schedule file or on the page",
            subject=name,
            since=it.since,
        )
    yield from rest(total - len(named), "quarantined")
