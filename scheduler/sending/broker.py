"""The door to a broker other than the schedule's Redis: publish, and wait for its word that it has the messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError

from scheduler.sending import message
from scheduler.sending.message import Call

BROKER_TIMEOUT_S = 5.0  #: seconds that the broker may take to answer
IDLE_AFTER_S = 30.0  #: seconds after which an unused connection is closed, before the broker misses its heartbeats


class Away(Exception):
    """The broker cannot be reached, or takes nothing for now."""


class Refused(Exception):
    """The broker answers, and does not take one of these messages: for now, where that ``passes``."""

    def __init__(self, error: Exception, *, passes: bool) -> None:
        super().__init__(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        self.passes = passes


class Rejected(Exception):
    """A queue is full, or cannot store for now."""


class Receipts:
    """RabbitMQ's word for each message that was published on a channel.

    kombu's own way (``confirm_publish``) waits for one message before it publishes the next.
    """

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.published = 0
        self.owed: set[int] = set()
        self._publish = channel.basic_publish
        channel.basic_publish = self.publish
        channel.events["basic_ack"].add(self.taken)
        channel.events["basic_nack"].add(self.rejected)
        channel.confirm_select()

    def publish(self, message: Any, **options: Any) -> Any:
        # RabbitMQ would end its lifetime without a word. It is in the headers too: a worker that takes the message too
        # late tells the ledger.
        message.properties.pop("expiration", None)
        self.published += 1
        self.owed.add(self.published)
        return self._publish(message, **options)

    def taken(self, number: int, multiple: bool) -> None:
        self.owed -= {owed for owed in self.owed if owed <= number} if multiple else {number}

    def rejected(self, number: int, multiple: bool) -> None:
        raise Rejected("a queue takes no more messages")

    def wait(self) -> None:
        """Return when nothing is owed any more."""
        connection = self.channel.connection
        try:
            while self.owed:
                connection.drain_events(timeout=BROKER_TIMEOUT_S)
        except connection.recoverable_connection_errors as error:
            raise OperationalError(f"{type(error).__name__}: {error}") from error


def worker_answers(app: Celery) -> bool:
    """Whether a worker says within a second that it is there; False too where the broker does not answer."""
    try:
        return bool(app.control.ping(timeout=1.0, limit=1))
    except (OperationalError, OSError):
        return False


class Broker:
    """One connection, made when it is needed and given up after any error."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._connection: Any = None
        self._producer: Any = None
        self._receipts: Receipts | None = None
        self._used = 0.0

    def publish(self, calls: Sequence[Call]) -> None:
        """Publish these, and return when the broker has them.

        Raises Away, or Refused for one of them; whether it has some of them is unknown then.
        """
        if self._producer is not None:
            try:
                return self._publish(calls)
            except Exception:  # the connection may have died since it was used last
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
                # A message that no queue takes comes back, where it would be dropped otherwise.
                message.publish(self.app, call, self._producer, retry=False, mandatory=True, timeout=BROKER_TIMEOUT_S)
        if self._receipts is not None:
            self._receipts.wait()
        self._used = time.monotonic()

    def _connect(self) -> None:
        connection = self._connection = self.app.connection_for_write(connect_timeout=BROKER_TIMEOUT_S)
        kind = connection.transport.driver_type
        connection.transport_options = {**connection.transport_options, **timeouts(kind)}
        try:
            # One attempt for each host that the URL names; who waits for the next one is the outbox.
            connection.ensure_connection(max_retries=max(len(connection.alt) - 1, 0), interval_start=0)
            channel = connection.channel()
            self._receipts = Receipts(channel) if kind == "amqp" else None
            self._producer = self.app.amqp.Producer(channel, auto_declare=False)
        except OperationalError:
            raise
        except Exception as error:  # it may not let us in, or be something else altogether
            raise OperationalError(f"{type(error).__name__}: {error}") from error

    def rest(self) -> None:
        """Close a connection that was not used for a while."""
        if self._producer is not None and time.monotonic() - self._used > IDLE_AFTER_S:
            self._connection.release()
            self._connection = self._producer = self._receipts = None

    def drop(self) -> None:
        """Forget the connection without a word to the other side, which may not listen."""
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._producer = self._receipts = None


def timeouts(kind: str) -> dict[str, Any]:
    """Transport options with which nothing waits longer than BROKER_TIMEOUT_S."""
    if kind == "amqp":
        return {
            "read_timeout": BROKER_TIMEOUT_S,
            "write_timeout": BROKER_TIMEOUT_S,
            "confirm_publish": False,
        }  # see Receipts
    return {"socket_timeout": BROKER_TIMEOUT_S, "socket_connect_timeout": BROKER_TIMEOUT_S}
