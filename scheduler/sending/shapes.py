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
from collections.abc import Collection
from typing import Any, NamedTuple

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


class Limits(NamedTuple):
    """How much of the arguments Celery shows in the headers."""

    args: int  #: characters
    kwargs: int  #: characters
    levels: int  #: of nested lists and mappings


class Shape(NamedTuple):
    """A template without arguments."""

    queue: str
    text: str  #: for ``%``, which leaves the text of a template
    also: str  #: as in Message
    rest: str  #: what follows the arguments in the body
    limits: Limits

    def fill(self, job: Job, begin: str) -> Template:
        """The template of an entry of this shape; ``begin`` is that of its body."""
        return Template(self.queue, self.text % texts(job, begin + self.rest, self.limits), self.also)


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
        key = (call.task, repr(call.options), expiring)
        if (shape := self._shapes.get(key)) and takes(self.app, job, begin := begin_of_body(job)):
            return shape.fill(job, begin)
        made = message.template(self.app, job, expiring=expiring)
        if key not in self._shapes and len(self._shapes) < MAX_SHAPES:
            self._shapes[key] = shape_of(self.app, job, made) if made else None
        return made


def shape_of(app: Celery, job: Job, made: Template) -> Shape | None:
    """Cut the arguments out of an entry's template; None unless they are there as Celery alone writes them."""
    if may_look_at_arguments(app, job.task):
        return None
    built, begin = json.loads(made.text), begin_of_body(job)
    limits = Limits(app.amqp.argsrepr_maxsize, app.amqp.kwargsrepr_maxsize, app.conf.task_repr_maxlevels)
    body, headers = b64decode(built["body"]).decode(errors="replace"), built["headers"]
    written = {"body": built["body"], **{gap: ESCAPED(headers[gap])[1:-1] for gap in REPRS}}
    if not body.startswith(begin) or written != texts(job, body, limits):
        return None
    built["body"] = GAPS["body"]
    headers |= {gap: GAPS[gap] for gap in REPRS}
    return Shape(made.queue, cut(json.dumps(built), GAPS), made.also, body.removeprefix(begin), limits)


def begin_of_body(job: Job) -> str:
    """The arguments, as Celery's JSON serializer begins the body with them."""
    text: str = dumps([job.args, job.kwargs])  # type: ignore[no-untyped-call]
    return text.removesuffix("]")


def texts(job: Job, body: str, limits: Limits) -> dict[str, str]:
    """What fills each of the GAPS in a template's text."""
    args = shown([*job.args] or (), limits.args, limits.levels)
    kwargs = shown(job.kwargs, limits.kwargs, limits.levels)
    headers = {gap: ESCAPED(text)[1:-1].replace("%", "%%") for gap, text in zip(REPRS, (args, kwargs), strict=True)}
    return {"body": b64encode(body.encode()).decode(), **headers}


def shown(arguments: Collection[Any], size: int, levels: int) -> str:
    """The arguments as Celery shows them in a header, in at most ``size`` characters and ``levels`` levels.

    For plain arguments, ``repr`` gives the same text in a fraction of the time.
    """
    values = arguments.values() if isinstance(arguments, dict) else ()
    if all(map(is_plain, arguments)) and all(map(is_plain, values)) and len(text := repr(arguments)) < size:
        return text
    written: str = saferepr(arguments, size, maxlevels=levels)
    return written


def is_plain(value: object) -> bool:
    """Whether Celery shows this value without a cut, an escape or a level of its own."""
    if type(value) is str:
        return value.isprintable() and "'" not in value and "\\" not in value
    return type(value) in (int, float, bool, type(None))


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
