"""Celery messages exactly as kombu would push them, rendered from a template per entry.

kombu builds and routes the message of an entry once, for a stand-in run, and the collector takes it instead of Redis.
The template has a gap wherever a stand-in is, and only the gaps are filled for each run:

    kombu builds  {"headers": {"id": "1f0c…", "scheduler_run": "9b7e…"}, "properties": {"delivery_tag": "c05d…"}}
    the template  {"headers": {"id": "%(task)s", "scheduler_run": "%(run)s"}, "properties": {"delivery_tag": "%(tag)s"}}
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from celery import Celery, Task, signals
from celery.result import denied_join_result
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from scheduler.model import KEEP_RESULT, KILL_AFTER
from scheduler.model.retry import Retrying
from scheduler.sending import readable
from scheduler.sending.headers import (
    KEEP_RESULT_HEADER,
    KILL_AFTER_HEADER,
    MAX_MEMORY_HEADER,
    REFERENCES_HEADER,
    RETRIES_HEADER,
    RETRYING_HEADER,
    RUN_HEADER,
    task_id,
    uuid_text,
)
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, NotNow
from scheduler.storage.entries import Job
from scheduler.storage.keys import Keys
from scheduler.storage.refusals import code_of

MILLISECOND = timedelta(milliseconds=1)
SECOND, NOTHING = timedelta(seconds=1), timedelta(0)
ESCAPED = json.encoder.encode_basestring_ascii  #: a text as JSON has it
# Stand-ins are random, so that no argument of a task can contain one and lose it to a gap. Celery accepts only an
# instant as an expiry, so that stand-in is a random instant in or near the year 9999.
STAND_IN_EXPIRY = datetime(9999, 12, 30, tzinfo=UTC) - timedelta(microseconds=uuid.uuid4().int % 10**15)
#: The stand-in of each gap in the text of a message.
GAPS = {gap: str(uuid.uuid4()) for gap in ("task", "run", "tag", "expiration")} | {
    "expires": STAND_IN_EXPIRY.isoformat()
}
GAPS_WITHOUT_EXPIRY = {gap: GAPS[gap] for gap in ("task", "run", "tag")}


class CannotCompose(ValueError):
    """The message cannot be built, or not as one push onto one Redis list."""


@dataclass(frozen=True)
class Call:
    """What Celery's ``apply_async`` is called with for one run; JSON all through."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]


class Message(NamedTuple):
    """One message on its way: the list it is pushed onto, and its text."""

    queue: str
    payload: str
    task_id: str
    also: str = ""  #: the commands that kombu sends along, as a JSON list: the end of a queue with ``x-expires``

    @property
    def place(self) -> str:
        """The queue, whose name is one line, as the scripts take it; see ``list_of`` in ``_ledger.lua``."""
        return f"{self.queue}\n{self.also}" if self.also else self.queue


class Template(NamedTuple):
    """An entry's message with the gaps that each run fills."""

    queue: str
    text: str  #: for ``%``, with a name for each gap
    also: str = ""  #: as in Message

    def render(self, run_id: str, expires: datetime | None, now: datetime) -> Message:
        """The message of one run; ``expires`` None where the template was made without."""
        task = task_id(run_id)
        # kombu keys the messages that a worker holds by this tag: it must be unique, but is no secret.
        tag = uuid_text(random.randbytes(16), 4)  # noqa: S311
        gaps = {"task": task, "run": ESCAPED(run_id)[1:-1], "tag": tag}  # the quotes are in the template
        if expires is not None:
            gaps["expires"] = expires.isoformat()
            gaps["expiration"] = str(max((expires - now) // MILLISECOND, 0))
        return Message(self.queue, self.text % gaps, task, self.also)


class Collector:
    """Takes the final Redis commands of one publication from kombu's Redis channel, which offers this hook."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.commands: list[tuple[str, tuple[Any, ...]]] = []

    def publish(self, message: Any, **options: Any) -> Any:
        """The method with which Celery publishes: kombu builds the commands, and gives them to ``add``."""
        return self.channel.basic_publish(message, _publish_batch=self, **options)

    def add(self, command: str, *arguments: Any) -> None:
        """Keep a command that kombu would send."""
        if command == "publish":  # an event for Celery's monitors: the run does not depend on it
            self.channel.client.publish(*arguments)
        else:
            self.commands.append((command, arguments))

    def flush(self) -> None:
        """Nothing is sent from here."""

    close = discard = flush


@contextmanager
def collecting(producer: Any) -> Any:
    """Send what the producer publishes to the collector that is yielded."""
    channel = producer.channel
    collector = Collector(channel)
    channel.create_publish_batch = lambda max_size: collector
    try:
        with producer.batch():
            yield collector
    finally:
        del channel.create_publish_batch


def call(job: Job, run_id: str, expires: datetime | None, task: str) -> Call:
    """The call of one run, the way Celery's beat makes it."""
    headers = {**job.options.get("headers", {}), "celery_beat_task": True, RUN_HEADER: run_id}
    if job.policies.retries:
        headers[RETRIES_HEADER] = job.policies.retries
        if job.policies.retrying != Retrying():  # most messages need no such header
            headers[RETRYING_HEADER] = [*job.policies.retrying]
    if job.policies.kill_after != KILL_AFTER:
        headers[KILL_AFTER_HEADER] = job.policies.kill_after.total_seconds()
    if job.policies.max_memory is not None:
        headers[MAX_MEMORY_HEADER] = job.policies.max_memory
    if job.policies.keep_result != KEEP_RESULT:
        headers[KEEP_RESULT_HEADER] = -(-(job.policies.keep_result or NOTHING) // SECOND)  # part of one is a whole one
    if job.references:
        headers[REFERENCES_HEADER] = True
    options = {**job.options, "task_id": task, "headers": headers}
    if expires is not None:
        options["expires"] = expires.isoformat()
    return Call(job.task, list(job.args), job.kwargs, options)


def publish(app: Celery, call: Call, producer: Any, **options: Any) -> None:
    """Publish a run through Celery, whose publish signals fire."""
    # A task that beat knows brings its own options, such as its queue; of another one there is only the name.
    registered = app.tasks.get(call.task)
    send: Callable[..., Any] = (
        registered.apply_async if registered is not None else lambda *a, **o: app.send_task(call.task, *a, **o)
    )
    with denied_join_result():  # without this, Celery subscribes beat to the result of each message
        send(call.args, call.kwargs, **{**call.options, **options, "producer": producer})


def for_outbox(job: Job, run_id: str, expires: datetime | None, outbox: str) -> Message:
    """A run on its way to another broker than the schedule's Redis; raises CannotCompose."""
    task = task_id(run_id)
    try:
        return Message(outbox, json.dumps(asdict(call(job, run_id, expires, task))), task)
    except (TypeError, ValueError, RecursionError) as error:
        raise CannotCompose(f"{type(error).__name__}: {error}") from error


def compose(app: Celery, job: Job, run_id: str, expires: datetime | None, task: str = "") -> Message:
    """Let kombu build the message of one run; raises CannotCompose, or one of AWAY where it cannot reach Redis."""
    task = task or task_id(run_id)
    try:
        with app.producer_pool.acquire(block=True) as producer, collecting(producer) as collector:
            publish(app, call(job, run_id, expires, task), producer)
    except Exception as error:  # options, routers and serializers are the user's own code and may raise anything
        if isinstance(error, OperationalError) and isinstance(error.__cause__, AWAY):
            raise error.__cause__ from error
        if isinstance(error, OperationalError) and error.__cause__ and code_of(error.__cause__):
            raise NotNow(str(error)) from error  # kombu's own connection does not know that kind of error
        raise CannotCompose(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    pushes = [arguments for command, arguments in collector.commands if command == "lpush"]
    also = [(command, *arguments) for command, arguments in collector.commands if command == "pexpire"]
    if len(pushes) != 1 or len(collector.commands) != 1 + len(also):
        raise CannotCompose("its options do not route it to exactly one Redis list")
    [(queue, payload)] = pushes
    if "\n" in str(queue):  # the scripts would take the second line for commands, see `Message.place`
        raise CannotCompose("the name of its queue has more than one line")
    text = payload.decode() if isinstance(payload, bytes) else str(payload)
    refuse_unreadable(json.loads(text), job, task)
    return Message(str(queue), text, task, json.dumps(also) if also else "")


def refuse_unreadable(message: dict[str, Any], job: Job, task: str) -> None:
    """Raise CannotCompose for a message that a worker cannot read, or would take for another task's."""
    message["headers"].pop(RUN_HEADER, None)  # a template's stand-in is no identity
    try:
        readable.refuse(message)
    except readable.Unreadable as error:
        raise CannotCompose(f"a worker cannot read its message: {error}") from error
    for header, value in (("id", task), ("task", job.task)):
        if message["headers"][header] != value:
            raise CannotCompose(f"its options set the header {header!r}, which is Celery's own")


def draft(app: Celery, job: Job, run_id: str, expires: datetime | None) -> dict[str, Any]:
    """The message of one run as kombu builds it, without a broker; raises CannotCompose."""
    drafts: list[dict[str, Any]] = []
    try:
        connection: Any = Connection("memory://")  # type: ignore[no-untyped-call]
        with connection, app.amqp.Producer(connection) as producer:
            producer.channel.basic_publish = lambda message, **_: drafts.append(message)
            publish(app, call(job, run_id, expires, task_id(run_id)), producer)
        built = drafts[0]  # an event for monitors may follow it
    except Exception as error:  # as in `compose`
        raise CannotCompose(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return built


def refuse_unsendable(app: Celery, job: Job, run_id: str, expires: datetime | None) -> None:
    """Raise CannotCompose for an entry whose message no worker could read, before it goes to the outbox."""
    refuse_unreadable(draft(app, job, run_id, expires), job, task_id(run_id))


def build(app: Celery, job: Job, run_id: str, expires: datetime | None) -> Message:
    """The message of one run, wherever its broker is; raises CannotCompose, or one of AWAY."""
    settings: Settings = app.scheduler_settings
    if settings.has_outbox:
        return for_outbox(job, run_id, expires, Keys(settings.key_prefix).outbox)
    return compose(app, job, run_id, expires)


def template(app: Celery, job: Job, *, expiring: bool) -> Template | None:
    """Build an entry's message once, and cut out what differs from run to run.

    None if the task's or the entry's own options add a countdown or an expiry, which Celery counts from each sending.
    """
    message = compose(app, job, GAPS["run"], STAND_IN_EXPIRY if expiring else None, GAPS["task"])
    body = json.loads(message.payload)
    headers, properties = body["headers"], body["properties"]
    if headers.get("eta") or (not expiring and (headers.get("expires") or "expiration" in properties)):
        return None
    properties["delivery_tag"] = GAPS["tag"]
    if expiring:
        properties["expiration"] = GAPS["expiration"]
    return Template(message.queue, cut(json.dumps(body), GAPS if expiring else GAPS_WITHOUT_EXPIRY), message.also)


def cut(text: str, gaps: Mapping[str, str]) -> str:
    """The text for the ``%`` operator, with a gap wherever a stand-in is."""
    text = text.replace("%", "%%")  # a % in an argument must stay one
    for name, stand_in in gaps.items():
        text = text.replace(stand_in, f"%({name})s")
    return text


def has_signal_receivers() -> bool:
    """Whether something must see each message, and may change it: receivers of Celery's publish signals, or a tracer.

    sentry-sdk and others wrap ``apply_async``, to give each message its trace and the time at which it was sent.
    """
    is_wrapped = hasattr(Task.apply_async, "__wrapped__")
    return bool(is_wrapped or signals.before_task_publish.receivers or signals.after_task_publish.receivers)
