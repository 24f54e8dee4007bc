"""The door to redis-py: one way to connect, to name keys, to load scripts, and to tell what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.connection import DefaultParser
from redis.retry import Retry
from redis.sentinel import Sentinel

from scheduler.errors import ConfigurationError, RedisUnavailable
from scheduler.redis_url import NO_CLUSTER
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
    def outbox(self) -> str:
        """List of the runs that wait for a broker other than this Redis, newest first."""
        return f"{self.prefix}:outbox"

    @property
    def queues(self) -> str:
        """Queues of runs that no worker claimed yet, see ``_ledger.lua``."""
        return f"{self.prefix}:queues"

    @property
    def wake(self) -> str:
        """Channel on which every change of a schedule is announced."""
        return f"{self.prefix}:wake"

    @property
    def audit(self) -> str:
        return f"{self.prefix}:audit"

    def staged(self, what: str) -> str:
        """What the keys begin with under which a large set of changes is laid down before it is made."""
        return f"{self.prefix}:staged:{what}:"

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
    def marker(self) -> str:
        """Which life of the data this is; gone when Redis lost all of it."""
        return f"{self.prefix}:marker"

    @property
    def revision(self) -> str:
        """Counter of all changes."""
        return f"{self.prefix}:revision"

    @property
    def clock(self) -> str:
        """Which stretches of the wall clock were led through."""
        return f"{self.prefix}:clock"

    @property
    def changed(self) -> str:
        """Set of the names that were changed since the leader looked last."""
        return f"{self.prefix}:changed"

    def notice(self, kind: str) -> str:
        """What a person should know for a while, in a sentence."""
        return f"{self.prefix}:notice:{kind}"

    @property
    def probe(self) -> str:
        """Written, and gone at once, to see whether Redis takes writes."""
        return f"{self.prefix}:probe"

    @property
    def standby_files(self) -> str:
        """Hash of the schedule file that each standby has, by its digest."""
        return f"{self.prefix}:standby_files"

    @property
    def standbys(self) -> str:
        """Sorted set of the beats that wait, by when they were heard of last."""
        return f"{self.prefix}:standbys"


class NotNow(redis.ResponseError):
    """Redis answers that it cannot serve this now: a busy script, a full disk, no replica, a change of roles."""


#: Errors of redis-py that mean: Redis is away for now, wait and try again.
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    NotNow,
)
#: Those that mean: Redis does not let us in, so a person must mend it.
REFUSED = (redis.AuthenticationError, redis.exceptions.AuthorizationError, redis.exceptions.NoPermissionError)
IN_SCRIPT = re.compile(r"Error running script .*?: -?([A-Z]+) (.*)")  # Redis 6.2 wraps what a script's command met


class Parser(DefaultParser):  # type: ignore[misc,valid-type]
    """Tells errors that pass from those that do not, also where a script met them."""

    EXCEPTION_CLASSES = DefaultParser.EXCEPTION_CLASSES | dict.fromkeys(
        ("BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED", "UNKILLABLE"), NotNow
    )

    @classmethod
    def parse_error(cls, response: str) -> Exception:
        found = IN_SCRIPT.search(response)
        error: Exception = super().parse_error(f"{found[1]} {found[2]}" if found else response)
        return error


def connect(settings: Settings, *, attempts: int = 0) -> Client:
    """A client that decodes text; nothing is sent before the first command.

    With ``attempts``, each command is sent again while Redis is away: only for commands that may be repeated.
    """
    place = settings.place
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "backslashreplace",  # what is no text must not end the one who reads it
        "parser_class": Parser,
        "retry": Retry(ExponentialBackoff(cap=2.0, base=0.05), attempts, AWAY),
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        "health_check_interval": 30,
        **place.tls,
    }
    if not place.service:
        return redis.Redis.from_url(place.redbeat_url, **options)
    sentinel: Any = Sentinel(place.hosts, sentinel_kwargs=place.sentinel_options)  # type: ignore[no-untyped-call]
    return sentinel.master_for(place.service, ssl=bool(place.tls), db=place.db, **place.login, **options)


NOTICES = ("loss", "snapshot", "broker")  #: kinds of them


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


class Script:
    """A Lua script, called by its hash, and sent in full to a Redis that does not know it."""

    def __init__(self, client: Client, text: str) -> None:
        self.client = client
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Any:
        try:
            return self.client.evalsha(self.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            # In one step: a Redis that is started anew between loading and calling has forgotten the script again.
            return self.client.eval(self.text, len(keys), *keys, *args)

    def post(self, keys: Sequence[str] = (), args: Sequence[Any] = ()) -> Posted:
        """Call the script, and look for its answer later. It is sent once, whatever the client does to repeat calls."""
        return Posted(self, keys, args)


class Posted:
    """A call on its way to Redis, which ends with ``answer`` or ``drop``."""

    def __init__(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> None:
        self.script = script
        self.keys, self.args = keys, args
        self.pool = script.client.connection_pool
        self.connection = self.pool.get_connection()
        try:
            self.connection.send_command("EVALSHA", script.sha, len(keys), *keys, *args)
        except BaseException:
            self.pool.release(self.connection)
            raise

    def answer(self) -> Any:
        """Wait for what the script returns."""
        try:
            return self.connection.read_response()
        except redis.exceptions.NoScriptError:
            return self.script.client.eval(self.script.text, len(self.keys), *self.keys, *self.args)
        finally:
            self.pool.release(self.connection)

    def drop(self) -> None:
        """Never hear what becomes of it."""
        self.connection.disconnect()
        self.pool.release(self.connection)


def script(client: Client, name: str) -> Script:
    """The Lua script ``scheduler/lua/<name>.lua``.

    Lua has no import in Redis: what scripts share stands in ``_ledger.lua`` and is put in front of each.
    """
    lua = files("scheduler") / "lua"
    return Script(client, "".join((lua / f"{part}.lua").read_text("utf-8") for part in ("_ledger", name)))


def take_a_write(client: Client, keys: Keys) -> None:
    """Raise what keeps Redis from serving: that it is away, a replica, full, busy, or does not let us in."""
    client.set(keys.probe, "1", px=1)


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn a connection that fails into one line, with the URL (without its password) and the remedy."""
    try:
        yield
    except redis.exceptions.NoPermissionError as error:
        raise ConfigurationError(
            f"Redis at {settings.shown_redis_url} lets its user do too little ({error}): "
            "give it the rule that stands in the README, under production"
        ) from None
    except REFUSED as error:
        raise RedisUnavailable(f"Redis at {settings.shown_redis_url} refuses the password: {error}") from None
    except (*AWAY, OSError) as error:
        raise RedisUnavailable(
            f"Redis at {settings.shown_redis_url} does not answer ({error}): "
            "start it, or set SCHEDULER_REDIS_URL to one that runs"
        ) from None


def check_server(client: Client, settings: Settings) -> None:
    """Refuse a Redis that does not answer, or is unfit; see ``refuse_unfit``."""
    with answering(settings):
        refuse_unfit(client, settings)


def refuse_unfit(client: Client, settings: Settings) -> None:
    """Raise ConfigurationError for a Redis that is too old, no single Redis, or would evict schedules."""
    where = f"Redis at {settings.shown_redis_url}"
    info: dict[str, Any] = client.info()
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
