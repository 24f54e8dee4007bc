"""A Redis that would lose schedules, or that is none."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.errors import ConfigurationError
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import refuse_unfit


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Say why beat refuses to start with this Redis."""
    try:
        refuse_unfit(facts.info, facts.settings)
    except ConfigurationError as error:
        sentence, _, remedy = str(error).rpartition(": ")
        yield ServiceProblem(sentence, remedy, "critical", "redis")
