"""The connection to a broker other than the schedule's Redis: publish, and wait until it confirms the messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError

from scheduler.sending import message
from scheduler.sending.message import Call

BROKER_TIMEOUT_S = 5.0  #: for each answer of the broker
NOT_FOUND = "404"  #: AMQP's code for a queue that does not exist
IDLE_AFTER_S = 30.0  #: an unused connection is closed after this, before the broker misses its heartbeats


class Away(Exception):
    """The broker cannot be reached, or accepts nothing for now."""


class Refused(Exception):
    """The broker answers and refuses one of these messages; ``passes`` if it may accept it later."""

    def __init__(self, error: Exception, *, passes: bool) -> None:
        super().__init__(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        self.passes = passes


class Rejected(Exception):
    """A queue is full, or cannot store messages for now."""


class Receipts:
    """RabbitMQ's confirmation of each message that was published on a channel.

    kombu's own way (``confirm_publish``) waits for one message before it publishes the next.
    """

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.published = 0
        self.unconfirmed: set[int] = set()
        self._publish = channel.basic_publish
        channel.basic_publish = self.publish
        channel.events["basic_ack"].add(self.taken)
        channel.events["basic_nack"].add(self.rejected)
        channel.confirm_select()

    def publish(self, message: Any, **options: Any) -> Any:
        """Replaces the channel's ``basic_publish``: counts the message, without RabbitMQ's expiration."""
        self.published += 1
        self.unconfirmed.add(self.published)
        return self._publish(message, **options)

    def taken(self, number: int, multiple: bool) -> None:
        """RabbitMQ has this message; with ``multiple``, also every one before it."""
        self.unconfirmed -= {sent for sent in self.unconfirmed if sent <= number} if multiple else {number}

    def rejected(self, number: int, multiple: bool) -> None:
        """RabbitMQ refuses a message: raises Rejected."""
        raise Rejected("a queue accepts no more messages")

    def wait(self) -> None:
        """Return when every published message is confirmed."""
        connection = self.channel.connection
        try:
            while self.unconfirmed:
                connection.drain_events(timeout=BROKER_TIMEOUT_S)
        except connection.recoverable_connection_errors as error:
            raise OperationalError(f"{type(error).__name__}: {error}") from error


class Broker:
    """One connection, opened when it is needed and dropped after any error."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._connection: Any = None
        self._producer: Any = None
        self._receipts: Receipts | None = None
        self._queues: list[str] = []
        self._used = 0.0

    def publish(self, calls: Sequence[Call]) -> list[str]:
        """Publish these, and return when the broker has confirmed them: the queue of each, '' where only it knows.

        Raises Away, or Refused for one of them; the broker may have some of them all the same.
        """
        if self._producer is not None:
            try:
                return self._publish(calls)
            except Exception:  # the connection may have died since its last use
                self.drop()
        try:
            self._connect()
            return self._publish(calls)
        except (OperationalError, BatchPublishError, OSError) as error:
            self.drop()
            raise Away(error) from error
        except Exception as error:
            self.drop()
            raise Refused(error, passes=isinstance(error, Rejected)) from error

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        """How many messages wait in each of these queues, as far as the broker says; raises Away."""
        try:
            if self._producer is None:
                self._connect()
            counts = {queue: self._waiting(queue) for queue in queues}
        except Exception as error:
            self.drop()
            raise Away(error) from error
        self._used = time.monotonic()
        return {queue: count for queue, count in counts.items() if count is not None}

    def _waiting(self, queue: str) -> int | None:
        channel = self._connection.channel()  # one for each question, as RabbitMQ closes it when there is no such queue
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except self._connection.channel_errors as error:
            return 0 if str(getattr(error, "reply_code", "")) == NOT_FOUND else None
        finally:
            self._connection.maybe_close_channel(channel)

    def _note_queue(self, publish: Callable[..., Any], body: Any, **options: Any) -> Any:
        """Publish through Celery's producer, and note the queue that Celery's router chose."""
        declared: Sequence[Any] = options.get("declare") or ()
        self._queues.append(declared[0].name if len(declared) == 1 else "")
        return publish(body, **options)

    def _publish(self, calls: Sequence[Call]) -> list[str]:
        self._queues.clear()
        with self._producer.batch():
            for call in calls:
                # Mandatory: without it, the broker silently drops a message that no queue is bound for.
                message.publish(self.app, call, self._producer, retry=False, mandatory=True, timeout=BROKER_TIMEOUT_S)
        if self._receipts is not None:
            self._receipts.wait()
        self._used = time.monotonic()
        return [*self._queues] if len(self._queues) == len(calls) else [""] * len(calls)

    def _connect(self) -> None:
        connection = self._connection = self.app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S)
        kind = connection.transport.driver_type
        connection.transport_options = {**connection.transport_options, **timeouts(kind)}
        try:
            # One attempt for each host in the URL; the outbox does the waiting between attempts.
            connection.ensure_connection(max_retries=max(len(connection.alt) - 1, 0), interval_start=0)
            channel = connection.channel()
            self._receipts = Receipts(channel) if kind == "amqp" else None
            self._producer = self.app.amqp.Producer(channel, auto_declare=False)
            self._producer.publish = partial(self._note_queue, self._producer.publish)
        except OperationalError:
            raise
        except Exception as error:  # a refused login, or a server that is no broker
            raise OperationalError(f"{type(error).__name__}: {error}") from error

    def rest(self) -> None:
        """Close the connection if it was not used for IDLE_AFTER_S."""
        if self._producer is not None and time.monotonic() - self._used > IDLE_AFTER_S:
            self._connection.release()
            self._connection = self._producer = self._receipts = None

    def drop(self) -> None:
        """Drop the connection without a goodbye, which could hang on a broker that does not answer."""
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._producer = self._receipts = None


def timeouts(kind: str) -> dict[str, Any]:
    """Transport options with which nothing waits longer than BROKER_TIMEOUT_S."""
    if kind == "amqp":
        own_confirmations = {"confirm_publish": False}  # see Receipts
        return {"read_timeout": BROKER_TIMEOUT_S, "write_timeout": BROKER_TIMEOUT_S, **own_confirmations}
    return {"socket_timeout": BROKER_TIMEOUT_S, "socket_connect_timeout": BROKER_TIMEOUT_S}
