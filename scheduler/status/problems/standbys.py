"""A standby whose schedule file differs from the leader's."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name each of them."""
    for name in sorted(facts.standbys_with_other_file):
        sentence = f"Standby {name} has a schedule file that differs from the leader's"
        yield ServiceProblem(sentence, "deploy the same version to both", subject="file", part=name)
