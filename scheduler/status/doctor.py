"""Whether Redis, the clocks, beat and the workers are as they have to be for what the service promises."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scheduler.command_name import start_command
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings
from scheduler.storage import lock
from scheduler.storage.client import Client, configured, refuse_unfit, sentinel_facts
from scheduler.storage.keys import Keys
from scheduler.timing import TimingError, get_zone

DRIFT = 1.0  #: seconds that two clocks may differ
LONGEST_LAG = 10.0  #: seconds of min-replicas-max-lag
LONGEST_WAIT = 10_000.0  #: milliseconds of Sentinel's down-after-milliseconds
DISK = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")


@dataclass(frozen=True)
class Finding:
    """One thing that a person should look at, or that could not be looked at."""

    severity: Literal["problem", "unknown"]
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def examine(client: Client, keys: Keys, settings: Settings, *, worker_answers: bool) -> list[Finding]:
    """Everything that needs a person, in the order in which it is worth mending."""
    try:
        refuse_unfit(client, settings)
    except ConfigurationError as error:
        what, _, remedy = str(error).rpartition(": ")
        return [Finding("problem", what, remedy)]
    info = client.info()
    found = [
        *durability(info),
        *replication(client, info, settings),
        *clocks(client),
        *service(client, keys, worker_answers),
    ]
    return [*found, *zones()]


def durability(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether what Redis took outlives it."""
    if not info.get("aof_enabled"):
        yield problem("Redis has appendonly off, so a crash loses what it took since its last save", "set it to yes")
    for name in DISK:
        if info.get(name, "ok") != "ok":
            yield problem(f"Redis cannot write to its disk ({name} is {info[name]})", "look at its log and free space")


def replication(client: Client, info: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Whether a Redis that is cut off from its replicas stops to take what will be lost."""
    if info.get("role") != "master":
        yield problem("This Redis is a replica and takes no writes", "name the one in charge, or the Sentinels")
        return
    if settings.place.service:
        yield from failover(client, info)
    if "min_slaves_good_slaves" not in info:
        if not (settings.place.service or info.get("connected_slaves")):
            return
        yield problem(
            "Redis has min-replicas-to-write 0, so when it is cut off it takes runs that are lost",
            "set min-replicas-to-write 1 and min-replicas-max-lag 2, on its replicas too",
        )
        return
    if not info["min_slaves_good_slaves"]:
        yield problem("Redis hears of no replica, and takes no writes", "start one, or mend the network between them")
    yield from replica_lag(client)


def failover(client: Client, info: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether Sentinel can replace this Redis, and soon."""
    facts = sentinel_facts(client)
    if not info.get("connected_slaves"):
        yield problem("Redis has no replica, so Sentinel has none to put in its place", "add two on other machines")
    if int(facts.get("num-other-sentinels", 0)) < 2:
        yield problem("There are less than three Sentinels, so they may not agree", "run three on three machines")
    if (wait := float(facts.get("down-after-milliseconds", 0))) > LONGEST_WAIT:
        yield problem(
            f"Sentinel waits {wait / 1000:g} s before it replaces a Redis, and nothing runs meanwhile",
            "set down-after-milliseconds 2000",
        )


def replica_lag(client: Client) -> Iterator[Finding]:
    lag = configured(client, "min-replicas-max-lag")
    if lag is None:
        yield Finding("unknown", "This user of Redis cannot ask for min-replicas-max-lag", "see that it is 2")
    elif float(lag) > LONGEST_LAG:
        yield problem(f"Redis that is cut off takes runs for {lag} s, and they are lost", "set min-replicas-max-lag 2")


def clocks(client: Client) -> Iterator[Finding]:
    """Whether the clock of Redis's machine and ours agree; the lock and the runs go by both."""
    before = time.time()
    seconds, micros = client.time()
    after = time.time()
    ahead = seconds + micros / 1e6 - (before + after) / 2
    if abs(ahead) > DRIFT + (after - before) / 2:
        which = "ahead of" if ahead > 0 else "behind"
        yield problem(f"The clock of Redis is {abs(ahead):.1f} s {which} this machine's", "run an NTP service on both")


def service(client: Client, keys: Keys, worker_answers: bool) -> Iterator[Finding]:
    """Whether somebody sends runs and somebody takes them."""
    if lock.holder(client, keys) is None:
        yield problem("No beat leads, so nothing is sent", f"start it with `{start_command()}`")
    if not worker_answers:
        yield problem("No worker answers, so nothing is run", "start one with `systemctl start celery-worker`")


def zones() -> Iterator[Finding]:
    """Whether local times can be told."""
    try:
        get_zone("Europe/Berlin")
    except (OSError, ImportError, TimingError):
        yield problem("The time zone database is missing", "install the package tzdata into this Python environment")


def problem(what: str, remedy: str) -> Finding:
    return Finding("problem", what, remedy)
