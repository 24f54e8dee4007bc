"""The connection to a broker other than the schedule's Redis: publish, and wait until it confirms the messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError

from scheduler.sending import message
from scheduler.sending.message import Call

BROKER_TIMEOUT_S = 5.0  #: for each answer of the broker
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
        # RabbitMQ would drop an expired message silently. The expiry is in the headers too, and a worker that receives
        # the message too late records the run as expired.
        message.properties.pop("expiration", None)
        self.published += 1
        self.unconfirmed.add(self.published)
        return self._publish(message, **options)

    def taken(self, number: int, multiple: bool) -> None:
        self.unconfirmed -= {sent for sent in self.unconfirmed if sent <= number} if multiple else {number}

    def rejected(self, number: int, multiple: bool) -> None:
        raise Rejected("a queue accepts no more messages")

    def wait(self) -> None:
        """Return when every published message is confirmed."""
        connection = self.channel.connection
        try:
            while self.unconfirmed:
                connection.drain_events(timeout=BROKER_TIMEOUT_S)
        except connection.recoverable_connection_errors as error:
            raise OperationalError(f"{type(error).__name__}: {error}") from error


def worker_answers(app: Celery) -> bool:
    """Whether a worker answers a ping within a second; False too if the broker does not answer."""
    try:
        return bool(app.control.ping(timeout=1.0, limit=1))
    except (OperationalError, OSError):
        return False


class Broker:
    """One connection, opened when it is needed and dropped after any error."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._connection: Any = None
        self._producer: Any = None
        self._receipts: Receipts | None = None
        self._used = 0.0

    def publish(self, calls: Sequence[Call]) -> None:
        """Publish these, and return when the broker has confirmed them.

        Raises Away, or Refused for one of them; the broker may have some of them all the same.
        """
        if self._producer is not None:
            try:
                return self._publish(calls)
            except Exception:  # the connection may have died since its last use
                self.drop()
        try:
            self._connect()
            self._publish(calls)
        except (OperationalError, BatchPublishError, OSError) as error:
            self.drop()
            raise Away(error) from error
        except Exception as error:
            self.drop()
            raise Refused(error, passes=isinstance(error, Rejected)) from error

    def _publish(self, calls: Sequence[Call]) -> None:
        with self._producer.batch():
            for call in calls:
                # Mandatory: without it, the broker silently drops a message that no queue is bound for.
                message.publish(self.app, call, self._producer, retry=False, mandatory=True, timeout=BROKER_TIMEOUT_S)
        if self._receipts is not None:
            self._receipts.wait()
        self._used = time.monotonic()

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
