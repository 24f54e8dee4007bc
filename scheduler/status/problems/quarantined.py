"""Schedules that beat set aside because they cannot be sent."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.named import rest
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.entries import NEVER

MAX_NAMED = 10  #: schedules that get a line each; the others are counted


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name the first schedules and count the rest."""
    errors = errors_by_name(facts)
    for name in sorted(errors)[:MAX_NAMED]:
        yield ServiceProblem(
            f"schedule '{name}' is quarantined: {errors[name]}",
            "change it in the schedule file or on the page",
            subject=name,
        )
    yield from rest(len(errors) - MAX_NAMED, "quarantined")


def errors_by_name(facts: Facts) -> dict[str, str]:
    """Why each was set aside. Only what beat never sends is read: what is quarantined, paused or disabled."""
    keys = facts.client.zrangebyscore(facts.keys.schedule, NEVER, NEVER)
    with facts.client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hget(key, "error")
        found = zip(keys, pipe.execute(raise_on_error=False), strict=True)
    return {facts.keys.name(key): error for key, error in found if isinstance(error, str) and error}
