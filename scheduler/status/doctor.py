"""Check Redis, clocks, beat and workers for anything that breaks the service's promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scheduler.command_name import start_command
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings
from scheduler.status.redis_state import redis_state
from scheduler.storage import lock
from scheduler.storage.client import Client, configured, refuse_unfit, sentinel_facts
from scheduler.storage.keys import Keys
from scheduler.timing import TimingError, get_zone

MAX_CLOCK_DIFFERENCE_S = 1.0
MAX_REPLICA_LAG_S = 10.0  #: for min-replicas-max-lag
MAX_DOWN_AFTER_MS = 10_000.0  #: for Sentinel's down-after-milliseconds
DISK_STATUSES = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")


@dataclass(frozen=True)
class Finding:
    """A problem that needs a person, or a check that could not be made."""

    severity: Literal["problem", "unknown"]
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


UNASKED = Finding(
    "unknown", "Beat and the workers wait for Redis and were not asked", "repeat this when Redis accepts writes"
)


def examine(client: Client, keys: Keys, settings: Settings, *, ask_workers: Callable[[], bool]) -> list[Finding]:
    """All findings, in the order in which to fix them; ``ask_workers`` returns whether a worker answers."""
    try:
        refuse_unfit(client, settings)
    except ConfigurationError as error:
        what, _, remedy = str(error).rpartition(": ")
        return [Finding("problem", what, remedy)]
    info = client.info()
    state = redis_state(client, keys, settings)
    findings = [problem(*one) for one in (state.refusal, state.filling) if one]
    findings += durability(info, settings.place.command_line)
    findings += replication(client, info, settings)
    findings += clocks(client)
    findings += [UNASKED] if state.refusal else service(client, keys, ask_workers)
    return [*findings, *zones()]


def durability(info: Mapping[str, Any], redis_cli: str) -> Iterator[Finding]:
    """Check that Redis keeps its data when it crashes."""
    if not info.get("aof_enabled"):
        yield problem(
            "Redis has appendonly off, so a crash loses all writes since its last save",
            f"run `{redis_cli} config set appendonly yes`, then `{redis_cli} config rewrite`; if you edit the "
            "file and restart instead, Redis starts without its data",
        )
    for name in DISK_STATUSES:
        if info.get(name, "ok") != "ok":
            yield problem(f"Redis cannot write to disk ({name} is {info[name]})", "check its log and the free space")


def replication(client: Client, info: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Check that a Redis without its replicas stops accepting writes, which a failover would lose."""
    if info.get("role") != "master":
        return  # which its refusal of writes says
    if settings.place.service:
        yield from failover(client, info)
    if "min_slaves_good_slaves" not in info:
        if not (settings.place.service or info.get("connected_slaves")):
            return
        yield problem(
            "Redis has min-replicas-to-write 0, so runs that it accepts while partitioned are lost",
            "set min-replicas-to-write 1 and min-replicas-max-lag 2, also on its replicas",
        )
        return
    yield from replica_lag(client)


def failover(client: Client, info: Mapping[str, Any]) -> Iterator[Finding]:
    """Check that Sentinel can fail over, and quickly."""
    facts = sentinel_facts(client)
    if not info.get("connected_slaves"):
        yield problem("Redis has no replica, so Sentinel cannot fail over", "add two replicas on other machines")
    if int(facts.get("num-other-sentinels", 0)) < 2:
        yield problem(
            "Fewer than three Sentinels are running, so they may not agree on a failover", "run three on three machines"
        )
    if (wait := float(facts.get("down-after-milliseconds", 0))) > MAX_DOWN_AFTER_MS:
        yield problem(
            f"Sentinel waits {wait / 1000:g} s before a failover, and no run is sent meanwhile",
            "set down-after-milliseconds 2000",
        )


def replica_lag(client: Client) -> Iterator[Finding]:
    """Check for how long a partitioned Redis would accept writes that are lost."""
    lag = configured(client, "min-replicas-max-lag")
    if lag is None:
        yield Finding("unknown", "This Redis user may not read min-replicas-max-lag", "check that it is 2")
    elif float(lag) > MAX_REPLICA_LAG_S:
        yield problem(f"A partitioned Redis accepts runs for {lag} s, and they are lost", "set min-replicas-max-lag 2")


def clocks(client: Client) -> Iterator[Finding]:
    """Compare the clock of Redis's machine with ours; the lock and the runs depend on both."""
    before = time.time()
    seconds, micros = client.time()
    after = time.time()
    ahead = seconds + micros / 1e6 - (before + after) / 2
    if abs(ahead) > MAX_CLOCK_DIFFERENCE_S + (after - before) / 2:
        which = "ahead of" if ahead > 0 else "behind"
        yield problem(
            f"The clock of the Redis machine is {abs(ahead):.1f} s {which} this machine's", "run an NTP service on both"
        )


def service(client: Client, keys: Keys, ask_workers: Callable[[], bool]) -> Iterator[Finding]:
    """Check that a beat leads and a worker answers."""
    beats = client.hget(keys.file, "command") or ""
    if lock.holder(client, keys) is None:
        yield problem("No beat leads, so nothing is sent", f"start it with `{start_command(beats=beats)}`")
    if not ask_workers():
        start = start_command("celery-worker", beats)
        yield problem("No worker answers, so no run starts", f"start one with `{start}`")


def zones() -> Iterator[Finding]:
    """Check that the time zone database is readable."""
    try:
        get_zone("Europe/Berlin")
    except (OSError, ImportError, TimingError):
        yield problem("The time zone database is missing", "install the package tzdata into this Python environment")


def problem(what: str, remedy: str) -> Finding:
    return Finding("problem", what, remedy)
