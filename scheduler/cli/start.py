"""What beat and a worker would say of the application when they start, for ``check``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress

from celery import Celery
from redis import RedisError

from scheduler.application.queues import queue_of
from scheduler.cli.common import Service
from scheduler.errors import SchedulerError
from scheduler.model import Declared, Problem
from scheduler.model.accounts import account_of, start_worker
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.workers import workers

MAX_NAMES = 3  #: schedules that one line names


def start_problems(service: Service, declared: Mapping[str, Declared]) -> Iterator[Problem]:
    """Errors for what ends the start of a worker, warnings for the rest; raises ConfigurationError for settings."""
    from scheduler.celeryapp import refuse_changed_settings
    from scheduler.worker.prepare import refuse_unreadable_limits

    yield from (Problem(line, severity="warning") for line in service.differences)
    refuse_changed_settings(service.celery)
    refuse_unreadable_limits(service.celery)
    if service.settings.celery_app:
        yield from refused_serializers(service, declared)
        yield from unkept_timeouts(service.celery, declared)
        yield from untaken_queues(service, declared)


def refused_serializers(service: Service, declared: Mapping[str, Declared]) -> Iterator[Problem]:
    """A warning for each task whose messages no worker accepts; where a schedule has it, that is an error already."""
    scheduled = {it.schedule.task for it in declared.values()}
    for task, serializer in service.tasks.refused.items():
        if task not in scheduled:
            what = f"task {task!r} sends its messages as {serializer!r}, and workers accept JSON only"
            yield Problem(what, "remove serializer= from the task", severity="warning")


def unkept_timeouts(app: Celery, declared: Mapping[str, Declared]) -> Iterator[Problem]:
    """An error if the application's pool cannot stop the runs that have a timeout."""
    from scheduler.worker.limits import REMEDIES, refused_pool

    pool = str(app.conf.worker_pool)
    limited = [name for name, it in declared.items() if it.schedule.timeout]
    if limited and refused_pool(pool):
        what = f"the application's worker_pool {pool!r} cannot keep the timeout of {listed(limited)}"
        yield Problem(what, REMEDIES["timeout"])


def untaken_queues(service: Service, declared: Mapping[str, Declared]) -> Iterator[Problem]:
    """A warning for each queue that neither a worker with the application's settings takes from, nor a live one."""
    taken = {str(name) for name in service.celery.amqp.queues}
    names = defaultdict(list)
    for name, it in declared.items():
        names[queue_of(service.celery, it)].append(name)
    untaken = names.keys() - taken - {""}
    if untaken:
        with suppress(RedisError, SchedulerError), connect(service.settings) as client:
            live = workers(client, Keys(service.settings.key_prefix))
            untaken -= {queue for worker in live for queue in worker.queues}
    for queue in sorted(untaken):
        what = f"no worker takes from queue {queue!r}, to which {listed(names[queue])} would go"
        other = f"start one for it, celery-worker@{queue} for example, or name it in the application's task_queues"
        remedy = start_worker(queue) if account_of(queue) else other
        yield Problem(what, remedy, severity="warning")


def listed(names: list[str]) -> str:
    """The first names of schedules, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(f"'{name}'" for name in names[:MAX_NAMES]) + more
