"""The one list of what needs a person. Page, ``status``, ``doctor`` and ``/readyz`` show it and add nothing.

Each kind of problem is a file here with a function ``look``. For a new kind, copy a file and add it to KINDS.
"""

from __future__ import annotations

from scheduler.settings import Settings
from scheduler.status.problems import (
    alerts,
    behind,
    clocks,
    disk,
    failing,
    leader,
    memory,
    notices,
    paused,
    pings,
    quarantined,
    queues,
    refusal,
    replication,
    schedule_file,
    standbys,
    tasks,
    unfit,
    unstarted,
    versions,
    workers,
    zones,
)
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.store import Store

#: In the order in which to fix them.
KINDS = (
    refusal,
    memory,
    disk,
    replication,
    clocks,
    zones,
    leader,
    behind,
    workers,
    versions,
    queues,
    tasks,
    notices,
    schedule_file,
    standbys,
    quarantined,
    unstarted,
    failing,
    paused,
    alerts,
    pings,
)


def problems(store: Store, settings: Settings) -> tuple[ServiceProblem, ...]:
    """Every problem, in the order in which to fix them. Raises what the client does while Redis does not answer."""
    return look(Facts(store, settings))


def look(facts: Facts) -> tuple[ServiceProblem, ...]:
    """The same from one look at the service."""
    return tuple(problem for _, problem in with_kinds(facts))


def with_kinds(facts: Facts) -> tuple[tuple[str, ServiceProblem], ...]:
    """The same, each with the name of its kind, which stays when the sentence changes."""
    if reasons := tuple(unfit.look(facts)):
        return tuple(("unfit", problem) for problem in reasons)  # what else such a Redis answers means nothing
    return tuple((kind.__name__.rpartition(".")[2], problem) for kind in KINDS for problem in kind.look(facts))
