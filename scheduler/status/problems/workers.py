"""No worker, or one that no longer reports."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem, Severity
from scheduler.storage import queues

SILENT = "does not report: it hangs, was killed, or does not reach Redis"


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Check that every worker reports. None can while Redis refuses writes, which is said already."""
    if facts.refusal:
        return
    if not facts.workers:
        last = max(queues.last_taken(facts.client, facts.keys).values(), default=None)
        remedy = facts.start("celery-worker")
        yield ServiceProblem("No worker answers, so no run starts", remedy, "critical", "workers", last)
    severity: Severity = "warning" if facts.live_workers else "critical"
    for worker in facts.workers:
        if worker.is_silent(facts.now):
            remedy = facts.restart("celery-worker*", worker.name.partition("@")[2])
            yield ServiceProblem(f"Worker {worker.name} {SILENT}", remedy, severity, "workers", worker.seen)
