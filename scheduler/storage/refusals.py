"""Every kind of refusal by Redis: what it means, what a person does about it, and whether it ends by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from redis.backoff import NoBackoff
from redis.retry import Retry

from scheduler.command_name import is_installed
from scheduler.errors import ConfigurationError, RedisUnavailable, SchedulerError
from scheduler.settings import Settings

PAUSE_S = 0.25  #: seconds between two attempts at a command that Redis refuses for now


class Refusal(NamedTuple):
    """One kind. ``meaning`` continues a sentence that begins with "Redis at URL"."""

    meaning: str
    remedy: str
    passes: bool = False  #: whether it usually ends within seconds, without a person


#: By the code with which Redis begins its answer.
REFUSALS = {
    "NOREPLICAS": Refusal(
        "accepts no writes: too few replicas are connected",
        "start its replicas or lower its min-replicas-to-write, then try again",
        passes=True,
    ),
    "READONLY": Refusal(
        "accepts no writes: it is a replica",
        "set SCHEDULER_REDIS_URL to the primary, or to the Sentinels that know it",
        passes=True,
    ),
    "MASTERDOWN": Refusal(
        "serves nothing: it is a replica that has lost its primary",
        "start the primary, or set SCHEDULER_REDIS_URL to the one in charge now",
        passes=True,
    ),
    "LOADING": Refusal(
        "is still loading its data from disk",
        "try again when `redis-cli info persistence` says loading:0",
        passes=True,
    ),
    "BUSY": Refusal(
        "is busy with a Lua script",
        "wait for the script, or end it with `redis-cli script kill`, then try again",
        passes=True,
    ),
    "MAXCLIENTS": Refusal(
        "accepts no more connections",
        "raise its maxclients, or disconnect clients that are not needed (`redis-cli client list`)",
        passes=True,
    ),
    "MISCONF": Refusal(
        "accepts no writes: it cannot save to its disk",
        "free space on that disk, or fix what its log names",
    ),
    "OOM": Refusal(
        "accepts no writes: its memory is full",
        "raise its maxmemory, or delete data that other programs keep in it",
    ),
    "NOAUTH": Refusal("requires a password", "add it to SCHEDULER_REDIS_URL"),
    "WRONGPASS": Refusal("rejects the user name or password", "correct them in SCHEDULER_REDIS_URL"),
    "NODB": Refusal(
        "has no database of this number", "correct it in SCHEDULER_REDIS_URL, or raise Redis's `databases`"
    ),
    "NOPERM": Refusal("does not give its user enough permissions", "give the user the ACL rule in docs/operations.md"),
}
REFUSALS["UNBLOCKED"] = REFUSALS["READONLY"]  # who waits for a message hears this as the Redis becomes a replica
REFUSALS["UNKILLABLE"] = REFUSALS["BUSY"]._replace(remedy="wait for the script: it has written, so it cannot be ended")
#: Where a code stands in the text of an error that redis-py did not classify; a pipeline puts its command in front.
CODE = re.compile(r"(?:^|caused error: )([A-Z]+) ")
NOT_STARTED = Refusal(
    "does not answer", "start the service with `scheduler up`, or set SCHEDULER_REDIS_URL to a Redis that runs"
)
UNREACHABLE = Refusal("does not answer", "start it, or set SCHEDULER_REDIS_URL to one that runs")


def code_of(error: BaseException) -> str:
    """The code of Redis's answer; empty where it gave none that is known here."""
    # Behind Sentinel, redis-py replaces the answer of a replica by a connection error.
    for one in (error, error.__context__):
        if str(one).startswith("max number of clients reached"):
            return "MAXCLIENTS"
        if str(one).startswith("DB index is out of range"):
            return "NODB"
        written = CODE.search(str(one))
        for code in (getattr(one, "status_code", None), written and written[1]):
            if code in REFUSALS:
                return str(code)
    return ""


def explain(error: BaseException, settings: Settings) -> SchedulerError:
    """One line for what Redis or the connection to it raised."""
    kind = ConfigurationError if code_of(error) in ("NOPERM", "NODB") else RedisUnavailable
    return kind(sentence(error, settings))


def sentence(error: BaseException, settings: Settings) -> str:
    """The same for whoever waits for Redis, and needs no exit code."""
    return ": ".join(meaning_and_remedy(error, settings))


def meaning_and_remedy(error: BaseException, settings: Settings) -> tuple[str, str]:
    """What is wrong with Redis, beginning with "Redis at URL", and what a person does about it."""
    refusal = REFUSALS.get(code_of(error), UNREACHABLE if settings.redis_is_named or is_installed() else NOT_STARTED)
    remedy = refusal.remedy.replace("`redis-cli ", f"`{settings.place.command_line} ")
    return f"Redis at {settings.shown_redis_url} {refusal.meaning} ({error})", remedy


class RetryWhileRefused(Retry):
    """Sends a command again while Redis refuses it for now, for so many seconds.

    A refused command changed nothing, so any command may be repeated. One whose connection broke may not.
    """

    def __init__(self, seconds: float, errors: tuple[type[Exception], ...]) -> None:
        super().__init__(NoBackoff(), 0, errors)
        self.seconds = seconds

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> Any:
        """As redis-py's; ``fail`` closes the connection, so that the next attempt asks the Sentinels again."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                return super().call_with_retry(do, fail, is_retryable, with_failure_count)
            except self._supported_errors as error:
                refusal = REFUSALS.get(code_of(error), UNREACHABLE)
                if not refusal.passes or time.monotonic() + PAUSE_S > deadline:
                    raise
            time.sleep(PAUSE_S)
