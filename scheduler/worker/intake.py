"""Between the broker and Celery: a message that the worker cannot read is set aside, and the worker takes the next one.

Celery and kombu let the errors of a message end the worker, which gives the message back as it ends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from queue import Empty
from typing import Any

from celery import Celery
from celery.worker import state
from kombu.exceptions import OperationalError
from redis import RedisError

from scheduler.events import emit
from scheduler.model import Reason
from scheduler.sending import readable
from scheduler.sending.headers import run_in
from scheduler.settings import Settings
from scheduler.storage.aside import set_aside
from scheduler.storage.client import AWAY, REFUSED, Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.refusals import code_of, sentence

logger = logging.getLogger("scheduler")

BRPOP, LISTEN = "BRPOP", "LISTEN"  #: how kombu reads queues and what is published
REDIS_ATTEMPTS = 5  #: attempts to keep a message while Redis is away, with growing pauses

Handler = Callable[..., Any]


class Intake:
    """Guards the ways of a message through kombu and Celery; each guard takes one of their functions and returns it."""

    def __init__(self, app: Celery, broker_errors: tuple[type[BaseException], ...]) -> None:
        self.app = app
        self.settings: Settings = app.scheduler_settings
        #: What is no fault of a message: the broker or Redis is away, or there is no message.
        self.passing: tuple[type[BaseException], ...] = (*broker_errors, *AWAY, *REFUSED, OperationalError, Empty)

    def passes(self, error: Exception) -> bool:
        """Whether this is no fault of a message; kombu's connection has one class for most refusals of Redis."""
        return isinstance(error, self.passing) or (isinstance(error, RedisError) and code_of(error) != "")

    def guard_channels(self, channel: Any) -> None:
        """Let kombu's connection take from Redis only what it can make a message of; does nothing for RabbitMQ."""
        if BRPOP not in getattr(channel, "handlers", ()):
            return
        transport = channel.connection
        transport._deliver = self.guard_delivery(transport._deliver)
        for one in transport.channels:
            one.handlers[BRPOP] = self.guard_reading(one.client, one.handlers[BRPOP])
            one.handlers[LISTEN] = self.guard_listening(one.handlers[LISTEN])

    def guard_listening(self, listen: Handler) -> Handler:
        """The function that reads what other workers and monitors publish, of which nothing is kept."""

        def guarded(**options: Any) -> Any:
            try:
                return listen(**options)
            except Exception as error:
                if self.passes(error):
                    raise
                emit("message.dropped", error=f"{type(error).__name__}: {error}")
                return None

        return guarded

    def guard_reading(self, client: Any, read: Handler) -> Handler:
        """The function that reads one message from Redis."""
        replies: list[Any] = []
        parse = client.parse_response

        def remember(connection: Any, command: str, **options: Any) -> Any:
            reply = parse(connection, command, **options)
            replies[:] = [reply] if command == BRPOP else []
            return reply

        def guarded(**options: Any) -> Any:
            replies.clear()
            try:
                return read(**options)
            except Exception as error:
                if self.passes(error):
                    raise
                if not replies:
                    raise
                queue, text = (part.decode("utf-8", "backslashreplace") for part in replies[0])
                return self.keep(queue, text, error)

        client.parse_response = remember
        return guarded

    def guard_delivery(self, deliver: Handler) -> Handler:
        """The function that makes a message of what was read, for whatever takes from the queue."""

        def guarded(raw: Any, queue: str) -> Any:
            try:
                readable.refuse_frame(raw)
                return deliver(raw, queue)
            except Exception as error:
                if self.passes(error):
                    raise
                return self.keep(queue, json.dumps(raw), error, raw.get("headers") if isinstance(raw, dict) else None)

        return guarded

    def guard_tasks(self, handle: Handler) -> Handler:
        """Celery's handler of tasks."""

        def guarded(message: Any) -> Any:
            try:
                if "task" in message.headers:
                    readable.refuse_task(message.headers, message.properties, message.payload)
                return handle(message)
            except Exception as error:
                if self.passes(error):
                    raise
                return self.refuse(message, error)

        return guarded

    def guard_pool(self, controller: Any) -> Handler:
        """Celery's function that gives a request to the pool."""
        give: Handler = controller._process_task

        def guarded(request: Any) -> Any:
            try:
                return give(request)
            except Exception as error:
                if self.passes(error):
                    raise
                state.task_ready(request)
                if hasattr(controller, "_quick_release"):  # the place in the pool that it was to have
                    controller._quick_release()
                return self.refuse(request.message, error)

        controller._process_task = guarded
        return guarded

    def refuse(self, message: Any, error: Exception) -> None:
        """Set a message aside and take it from its queue; give it back if Redis is away."""
        queue = str((message.delivery_info or {}).get("routing_key", "?"))
        requeue = False
        try:
            self.keep(queue, text_of(message), error, message.headers)
        except (*AWAY, *REFUSED) as away:
            emit("worker.redis_away", problem=sentence(away, self.app.scheduler_settings))
            requeue = True
        if not message.acknowledged:
            message.reject_log_error(logger, self.passing, requeue=requeue)

    def keep(self, queue: str, text: str, error: Exception, headers: Any = None) -> None:
        """Keep what was taken, end its run, and store its failure for the program that waits for its result.

        Raises one of AWAY or REFUSED; nothing else, whatever the message is.
        """
        reason = writable(" ".join(str(error).split())[:300] or type(error).__name__)
        queue = writable(queue)
        emit("message.set_aside", queue=queue, error=reason)
        headers = headers if isinstance(headers, dict) else {}
        try:
            with connect(self.settings, attempts=REDIS_ATTEMPTS) as client:
                self.record(client, queue, writable(text), reason, headers)
        except (*AWAY, *REFUSED):
            raise
        except Exception as failure:  # what is odd about the message must not stop the worker here either
            emit("message.not_kept", queue=queue, error=f"{type(failure).__name__}: {failure}")

    def record(self, client: Client, queue: str, text: str, reason: str, headers: dict[str, Any]) -> None:
        keys = Keys(self.settings.key_prefix)
        set_aside(client, keys, queue=queue, message=text, reason=reason)
        if run_id := run_in(headers):
            detail = f"{Reason.UNREADABLE.sentence}: {reason}"
            ledger = Ledger(client, keys, self.settings)
            ledger.close(run_id, "failed", unclaimed=True, reason=Reason.UNREADABLE, detail=detail)
        if headers.get("id") and isinstance(headers["id"], str):
            self.app.backend.mark_as_failure(headers["id"], readable.Unreadable(reason))


def writable(text: str) -> str:
    """The text without half characters, which no UTF-8 has."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def text_of(message: Any) -> str:
    """A message as far as it can be shown."""
    body = message.body
    shown = body.decode("utf-8", "backslashreplace") if isinstance(body, (bytes, bytearray)) else body
    parts = {"headers": message.headers, "content-type": message.content_type, "body": shown}
    return json.dumps(parts, default=repr)
