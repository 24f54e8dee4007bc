"""A schedule file that was rejected, or could not be applied in full."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.command_name import with_command_name
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Say what is wrong with the leader's file, with commands that work here, or on the host that is named."""
    text = with_command_name(facts.file.get("problems", ""), facts.file.get("command", ""))
    since = float(facts.file.get("wrong") or facts.file.get("read") or 0) or None
    for line in text.splitlines():
        sentence, _, remedy = line.partition(" — ")
        yield ServiceProblem(f"{facts.place}{sentence}", remedy, subject="file", since=since)
