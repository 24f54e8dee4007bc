"""A Redis that loses data when it crashes."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

DISK_STATUSES = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Check that Redis logs each write to its disk, and can."""
    if facts.refusal:
        return  # a full disk is a reason of its refusal
    redis_cli = facts.settings.place.command_line
    if facts.info.get("aof_enabled") == 0:
        yield ServiceProblem(
            "Redis has appendonly off, so a crash loses all writes since its last save",
            f"run `{redis_cli} config set appendonly yes`, then `{redis_cli} config rewrite`; if you edit the "
            "file and restart instead, Redis starts without its data",
            subject="redis",
            part="appendonly",
        )
    for name in DISK_STATUSES:
        if (status := facts.info.get(name, "ok")) != "ok":
            sentence = f"Redis cannot write to disk ({name} is {status})"
            yield ServiceProblem(sentence, "check its log and the free space", subject="redis", part=name)
