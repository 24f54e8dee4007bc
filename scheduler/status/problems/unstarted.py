"""Schedules whose runs do not start: late, or stuck."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from scheduler.command_name import with_command_name
from scheduler.model.accounts import start_worker
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.named import rest
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.unstarted import Unstarted
from scheduler.timing import format_duration

MAX_NAMED = 10  #: schedules that get a line each; the others are counted
BUSY = "start more workers, or find what keeps them busy; see `scheduler history {name}`"


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name those that have waited longest, but those whose queue has no worker are named there, see ``queues``."""
    if not facts.live_workers:
        return
    every, is_complete = facts.unstarted
    for state in ("stuck", "late"):
        those = [it for it in every if it.state == state and it.is_served]
        for it in those[:MAX_NAMED]:
            yield problem(it)
        yield from rest(len(those) - MAX_NAMED, state, at_least=not is_complete)


def problem(it: Unstarted) -> ServiceProblem:
    """What is said of one; its sentence stays the same while the state lasts."""
    return ServiceProblem(f"schedule '{it.name}' is {it.state}: {why(it)}", remedy(it), subject=it.name, since=it.since)


def why(it: Unstarted) -> str:
    if not it.is_served:
        return f"no worker takes from its queue '{it.queue}'"
    if it.state == "stuck":
        return "its last run expired before a worker took it"
    waits = format_duration(timedelta(seconds=it.late_after))
    if it.group:
        return f"its run waits for a place in group '{it.group}' for more than {waits}"
    return f"its run waits in queue '{it.queue}' for more than {waits}"


def remedy(it: Unstarted) -> str:
    if not it.is_served:
        return start_worker(it.queue)
    if it.group:
        return with_command_name("see `scheduler status` for who has the places; raise `max_running` or `late_after`")
    return with_command_name(BUSY.format(name=shlex.quote(it.name)))
