"""One message for all entries that differ only in their arguments, so that the first sending after a start is fast.

Celery takes far longer to build a message than a template takes to fill. Entries of one task with the same options have
the same message but for three texts, which are gaps here:

    the template of one entry   {"body": "W1sxMF0sIHt9LCB7Li4ufV0=", "headers": {"argsrepr": "[10]", "id": "%(task)s"}}
    the shape of all like it    {"body": "%(body)s", "headers": {"argsrepr": "%(argsrepr)s", "id": "%%(task)s"}}
"""

from __future__ import annotations

import json
import uuid
from base64 import b64decode, b64encode
from typing import NamedTuple

from celery import Celery, Task
from celery.utils.saferepr import saferepr
from kombu.utils.json import dumps

from scheduler.application.queues import has_maps_only, is_sent_by_own_code
from scheduler.sending import message
from scheduler.sending.message import ESCAPED, Template, cut
from scheduler.storage.entries import Job

MAX_SHAPES = 1_000
REPRS = ("argsrepr", "kwargsrepr")  #: the headers that show the arguments to people
GAPS = {gap: str(uuid.uuid4()) for gap in ("body", *REPRS)}


class Shape(NamedTuple):
    """A template without arguments."""

    queue: str
    text: str  #: for ``%``, which leaves the text of a template
    also: str  #: as in Message
    rest: str  #: what follows the arguments in the body

    def fill(self, app: Celery, job: Job, begin: str) -> Template:
        """The template of an entry of this shape; ``begin`` is that of its body."""
        return Template(self.queue, self.text % texts(app, job, begin + self.rest), self.also)


class Shapes:
    """The shapes that were met since the start."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._shapes: dict[tuple[str, str, bool], Shape | None] = {}

    def forget(self) -> None:
        """Drop every shape, so that Celery is asked again."""
        self._shapes.clear()

    def template(self, job: Job, *, expiring: bool) -> Template | None:
        """What `message.template` returns or raises; Celery is asked for the first entry of each shape only."""
        call = message.call(job, "", None, "")
        key = (call.task, json.dumps(call.options), expiring)
        if (shape := self._shapes.get(key)) and takes(self.app, job, begin := begin_of_body(job)):
            return shape.fill(self.app, job, begin)
        made = message.template(self.app, job, expiring=expiring)
        if key not in self._shapes and len(self._shapes) < MAX_SHAPES:
            self._shapes[key] = shape_of(self.app, job, made) if made else None
        return made


def shape_of(app: Celery, job: Job, made: Template) -> Shape | None:
    """Cut the arguments out of an entry's template; None unless they are there as Celery alone writes them."""
    if may_look_at_arguments(app, job.task):
        return None
    built, begin = json.loads(made.text), begin_of_body(job)
    body, headers = b64decode(built["body"]).decode(errors="replace"), built["headers"]
    written = {"body": built["body"], **{gap: ESCAPED(headers[gap])[1:-1] for gap in REPRS}}
    if not body.startswith(begin) or written != texts(app, job, body):
        return None
    built["body"] = GAPS["body"]
    headers |= {gap: GAPS[gap] for gap in REPRS}
    return Shape(made.queue, cut(json.dumps(built), GAPS), made.also, body.removeprefix(begin))


def begin_of_body(job: Job) -> str:
    """The arguments, as Celery's JSON serializer begins the body with them."""
    text: str = dumps([job.args, job.kwargs])  # type: ignore[no-untyped-call]
    return text.removesuffix("]")


def texts(app: Celery, job: Job, body: str) -> dict[str, str]:
    """What fills each of the GAPS in a template's text."""
    levels = app.conf.task_repr_maxlevels
    args = saferepr([*job.args] or (), app.amqp.argsrepr_maxsize, maxlevels=levels)
    kwargs = saferepr(job.kwargs, app.amqp.kwargsrepr_maxsize, maxlevels=levels)
    shown = {gap: ESCAPED(text)[1:-1].replace("%", "%%") for gap, text in zip(REPRS, (args, kwargs), strict=True)}
    return {"body": b64encode(body.encode()).decode(), **shown}


def takes(app: Celery, job: Job, begin: str) -> bool:
    """Whether the task's signature accepts these arguments, and a worker reads them as they are.

    kombu reads a mapping with the key ``__type__`` as a date or another type, and may fail.
    """
    task = app.tasks.get(job.task)
    try:
        if task is not None and task.typing:
            task.__header__(*job.args, **job.kwargs)
    except TypeError:  # `message.template` meets it again, and tells it
        return False
    return "__type__" not in begin


def may_look_at_arguments(app: Celery, name: str) -> bool:
    """Whether code of the application may make the message depend on more than the texts of the arguments."""
    task = app.tasks.get(name)
    own_task = task is not None and (
        task._dump_pydantic_arguments is not None or type(task).shadow_name is not Task.shadow_name
    )
    return own_task or is_sent_by_own_code(app, name) or not has_maps_only(app)
