"""Pings that do not arrive at the service that waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage import pings
from scheduler.storage.records import loads, mapping, read_or

REMEDY = "correct `ping:` in the schedule file, or wait until that service answers again"


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """One line: the schedule whose pings have failed longest, and how many others there are."""
    declared = read_or(frozenset[str](), pinging, facts.file.get("alerts", ""))
    failed = {name: it for name, it in pings.failed(facts.client, facts.keys).items() if name in declared}
    if failed:
        name = min(failed, key=lambda it: failed[it].since)
        whose = f"schedule '{name}'" if name else "the service itself"
        others = f", and of {len(failed) - 1} more," if len(failed) > 1 else ""
        sentence = f"Pings of {whose}{others} do not arrive: {failed[name].error}"
        yield ServiceProblem(sentence, REMEDY, subject="pings", since=failed[name].since)


def pinging(text: str) -> frozenset[str]:
    """What pings, after the last good file; raises ValueError or TypeError."""
    return frozenset(mapping(mapping(loads(text)).get("pings", {})))
