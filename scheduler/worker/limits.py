"""The time limits of runs: kept by the worker's pool, or refused where the pool cannot keep them."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from celery import Celery
from celery.app.task import Context
from celery.concurrency import ALIASES, get_implementation
from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery.worker.request import Request
from kombu.utils.imports import symbol_by_name

from scheduler.errors import ConfigurationError
from scheduler.model import KILL_AFTER, Entry
from scheduler.sending.headers import KILL_AFTER_HEADER, header, run_of
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import AWAY, REFUSED, connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.tasks.errors import TimedOut
from scheduler.worker.requests import context_of

SOFT_POOLS = {"celery.concurrency.prefork"}
POOLS_WITHOUT_LIMITS = {f"celery.concurrency.{name}" for name in ("thread", "solo", "eventlet")}
TIME_LIMITS = (SoftTimeLimitExceeded, TimeLimitExceeded, TimedOut)
MAX_NAMES = 5  #: schedules that a refusal names


class CannotKeepLimit(Exception):
    """This worker's pool cannot stop a body, so it does not start one that has a time limit."""


class LimitedRequest(Request):
    """Celery's request for a task, whose time limit first asks, and then kills after a grace."""

    pool: ClassVar[str] = "prefork"
    asks_first: ClassVar[bool] = True
    keeps_limits: ClassVar[bool] = True
    time_limits: tuple[float | None, float | None]  #: seconds until the kill and until the error; Celery's name

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        hard, soft = self.time_limits
        if hard and not soft and self.asks_first and run_of(context_of(self)) is not None:
            self.time_limits = (hard + kill_after(context_of(self)), min(hard, self.task.soft_time_limit or hard))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Let the failure's signal see the request: on gevent nothing else does."""
        self.task.push_request(self.request_dict)
        try:
            super().on_timeout(soft, timeout)
        finally:
            self.task.pop_request()


def kill_after(request: Context | None) -> float:
    """Seconds between the error that the body of a run can catch and the end of its process."""
    given = header(request, KILL_AFTER_HEADER)
    return KILL_AFTER.total_seconds() if given is None else float(given)


def limited(request: Any) -> type:
    """A LimitedRequest over the request class of a task, which may be the application's own."""
    theirs = symbol_by_name(request)  # type: ignore[no-untyped-call]
    return LimitedRequest if issubclass(LimitedRequest, theirs) else type("Request", (LimitedRequest, theirs), {})


def prepare(worker: Any, settings: Settings) -> None:
    """Note what this worker's pool can do; raises ConfigurationError if its schedules need more."""
    pool = get_implementation(worker.pool_cls)
    bases = {base.__module__ for base in pool.__mro__}
    LimitedRequest.asks_first = bool(bases & SOFT_POOLS)
    LimitedRequest.keeps_limits = not bases & POOLS_WITHOUT_LIMITS
    path = f"{pool.__module__}:{pool.__qualname__}"
    LimitedRequest.pool = next((alias for alias, known in ALIASES.items() if known == path), path)
    if not LimitedRequest.keeps_limits:
        refuse_limits(worker.app, settings)


def refused_pool(name: str) -> bool:
    """Whether the pool of this name or path cannot stop a body."""
    return ALIASES.get(name, name).partition(":")[0] in POOLS_WITHOUT_LIMITS


def refuse_limits(app: Celery, settings: Settings) -> None:
    """Raise ConfigurationError if this worker would run schedules with a time limit."""
    try:
        with connect(settings) as client:
            limited = [
                entry for entry in Store(client, Keys(settings.key_prefix)).all().values() if comes_here(app, entry)
            ]
    except (*AWAY, *REFUSED):
        return  # a run with a limit fails here with the same words
    if limited:
        names = ", ".join(f"'{entry.name}'" for entry in limited[:MAX_NAMES])
        more = f" and {len(limited) - MAX_NAMES} more" if len(limited) > MAX_NAMES else ""
        raise ConfigurationError(f"{cannot_keep()} {names}{more}: {REMEDY}")


REMEDY = "start this worker with --pool=prefork or gevent, or remove their `timeout`"


def cannot_keep() -> str:
    return f"the pool '{LimitedRequest.pool}' cannot stop a run, so it cannot keep the timeout of"


def comes_here(app: Celery, entry: Entry) -> bool:
    """Whether the schedule has a time limit and this worker takes from its queue."""
    try:
        job = entries.job(entry)
    except entries.DamagedEntry:
        return False
    if not job.options.get("time_limit") or not job.enabled:
        return False
    task = app.tasks.get(job.task)
    queue = job.options.get("queue") or getattr(task, "queue", None)
    return str(queue or app.amqp.router.route({}, job.task)["queue"].name) in app.amqp.queues.consume_from


def refuse_unkept(request: Any) -> None:
    """Raise CannotKeepLimit for a run with a time limit in a pool that cannot keep one."""
    if not LimitedRequest.keeps_limits and (request.timelimit or (None,))[0]:
        raise CannotKeepLimit(f"{cannot_keep()} this schedule: {REMEDY}")


def as_limit(error: BaseException) -> TimeLimitExceeded | None:
    """The error of Celery's for gevent's Timeout, which is no Exception; None for any other."""
    gevent = sys.modules.get("gevent")
    return TimeLimitExceeded(error.seconds) if gevent is not None and isinstance(error, gevent.Timeout) else None


def sentence(error: BaseException, request: Any) -> str:
    """How a run ended by this error, with the timeout that it exceeded."""
    limit = (getattr(request, "timelimit", None) or (None,))[0]
    exceeded = limit and isinstance(error, (SoftTimeLimitExceeded, TimeLimitExceeded))
    return f"{type(error).__name__}: {f'it took longer than its timeout of {limit:g} s' if exceeded else error}"
