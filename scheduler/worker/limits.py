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
from scheduler.model.what_runs import COMMAND_TASK
from scheduler.sending.headers import KILL_AFTER_HEADER, MAX_MEMORY_HEADER, header, header_in, run_in, run_of
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import AWAY, REFUSED, connect
from scheduler.storage.entries import Job
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.tasks.errors import TimedOut
from scheduler.tasks.memory import resident
from scheduler.worker.leaks import BOUND
from scheduler.worker.requests import claimed_by, context_of
from scheduler.worker.unacknowledged import QoS

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
    ends_with_run: ClassVar[bool] = False  #: whether messages are in the Redis of the ledger
    memory_before: int = 0  #: bytes
    time_limits: tuple[float | None, float | None]  #: seconds until the kill and until the error; Celery's name

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        hard, soft = self.time_limits
        if hard and not soft and self.asks_first and run_of(context_of(self)) is not None:
            grace = kill_after(context_of(self), self.task)
            self.time_limits = (hard + grace, min(hard, self.task.soft_time_limit or hard))

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note what the process takes before the body begins."""
        if header_in(self.request_dict, MAX_MEMORY_HEADER) is not None:  # the context takes longer to make
            self.memory_before = resident(pid)
        super().on_accepted(pid, time_accepted)

    def acknowledge(self) -> None:
        """Leave the message of a run to the step that closes the run, which the pool does before."""
        if not self.acknowledged and self.ends_with_run and self.time_start is not None and run_in(self.request_dict):
            QoS.closed.add(self.message.delivery_tag)
        super().acknowledge()

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Let the failure's signal see the request: on gevent nothing else does."""
        self.task.push_request(self.request_dict, claimed_by=claimed_by(context_of(self)))
        try:
            super().on_timeout(soft, timeout)
        finally:
            self.task.pop_request()


def kill_after(request: Context | None, task: Any) -> float:
    """Seconds between the error that the body of a run can catch and the end of its process.

    Without a `kill_after` of the schedule, what the task's own two time limits leave between them.
    """
    given = header(request, KILL_AFTER_HEADER)
    if given is not None:
        return float(given)
    hard, soft = task.time_limit, task.soft_time_limit
    return float(hard - soft) if hard and soft and hard > soft else KILL_AFTER.total_seconds()


def limited(request: Any) -> type:
    """A LimitedRequest over the request class of a task, which may be the application's own."""
    theirs = symbol_by_name(request)  # type: ignore[no-untyped-call]
    return LimitedRequest if issubclass(LimitedRequest, theirs) else type("Request", (LimitedRequest, theirs), {})


def prepare(worker: Any, settings: Settings) -> None:
    """Note what this worker's pool can do; raises ConfigurationError if its schedules need more."""
    pool = get_implementation(worker.pool_cls)
    bases = {base.__module__ for base in pool.__mro__}
    LimitedRequest.asks_first = bool(bases & SOFT_POOLS)
    LimitedRequest.ends_with_run = not settings.has_outbox
    LimitedRequest.keeps_limits = not bases & POOLS_WITHOUT_LIMITS
    path = f"{pool.__module__}:{pool.__qualname__}"
    LimitedRequest.pool = next((alias for alias, known in ALIASES.items() if known == path), path)
    if not LimitedRequest.asks_first:
        refuse_limits(worker.app, settings)
    elif not worker.max_memory_per_child:
        worker.max_memory_per_child = BOUND


def refused_pool(name: str) -> bool:
    """Whether the pool of this name or path cannot stop a body."""
    return ALIASES.get(name, name).partition(":")[0] in POOLS_WITHOUT_LIMITS


def refuse_limits(app: Celery, settings: Settings) -> None:
    """Raise ConfigurationError if this worker would run schedules with a limit that its pool cannot keep."""
    jobs = jobs_that_come_here(app, settings)
    for key, remedy in REMEDIES.items():
        limited = [
            job.name
            for job in jobs
            if unkept(job.task, bool(job.options.get("time_limit")), job.policies.max_memory) == key
        ]
        if limited:
            names = ", ".join(f"'{name}'" for name in limited[:MAX_NAMES])
            more = f" and {len(limited) - MAX_NAMES} more" if len(limited) > MAX_NAMES else ""
            raise ConfigurationError(f"{cannot_keep(key)} {names}{more}: {remedy}")


def jobs_that_come_here(app: Celery, settings: Settings) -> list[Job]:
    """What this worker may run for a schedule; nothing while Redis is away, when each run is looked at by itself."""
    try:
        with connect(settings) as client:
            stored = Store(client, Keys(settings.key_prefix)).all().values()
    except (*AWAY, *REFUSED):
        return []
    return [job for entry in stored if (job := readable(entry)) and comes_here(app, job)]


def readable(entry: Entry) -> Job | None:
    try:
        return entries.job(entry)
    except entries.DamagedEntry:
        return None


REMEDIES = {
    "timeout": "start this worker with --pool=prefork or gevent, or remove their `timeout`",
    "max_memory": "start this worker with --pool=prefork, or remove their `max_memory`",
}


def cannot_keep(key: str) -> str:
    return f"the pool '{LimitedRequest.pool}' cannot stop a run, so it cannot keep the {key} of"


def unkept(task: str, has_time_limit: bool, max_memory: int | None) -> str:
    """The key that this worker's pool cannot keep; empty for none."""
    if has_time_limit and not LimitedRequest.keeps_limits:
        return "timeout"
    return "max_memory" if max_memory and task != COMMAND_TASK and not LimitedRequest.asks_first else ""


def comes_here(app: Celery, job: Job) -> bool:
    """Whether this worker takes from the queue of the schedule."""
    if not job.enabled:
        return False
    task = app.tasks.get(job.task)
    queue = job.options.get("queue") or getattr(task, "queue", None)
    return str(queue or app.amqp.router.route({}, job.task)["queue"].name) in app.amqp.queues.consume_from


def refuse_unkept(request: Any) -> None:
    """Raise CannotKeepLimit for a run with a limit in a pool that cannot keep it."""
    max_memory = header(request, MAX_MEMORY_HEADER)
    if key := unkept(request.task, bool((request.timelimit or (None,))[0]), max_memory):
        raise CannotKeepLimit(f"{cannot_keep(key)} this schedule: {REMEDIES[key]}")
    if max_memory is not None:
        BOUND.allow(int(max_memory))


def as_limit(error: BaseException) -> TimeLimitExceeded | None:
    """The error of Celery's for gevent's Timeout, which is no Exception; None for any other."""
    gevent = sys.modules.get("gevent")
    return TimeLimitExceeded(error.seconds) if gevent is not None and isinstance(error, gevent.Timeout) else None


def sentence(error: BaseException, request: Any) -> str:
    """How a run ended by this error, with the timeout that it exceeded."""
    limit = (getattr(request, "timelimit", None) or (None,))[0]
    exceeded = limit and isinstance(error, (SoftTimeLimitExceeded, TimeLimitExceeded))
    return f"{type(error).__name__}: {f'it took longer than its timeout of {limit:g} s' if exceeded else error}"
