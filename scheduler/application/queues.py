"""The queues to which the application's routes send."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from celery import Celery
from celery.exceptions import QueueNotFound

from scheduler.model import Declared


def queue_of(app: Celery, declared: Declared) -> str:
    """The queue that a schedule's runs go to."""
    return declared.schedule.sent_to or queue_of_task(app, declared.schedule.call.task)


def queue_of_task(app: Celery, task: str) -> str:
    """The queue of a task's runs whose schedule names none; raises what a router of the application does."""
    try:
        return str(getattr(app.tasks.get(task), "queue", None) or app.amqp.router.route({}, task)["queue"].name)
    except QueueNotFound as error:
        return str(error).rpartition(" ")[2]


def known_queue_of_task(app: Celery, task: str) -> str:
    """The same; empty where no router can say."""
    with suppress(Exception):  # a router is the application's code
        return queue_of_task(app, task)
    return ""


def routes(app: Celery, tasks: Iterable[str]) -> list[tuple[str, str]]:
    """Each of these tasks with its queue, without those that no router can say."""
    pairs = ((task, known_queue_of_task(app, task)) for task in sorted(tasks))
    return [(task, queue) for task, queue in pairs if queue]
