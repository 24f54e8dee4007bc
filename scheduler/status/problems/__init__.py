"""The one list of what needs a person. Page, ``status``, ``doctor`` and ``/readyz`` show it and add nothing.

Each kind of problem is a file here with a function ``look``. For a new kind, copy a file and add it to KINDS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
from scheduler.storage import first_seen
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
#: Those of them that ask live workers: while there is none, what they named before is neither there nor solved.
OF_LIVE_WORKERS = frozenset({"queues", "tasks", "versions"})


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
    named = ((kind.__name__.rpartition(".")[2], problem) for kind in KINDS for problem in kind.look(facts))
    return tuple((kind, dated(facts, kind, problem)) for kind, problem in named)


def dated(facts: Facts, kind: str, problem: ServiceProblem) -> ServiceProblem:
    """The problem with since when the leader sees it, if it does not know itself when it began."""
    if problem.since is not None:
        return problem
    return replace(problem, since=facts.first_seen.get(key(kind, problem)))


def key(kind: str, problem: ServiceProblem) -> str:
    """What tells a problem from others, whatever its sentence counts and whoever reads its remedy."""
    return f"{kind}:{problem.subject}:{problem.part}"


def hidden_kinds(facts: Facts) -> frozenset[str]:
    """The kinds of problems that this look cannot see: they may be there or solved."""
    return frozenset() if facts.live_workers else OF_LIVE_WORKERS


def note_first_seen(facts: Facts, named: Iterable[tuple[str, ServiceProblem]]) -> None:
    """Let all that look from now on know since when each problem is there; the leader does it."""
    named = tuple(named)
    if any(kind == "unfit" for kind, _ in named):
        return  # nothing else was looked for
    there = {key(kind, problem) for kind, problem in named}
    hidden = hidden_kinds(facts)
    there |= {it for it in facts.first_seen if it.partition(":")[0] in hidden}
    first_seen.note(facts.client, facts.keys, there, facts.now)
