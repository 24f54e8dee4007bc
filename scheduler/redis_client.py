"""The door to redis-py: one way to connect, to name keys, to load scripts, and to tell what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.commands.core import Script
from redis.retry import Retry

from scheduler.errors import ConfigurationError, RedisUnavailable
from scheduler.settings import Settings

OLDEST_REDIS = (6, 2)
SOCKET_TIMEOUT = 5.0  # seconds: a Redis that hangs must not hang us

Client = Any  # redis-py's types cannot tell that responses are decoded to str
PubSub = Any


@dataclass(frozen=True)
class Keys:
    """Every key of this service. RedBeat's own are the first three; names never start with a colon, so none collide."""

    prefix: str = "redbeat:"

    @property
    def schedule(self) -> str:
        return f"{self.prefix}:schedule"

    @property
    def lock(self) -> str:
        return f"{self.prefix}:lock"

    def entry(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def name(self, entry_key: str) -> str:
        return entry_key.removeprefix(self.prefix)

    def ledger(self, name: str) -> str:
        """Hash of a schedule's runs, see ``_ledger.lua``."""
        return f"{self.prefix}:ledger:{name}"

    def moved(self, name: str) -> str:
        """The present name of a schedule that was renamed."""
        return f"{self.prefix}:moved:{name}"

    @property
    def leases(self) -> str:
        """Sorted set of every running run, by the time until which its worker answers for it."""
        return f"{self.prefix}:leases"

    @property
    def wake(self) -> str:
        """Channel on which every change of a schedule is announced."""
        return f"{self.prefix}:wake"

    @property
    def audit(self) -> str:
        return f"{self.prefix}:audit"

    @property
    def file(self) -> str:
        """What became of the schedule file that the leader read last."""
        return f"{self.prefix}:file"

    @property
    def leader(self) -> str:
        """What the leader says of itself; gone with its lease."""
        return f"{self.prefix}:leader"

    @property
    def last_led(self) -> str:
        """When a beat led last; what fell due since then was missed because none did."""
        return f"{self.prefix}:last_led"

    @property
    def standbys(self) -> str:
        """Sorted set of the beats that wait, by when they were heard of last."""
        return f"{self.prefix}:standbys"


def connect(settings: Settings, *, attempts: int = 0) -> Client:
    """A client that decodes text; nothing is sent before the first command.

    With ``attempts``, each command is sent again while Redis is away: only for commands that may be repeated.
    """
    return redis.Redis.from_url(
        settings.redbeat_url,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.05), attempts),
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=SOCKET_TIMEOUT,
        health_check_interval=30,
    )


def hashes(client: Client, keys: Iterable[str]) -> list[dict[str, str]]:
    """The hashes under these keys, in one round trip; empty where there is none, or something else."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        found = pipe.execute(raise_on_error=False)
    for reply in found:
        if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
            raise reply
    return [reply if isinstance(reply, dict) else {} for reply in found]


def script(client: Client, name: str) -> Script:
    """The Lua script ``scheduler/lua/<name>.lua``, sent once and then called by its hash.

    Lua has no import in Redis: what scripts share stands in ``_ledger.lua`` and is put in front of each.
    """
    lua = files("scheduler") / "lua"
    registered: Script = client.register_script(
        "".join((lua / f"{part}.lua").read_text("utf-8") for part in ("_ledger", name))
    )
    return registered


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn a connection that fails into RedisUnavailable, with the URL (without its password) and the remedy."""
    try:
        yield
    except redis.AuthenticationError as error:
        raise RedisUnavailable(f"Redis at {settings.shown_redis_url} refuses the password: {error}") from None
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise RedisUnavailable(
            f"Redis at {settings.shown_redis_url} does not answer ({error}): "
            "start it, or set SCHEDULER_REDIS_URL to one that runs"
        ) from None


def check_server(client: Client, settings: Settings) -> None:
    """Refuse a Redis that is too old, or that would evict schedules when memory runs short."""
    with answering(settings):
        info: dict[str, Any] = client.info()
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise ConfigurationError(
            f"Redis at {settings.shown_redis_url} is version {version}: "
            f"{OLDEST_REDIS[0]}.{OLDEST_REDIS[1]} or later is needed"
        )
    if info.get("redis_mode") == "cluster":
        raise ConfigurationError(
            "Redis Cluster is not supported, because one sending touches keys of several slots: "
            "use one Redis, or Redis with Sentinel"
        )
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise ConfigurationError(
            f"Redis at {settings.shown_redis_url} has maxmemory-policy {policy}, which would delete schedules: "
            "set maxmemory-policy noeviction"
        )


#: Errors of redis-py that mean: Redis is away for now, wait and try again.
AWAY = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError, redis.exceptions.OutOfMemoryError)
