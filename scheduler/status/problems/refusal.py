"""A Redis that answers and accepts no writes, so beat waits and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.refusals import meaning_and_remedy


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Say why Redis refuses."""
    if facts.refusal is not None:
        yield ServiceProblem(*meaning_and_remedy(facts.refusal, facts.settings), "critical", "redis")
