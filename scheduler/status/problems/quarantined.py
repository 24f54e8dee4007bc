"""Schedules that beat set aside because they cannot be sent."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.named import rest
from scheduler.status.problems.problem import ServiceProblem

MAX_NAMED = 10  #: schedules that get a line each; the others are counted


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name the first schedules and count the rest."""
    errors = facts.quarantined
    for name in sorted(errors)[:MAX_NAMED]:
        yield ServiceProblem(
            f"schedule '{name}' is quarantined: {errors[name]}",
            "change it in the schedule file or on the page",
            subject=name,
        )
    yield from rest(len(errors) - MAX_NAMED, "quarantined")
