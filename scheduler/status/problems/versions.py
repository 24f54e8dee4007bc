"""Workers of another release than beat."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Compare the release of each live worker that does not stop with the leader's, as far as both say it."""
    leader = facts.leader
    for worker in facts.live_workers if leader and leader.version else ():
        if leader and worker.version not in ("", leader.version) and not worker.is_draining:
            sentence = f"Worker {worker.name} is of release {worker.version}, and beat of {leader.version}"
            since = max(worker.started, leader.since) if worker.started else None
            remedy = "install the same release on every host"
            yield ServiceProblem(sentence, remedy, "warning", "workers", since, worker.name)
