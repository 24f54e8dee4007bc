"""Workers of another release than beat."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Compare the release of each live worker with the leader's, as far as both say it."""
    beats = facts.leader.version if facts.leader else ""
    for worker in facts.live_workers:
        if beats and worker.version and worker.version != beats:
            sentence = f"Worker {worker.name} is of release {worker.version}, and beat of {beats}"
            yield ServiceProblem(sentence, "install the same release on every host", subject="workers")
