"""Redis: how to connect, and classify errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import redis
import redis.sentinel
from redis.backoff import ExponentialBackoff
from redis.connection import AbstractConnection, DefaultParser
from redis.retry import Retry

from scheduler.errors import ConfigurationError
from scheduler.redis_url import NO_CLUSTER, SOCKET_TIMEOUT
from scheduler.settings import Settings
from scheduler.storage.keys import Keys
from scheduler.storage.packing import Packer
from scheduler.storage.refusals import RetryWhileRefused, code_of, explain

OLDEST_REDIS = (6, 2)

Client = Any  # redis-py's types cannot tell that responses are decoded to str
PubSub = Any


class NotNow(redis.ResponseError):
    """Redis answers that it cannot serve this now: a busy script, a full disk, no replica, a change of roles."""


class NoDatabase(redis.ResponseError):
    """Redis has fewer databases than the number in its URL."""


#: Errors of redis-py that mean: Redis is away for now, wait and try again.
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    NotNow,
)
#: Those that mean: Redis does not let us in, so a person must mend it.
REFUSED = (
    redis.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
    NoDatabase,
)
IN_SCRIPT = re.compile(r"Error running script .*?: -?([A-Z]+) (.*)")  # Redis 6.2 wraps what a script's command met


class Parser(DefaultParser):  # type: ignore[misc,valid-type]
    """Raises NotNow for errors that pass by themselves, also if a command within a script met them."""

    EXCEPTION_CLASSES = DefaultParser.EXCEPTION_CLASSES | dict.fromkeys(
        ("BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED", "UNKILLABLE"), NotNow
    )
    EXCEPTION_CLASSES["ERR"] = {**EXCEPTION_CLASSES["ERR"], "DB index is out of range": NoDatabase}  # type: ignore[dict-item]  # noqa: RUF012

    @classmethod
    def parse_error(cls, response: str) -> Exception:
        """The error without what Lua puts around it, so that it has the same class inside a script and outside."""
        inner = IN_SCRIPT.search(response)
        error: Exception = super().parse_error(f"{inner[1]} {inner[2]}" if inner else response)
        return error


class Sentinels(redis.sentinel.Sentinel):
    """The Sentinels, of which the one that answered last is asked first.

    Otherwise each connection of each library would wait for the first in the list again, even if that is down.
    """

    answered: ClassVar[tuple[str, int] | None] = None

    def discover_master(self, service_name: str) -> Any:
        """The primary's address; the Sentinel that answered last is asked first."""
        self.sentinels.sort(key=lambda one: place_of(one) != Sentinels.answered)
        primary = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        Sentinels.answered = place_of(self.sentinels[0])
        return primary


def place_of(sentinel: Any) -> tuple[str, int]:
    """Host and port of a Sentinel."""
    options = sentinel.connection_pool.connection_kwargs
    return options["host"], options["port"]


redis.sentinel.Sentinel = Sentinels  # type: ignore[misc]  # kombu and Celery take theirs from there
# redis-py asks every connection for its port when a health check is answered with an error, as by a full disk.
redis.UnixDomainSocketConnection.port = None  # type: ignore[attr-defined]
ask_for_life = AbstractConnection._send_ping


def take_any_answer(connection: Any) -> None:
    """Let a refusal pass redis-py's health check: a Redis with a full disk refuses PING, and answers reads."""
    with suppress(NotNow):
        ask_for_life(connection)  # type: ignore[no-untyped-call]


AbstractConnection._send_ping = take_any_answer  # type: ignore[method-assign]


def connect(settings: Settings, *, attempts: int = 0, refusal_wait_s: float = 0.0) -> Client:
    """A client that decodes text; nothing is sent before the first command.

    With ``attempts``, each command is sent again while Redis is away: only for commands that may be repeated.
    With ``refusal_wait_s``, each is sent again for so many seconds while Redis answers that it refuses for now.
    """
    place = settings.place
    retry = Retry(ExponentialBackoff(cap=2.0, base=0.05), attempts, AWAY)
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "backslashreplace",  # a value that is not UTF-8 must not end its reader
        "parser_class": Parser,
        "command_packer": Packer(),
        "retry": RetryWhileRefused(refusal_wait_s, AWAY) if refusal_wait_s else retry,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        "health_check_interval": 30,
        **place.tls,
    }
    if not place.service:
        return redis.Redis.from_url(place.redbeat_url, **options)
    sentinel: Any = Sentinels(place.hosts, sentinel_kwargs=place.sentinel_options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(place.service, ssl=bool(place.tls), db=place.db, **place.login, **options)


def hashes(client: Client, keys: Iterable[str]) -> list[dict[str, str]]:
    """The hashes under these keys, in one round trip; an empty one for a key that is missing or no hash."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
            raise reply
    return [reply if isinstance(reply, dict) else {} for reply in replies]


def configured(client: Client, name: str) -> str | None:
    """A setting of Redis; None where its user may not ask for one."""
    try:
        values: dict[str, str] = client.config_get(name)
    except (redis.exceptions.NoPermissionError, redis.ResponseError):  # some services have no CONFIG at all
        return None
    return values.get(name)


def sentinel_facts(client: Client) -> dict[str, Any]:
    """The facts about the primary, from the Sentinel that this client asked last."""
    pool = client.connection_pool
    facts: dict[str, Any] = pool.sentinel_manager.sentinels[0].sentinel_masters()[pool.service_name]
    return facts


def take_a_write(client: Client, keys: Keys) -> None:
    """Raise what keeps Redis from serving: that it is away, a replica, full, busy, or does not let us in."""
    client.set(keys.probe, "1", px=1)


def refusal_of_writes(client: Client, keys: Keys) -> Exception | None:
    """Why this Redis, which answers, accepts no writes now; None if it does.

    Asks once, also with a client that repeats refused commands.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command("SET", keys.probe, "1", "PX", 1)
        connection.read_response()
    except AWAY as error:
        if not code_of(error):
            raise
        return error
    except redis.exceptions.NoPermissionError:  # a user that may only read
        return None
    finally:
        pool.release(connection)
    return None


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn an error of Redis or of the connection into one line, with the URL (without its password) and the remedy."""
    try:
        yield
    except (*REFUSED, *AWAY, OSError) as error:
        raise explain(error, settings) from None


def check_server(client: Client, settings: Settings) -> None:
    """Refuse a Redis that does not answer, or is unfit; see ``refuse_unfit``."""
    with answering(settings):
        refuse_unfit(client.info(), settings)


def refuse_unfit(info: Mapping[str, Any], settings: Settings) -> None:
    """Raise ConfigurationError for a Redis whose INFO says that it is too old, no single Redis, or evicts schedules."""
    where = f"Redis at {settings.shown_redis_url}"
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise ConfigurationError(
            f"{where} is version {version}: {OLDEST_REDIS[0]}.{OLDEST_REDIS[1]} or later is needed"
        )
    if info.get("redis_mode") == "cluster":
        raise ConfigurationError(f"{where}: {NO_CLUSTER}")
    if info.get("redis_mode") == "sentinel":
        raise ConfigurationError(
            f"{where} is a Sentinel: write SCHEDULER_REDIS_URL=sentinel://host:26379,host:26379/service/0"
        )
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        raise ConfigurationError(
            f"{where} has maxmemory-policy {policy}, which would delete schedules: set maxmemory-policy noeviction"
        )
