"""The health of the service, part by part: beat, workers, queues, Redis, schedule file, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.status.problems import with_kinds
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.headline import ABOUT_SCHEDULES, Headline, headline
from scheduler.status.problems.problem import ServiceProblem


@dataclass(frozen=True)
class QueueHealth:
    """A queue that runs wait in, that a worker takes from, or that runs of schedules go to."""

    name: str
    waiting: int
    since: float | None  #: epoch seconds: when the run that waits longest was sent
    workers: tuple[str, ...]  #: live ones that take from it
    schedules: Sequence[str]  #: whose runs go there, as far as routers of the application say


@dataclass(frozen=True)
class RedisHealth:
    """What Redis says of itself; empty texts and zeros where its user may not ask."""

    address: str
    version: str
    used_bytes: int
    limit_bytes: int  #: maxmemory; 0 without one
    eviction: str  #: policy
    persistence: str
    replicas: int


@dataclass(frozen=True)
class Health:
    """One look at the service; every fact is what ``status.problems`` judges."""

    facts: Facts
    by_kind: tuple[tuple[str, ServiceProblem], ...]  #: each with the name of its kind
    queues: tuple[QueueHealth, ...]
    news: tuple[str, ...]  #: what happened and needs no person

    @property
    def headline(self) -> Headline:
        return headline(self.facts, self.by_kind)

    @property
    def problems(self) -> tuple[tuple[ServiceProblem, str], ...]:
        """What needs a person, in the order in which to fix it, each with the schedule that it is about, if any."""
        return tuple(
            (it, it.subject if kind in ABOUT_SCHEDULES else "") for kind, it in self.by_kind if it.severity != "unknown"
        )

    @property
    def unknown(self) -> tuple[ServiceProblem, ...]:
        """The checks that could not be made."""
        return tuple(problem for _, problem in self.by_kind if problem.severity == "unknown")

    @property
    def lease_age_s(self) -> float | None:
        """Seconds since the leader renewed its lock; None without a leader."""
        leader = self.facts.leader
        return max(0.0, self.facts.settings.lease - leader.remaining) if leader else None

    @property
    def redis(self) -> RedisHealth:
        info = self.facts.info
        return RedisHealth(
            self.facts.settings.shown_redis_url,
            str(info.get("redis_version", "")),
            int(info.get("used_memory", 0)),
            int(info.get("maxmemory", 0)),
            str(info.get("maxmemory_policy", "")),
            persistence(info),
            int(info.get("connected_slaves", 0)),
        )


def health(facts: Facts, by_destination: Mapping[str, Sequence[str]]) -> Health:
    """Look at everything; ``by_destination`` has the schedules by queue. Raises what the client does."""
    by_kind = with_kinds(facts)
    return Health(facts, by_kind, tuple(queues(facts, by_destination)), facts.store.news())


def queues(facts: Facts, by_destination: Mapping[str, Sequence[str]]) -> list[QueueHealth]:
    """Those in which runs wait first, the one that has waited longest on top; then by name."""
    waiting = facts.waiting_by_queue
    made = []
    for name in waiting.keys() | facts.taken_queues | by_destination.keys() - {""}:
        workers = tuple(it.name for it in facts.live_workers if name in it.queues)
        its = waiting.get(name)
        count, since = (its.waiting, its.since) if its else (0, None)
        made.append(QueueHealth(name, count, since, workers, by_destination.get(name, ())))
    return sorted(made, key=lambda it: (it.since or float("inf"), it.name))


def persistence(info: Mapping[str, Any]) -> str:
    """What a Redis that restarts has again; empty if it does not say so."""
    if "aof_enabled" not in info:
        return ""
    return "append-only file" if info["aof_enabled"] else "snapshots only"
