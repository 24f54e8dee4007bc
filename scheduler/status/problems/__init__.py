"""The one list of what needs a person. Page, ``status``, ``doctor`` and ``/readyz`` show it and add nothing.

Each kind of problem is a file here with a function ``look``. For a new kind, copy a file and add it to KINDS.
"""

from __future__ import annotations

from scheduler.settings import Settings
from scheduler.status.problems import (
    clocks,
    disk,
    failing,
    leader,
    memory,
    notices,
    quarantined,
    queues,
    refusal,
    replication,
    schedule_file,
    standbys,
    unfit,
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
    workers,
    queues,
    notices,
    schedule_file,
    standbys,
    quarantined,
    failing,
)


def problems(store: Store, settings: Settings) -> tuple[ServiceProblem, ...]:
    """Every problem, in the order in which to fix them. Raises what the client does while Redis does not answer."""
    return look(Facts(store, settings))


def look(facts: Facts) -> tuple[ServiceProblem, ...]:
    """The same from one look at the service."""
    if found := tuple(unfit.look(facts)):
        return found  # what else such a Redis answers means nothing
    return tuple(problem for kind in KINDS for problem in kind.look(facts))
