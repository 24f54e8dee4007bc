"""Pings that do not arrive at the service that waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage import pings

REMEDY = "correct `ping:` in the schedule file, or wait until that service answers again"


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """One line: the schedule whose pings have failed longest, and how many others there are."""
    declared = facts.declared("pings")
    failed = {name: it for name, it in pings.failed(facts.client, facts.keys).items() if name in declared}
    if failed:
        name = min(failed, key=lambda it: failed[it].since)
        whose = f"schedule '{name}'" if name else "the service itself"
        others = f", and of {len(failed) - 1} more," if len(failed) > 1 else ""
        sentence = f"Pings of {whose}{others} do not arrive: {failed[name].error}"
        yield ServiceProblem(sentence, REMEDY, subject="pings", since=failed[name].since)
