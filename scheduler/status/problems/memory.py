"""A Redis whose memory fills: a full one refuses every write."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

FILLING = 0.8  #: share of its memory limit from which it is a problem
MB = 1e6


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Say whether Redis is near its maxmemory, or without one near the memory of its machine."""
    info = facts.info
    limit = info.get("maxmemory") or info.get("total_system_memory") or 0
    used = info.get("used_memory", 0) - info.get("mem_not_counted_for_evict", 0)
    if facts.refusal or not limit or used <= FILLING * limit:
        return
    what = "maxmemory" if info.get("maxmemory") else "machine's memory"
    cure = "raise it" if info.get("maxmemory") else "give it more memory"
    yield ServiceProblem(
        f"Redis at {facts.settings.shown_redis_url} has used {used / limit:.0%} of its {what} "
        f"({used / MB:.0f} of {limit / MB:.0f} MB), and nothing runs once it is full",
        f'{cure}, or keep less in it: see "Memory of Redis" in docs/operations.md',
        subject="redis",
    )
