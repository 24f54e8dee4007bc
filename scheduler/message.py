"""Celery messages exactly as kombu would push them, rendered from a template per entry.

kombu builds and routes a message once per entry, into a collector instead of the socket; what differs from
run to run is cut out of the text and filled in for each.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from celery import Celery, signals
from celery.result import denied_join_result
from kombu.exceptions import OperationalError

from scheduler.entries import Job
from scheduler.redis_client import AWAY, Keys
from scheduler.settings import Settings

RUN_HEADER = "scheduler_run"  #: header that carries the run's identity to the worker
RETRIES_HEADER = "scheduler_retries"  #: header that carries the schedule's `retries`
RUN_NAMESPACE = uuid.UUID("6f9b2a52-6c3e-5a0e-9d2a-0d5c1f4f7d11")
FAR = datetime(9999, 12, 30, 23, 59, 58, 987654, tzinfo=UTC)
# Nobody can guess them, so no argument of anybody contains them.
TASK_ID, RUN_ID, TAG, EXPIRATION = (str(uuid.uuid4()) for _ in range(4))
EXPIRES = FAR.isoformat()


class CannotCompose(ValueError):
    """The message cannot be built, or not as one push onto one Redis list."""


def task_id(run_id: str) -> str:
    """The Celery task id of a run: the same for the same run, whoever computes it."""
    return str(uuid.uuid5(RUN_NAMESPACE, run_id))


@dataclass(frozen=True)
class Call:
    """What Celery's ``apply_async`` is called with for one run; JSON all through."""

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One message on its way: the list it is pushed onto, and its text."""

    queue: str
    payload: str
    task_id: str


@dataclass(frozen=True)
class Template:
    """An entry's message with the gaps that each run fills."""

    queue: str
    parts: tuple[tuple[str, str], ...]  #: text, and the gap behind it

    def render(self, run_id: str, expires: datetime | None, now: datetime) -> Message:
        """The message of one run; ``expires`` None where the template was made without."""
        task = task_id(run_id)
        gaps = {"": "", TASK_ID: task, RUN_ID: json.dumps(run_id)[1:-1], TAG: str(uuid.uuid4())}
        if expires is not None:
            gaps[EXPIRES] = expires.isoformat()
            gaps[EXPIRATION] = str(max(int((expires - now).total_seconds() * 1000), 0))
        return Message(self.queue, "".join([text + gaps[gap] for text, gap in self.parts]), task)


class Collector:
    """Takes the final Redis commands of one publication from kombu's Redis channel, which offers this hook."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.commands: list[tuple[str, tuple[Any, ...]]] = []

    def publish(self, message: Any, **options: Any) -> Any:
        return self.channel.basic_publish(message, _publish_batch=self, **options)

    def add(self, command: str, *arguments: Any) -> None:
        if command == "publish":  # an event for whoever listens, of which the run does not depend
            self.channel.client.publish(*arguments)
        else:
            self.commands.append((command, arguments))

    def flush(self) -> None:
        """Nothing is sent from here."""

    close = discard = flush


@contextmanager
def collecting(producer: Any) -> Any:
    """Within it, what the producer publishes ends in the collector that is yielded."""
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
    options = {**job.options, "task_id": task, "headers": headers}
    if expires is not None:
        options["expires"] = expires.isoformat()
    return Call(job.task, list(job.args), job.kwargs, options)


def publish(app: Celery, call: Call, producer: Any, **options: Any) -> None:
    """Publish a run; Celery's own publish signals fire."""
    registered = app.tasks.get(call.task)
    send: Callable[..., Any] = (
        registered.apply_async if registered is not None else lambda *a, **o: app.send_task(call.task, *a, **o)
    )
    with denied_join_result():  # or each message would subscribe this process to its result
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
    except Exception as error:  # options, routers and serializers are anybody's
        if isinstance(error, OperationalError) and isinstance(error.__cause__, AWAY):
            raise error.__cause__ from error
        raise CannotCompose(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    pushes = [arguments for command, arguments in collector.commands if command == "lpush"]
    if len(pushes) != 1 or len(collector.commands) != 1:
        raise CannotCompose("its options route it to something else than one Redis list")
    [(queue, payload)] = pushes
    return Message(str(queue), payload.decode() if isinstance(payload, bytes) else str(payload), task)


def build(app: Celery, job: Job, run_id: str, expires: datetime | None) -> Message:
    """The message of one run, wherever its broker is; raises CannotCompose, or one of AWAY."""
    settings: Settings = app.scheduler_settings
    if settings.has_outbox:
        return for_outbox(job, run_id, expires, Keys(settings.key_prefix).outbox)
    return compose(app, job, run_id, expires)


def template(app: Celery, job: Job, *, expiring: bool) -> Template | None:
    """Build an entry's message once, and cut out what differs from run to run.

    None when the task's or the entry's own options put a time into it that counts from each sending.
    """
    message = compose(app, job, RUN_ID, FAR if expiring else None, TASK_ID)
    body = json.loads(message.payload)
    headers, properties = body["headers"], body["properties"]
    if headers.get("eta") or (not expiring and (headers.get("expires") or "expiration" in properties)):
        return None
    properties["delivery_tag"] = TAG
    gaps = [TASK_ID, RUN_ID, TAG]
    if expiring:
        properties["expiration"] = EXPIRATION
        gaps += [EXPIRES, EXPIRATION]
    return Template(message.queue, cut(json.dumps(body), gaps))


def cut(text: str, gaps: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The text in parts, each with the gap that follows it."""
    parts: list[tuple[str, str]] = [(text, "")]
    for gap in gaps:
        split: list[tuple[str, str]] = []
        for part, behind in parts:
            pieces = part.split(gap)
            split += [(piece, gap) for piece in pieces[:-1]] + [(pieces[-1], behind)]
        parts = split
    return tuple(parts)


def somebody_listens() -> bool:
    """Whether Celery's publish signals have receivers, who must see each message and may change it."""
    return bool(signals.before_task_publish.receivers or signals.after_task_publish.receivers)
