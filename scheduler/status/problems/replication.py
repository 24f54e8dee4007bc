"""A Redis whose last writes a failover would lose, or that cannot fail over."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem, Severity
from scheduler.storage.client import configured, sentinel_facts

LAG = "min-replicas-max-lag"  #: of Redis's settings
MAX_REPLICA_LAG_S = 10.0  #: for min-replicas-max-lag
MAX_DOWN_AFTER_MS = 10_000.0  #: for Sentinel's down-after-milliseconds


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Check that a Redis without its replicas stops accepting writes, which a failover would lose."""
    info = facts.info
    if info.get("role") != "master":
        return  # which its refusal of writes says
    if facts.settings.place.service:
        yield from failover(facts)
    if "min_slaves_good_slaves" in info:
        yield from replica_lag(facts)
    elif facts.settings.place.service or info.get("connected_slaves"):
        yield problem(
            "min-replicas-to-write",
            "Redis has min-replicas-to-write 0, so runs that it accepts while partitioned are lost",
            "set min-replicas-to-write 1 and min-replicas-max-lag 2, also on its replicas",
        )


def failover(facts: Facts) -> Iterator[ServiceProblem]:
    """Check that Sentinel can fail over, and quickly."""
    if not facts.info.get("connected_slaves"):
        yield problem(
            "replicas", "Redis has no replica, so Sentinel cannot fail over", "add two replicas on other machines"
        )
    try:
        watched = sentinel_facts(facts.client)
    except redis.RedisError as error:
        # The Redis itself answers, so the other problems can still be found.
        sentence = f"The Sentinel that was asked last does not answer ({error})"
        yield problem("sentinel", sentence, "start it, and check its log")
        return
    if int(watched.get("num-other-sentinels", 0)) < 2:
        yield problem(
            "sentinels",
            "Fewer than three Sentinels are running, so they may not agree on a failover",
            "run three on three machines",
        )
    if (wait := float(watched.get("down-after-milliseconds", 0))) > MAX_DOWN_AFTER_MS:
        yield problem(
            "down-after-milliseconds",
            f"Sentinel waits {wait / 1000:g} s before a failover, and no run is sent meanwhile",
            "set down-after-milliseconds 2000",
        )


def replica_lag(facts: Facts) -> Iterator[ServiceProblem]:
    """Check for how long a partitioned Redis would accept writes that are lost."""
    lag = configured(facts.client, LAG)
    if lag is None:
        yield problem(LAG, f"This Redis user may not read {LAG}", "check that it is 2", "unknown")
    elif float(lag) > MAX_REPLICA_LAG_S:
        yield problem(LAG, f"A partitioned Redis accepts runs for {lag} s, and they are lost", f"set {LAG} 2")


def problem(part: str, sentence: str, remedy: str, severity: Severity = "warning") -> ServiceProblem:
    return ServiceProblem(sentence, remedy, severity, "redis", part=part)
