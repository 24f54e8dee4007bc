"""The queues to which the application's routes send."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from celery import Celery, Task
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute, Router
from celery.exceptions import QueueNotFound

from scheduler.model import Declared


def queue_of(app: Celery, declared: Declared) -> str:
    """The queue that a schedule's runs go to; empty where their arguments may decide, or no router can say."""
    return declared.schedule.sent_to or certain_queue_of_task(app, declared.schedule.call.task)


def certain_queue_of_task(app: Celery, task: str) -> str:
    """The queue of a task's runs whose schedule names none, whatever their arguments; empty as above."""
    # Celery lets a task's own queue win over what a router says.
    is_certain = not is_sent_by_own_code(app, task) and (own_queue(app, task) or has_maps_only(app))
    return known_queue_of_task(app, task) if is_certain else ""


def known_queue_of_task(app: Celery, task: str) -> str:
    """What the routers say of a run without arguments; empty where none can say."""
    with suppress(Exception):  # a router is the application's code
        try:
            return str(own_queue(app, task) or app.amqp.router.route({}, task)["queue"].name)
        except QueueNotFound as error:
            return str(error).rpartition(" ")[2]
    return ""


def routes(app: Celery, tasks: Iterable[str]) -> list[tuple[str, str]]:
    """Each of these tasks with its queue, without those of which it is not certain."""
    pairs = ((task, certain_queue_of_task(app, task)) for task in sorted(tasks))
    return [(task, queue) for task, queue in pairs if queue]


def own_queue(app: Celery, task: str) -> object:
    """The queue that the task itself names, if it does."""
    return getattr(app.tasks.get(task), "queue", None)


def is_sent_by_own_code(app: Celery, name: str) -> bool:
    """Whether code of the application, beside the functions in ``task_routes``, makes the messages of a task."""
    task = app.tasks.get(name)
    own_task = task is not None and type(task).apply_async is not Task.apply_async
    own_app = type(app).send_task is not Celery.send_task or type(app.amqp) is not AMQP
    return own_task or own_app or type(app.amqp.router) is not Router


def has_maps_only(app: Celery) -> bool:
    """Whether ``task_routes`` has no function, which may look at the arguments of a run."""
    return all(isinstance(route, MapRoute) for route in app.amqp.router.routes)
