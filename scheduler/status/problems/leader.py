"""No beat leads."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage import lock


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Check that a beat leads. One that runs loses the lock while Redis refuses writes, which is said already."""
    if facts.leader is None and facts.refusal is None:
        since = lock.last_led(facts.client, facts.keys)
        yield ServiceProblem("No beat leads, so nothing is sent", facts.start(), "critical", "beat", since)
