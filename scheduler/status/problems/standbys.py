"""A standby whose schedule file differs from the leader's."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Compare the file of each standby with the one that the leader read last."""
    if not facts.standbys or "digest" not in facts.file:
        return
    digests = facts.client.hmget(facts.keys.standby_files, facts.standbys)
    for name, digest in zip(facts.standbys, digests, strict=True):
        if digest not in (None, facts.file["digest"]):
            sentence = f"Standby {name} has a schedule file that differs from the leader's"
            yield ServiceProblem(sentence, "deploy the same version to both", subject="file")
