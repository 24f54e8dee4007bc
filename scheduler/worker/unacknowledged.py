"""The messages that a worker has taken from Redis and not acknowledged: renewed while it lives, returned after its end.

Celery gives a message back after ``visibility_timeout``, whether its worker lives or not. Here a worker holds each
message with a lease, as it holds its runs, and any worker returns a message whose lease has ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any, ClassVar
from weakref import WeakSet

import redis
from celery.worker import state
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from scheduler.events import emit
from scheduler.sending.headers import run_in
from scheduler.settings import Settings
from scheduler.storage.line import Command, Line

LOST = (redis.RedisError, OSError)
MAX_RETURNED = 1000  #: messages that are returned to their queues at once
MAX_LOOK_INTERVAL_S = 5.0
MAX_CLOCK_STEP_S = 2.0


class QoS(kombu_redis.QoS):
    """Kombu's record of the messages that a channel has delivered, with leases."""

    lease: ClassVar[float] = 30.0  #: seconds
    opened: ClassVar[WeakSet[QoS]] = WeakSet()
    settled: ClassVar[set[str]] = set()  #: acknowledged, but Redis does not know it yet
    #: Taken from a Redis that then refused to note it, or was away before it said that it had; by delivery tag.
    unnoted: ClassVar[dict[str, str]] = {}
    #: Delivery tags of runs that the pool has ended: the step that closes a run takes its message out of Redis.
    closed: ClassVar[set[str]] = set()
    #: Held by a thread that notes or returns an unnoted message: the renewer's, or one that closes a channel. Without
    #: it, a message could stay with nobody, or return twice.
    noting = threading.RLock()
    keeps_running: ClassVar[bool] = True  #: False when what runs is interrupted, so that its messages return

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.next_look = 0.0  #: monotonic
        self.settle()
        QoS.opened.add(self)

    @cached_property
    def line(self) -> Line:
        """Opened by the first message."""
        return Line(self.channel.pool)

    def finish(self) -> None:
        """Wait until Redis has noted what was taken."""
        if "line" in vars(self):
            self.line.finish()

    @property
    def held_key(self) -> str:
        return held_key(self.unacked_key)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Record a message that was just taken; as kombu does, and with a lease.

        A Redis that is full gives messages away and refuses the record: the message returns when that is over.
        """
        now, delivery = time.time(), message.delivery_info
        stored = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])
        note = (
            ("ZADD", self.unacked_index_key, now, delivery_tag),
            ("ZADD", self.held_key, now + self.lease, delivery_tag),
            ("HSET", self.unacked_key, delivery_tag, stored),
        )

        def failed() -> None:
            if delivery_tag in self._delivered and delivery_tag not in self._dirty:
                QoS.unnoted[delivery_tag] = stored

        try:
            if run_in(message.headers or {}):  # it runs once however often it is delivered, so its worker need not wait
                self.line.post(note, lambda: None, failed)
            else:
                self.line.in_one_step(note)
        except LOST:
            QoS.unnoted[delivery_tag] = stored
            raise
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge it, later if Redis is away: the body has run, so the message must not return."""
        self.settled.add(delivery_tag)  # first, because another thread may close the channel meanwhile
        self.unnoted.pop(delivery_tag, None)
        if delivery_tag in self.closed:  # see message_renewer.py
            self.closed.discard(delivery_tag)
            virtual.QoS.ack(self, delivery_tag)
            return
        try:
            self.refuse_closed()
            self.line.post(self.removal(delivery_tag), lambda: self.settled.discard(delivery_tag))
        except LOST:  # see message_renewer.py
            pass
        virtual.QoS.ack(self, delivery_tag)

    def removal(self, delivery_tag: str) -> list[Command]:
        """What takes a message out of all that Redis notes of it."""
        keys = (self.unacked_index_key, self.held_key)
        return [*(("ZREM", key, delivery_tag) for key in keys), ("HDEL", self.unacked_key, delivery_tag)]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Return or drop it; if Redis is away, it returns when its lease ends, or is dropped later."""
        try:
            self.refuse_closed()
            self.finish()
            super().reject(delivery_tag, requeue)
        except LOST:
            if not requeue:
                self.settled.add(delivery_tag)
            virtual.QoS.ack(self, delivery_tag)

    def refuse_closed(self) -> None:
        if self.channel.closed or self.channel.connection is None:
            raise redis.ConnectionError

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        return super()._remove_from_indices(delivery_tag, pipe).zrem(self.held_key, delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:
        """Return what this channel holds, when it closes, but nothing that may still run: it returns with its lease."""
        with self.noting, self.channel.conn_or_acquire(client) as client:
            self.finish()
            for tag in list(self._delivered):
                if tag not in self.settled and not (self.keeps_running and tag in may_run()):
                    # Kombu has closed the connections already. Redis may have the note, and its answer was lost.
                    if tag in self.unnoted and client.hexists(self.unacked_key, tag):
                        del self.unnoted[tag]
                    self.restore_by_tag(tag, client)
        self._delivered.clear()

    def restore_unacked_once(self, *arguments: Any, **options: Any) -> None:
        """The same, for kombu; a worker that stops first removes what it has settled."""
        with suppress(*LOST):
            if is_stopping():
                self.refuse_closed()
                with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
                    remove(pipe, list(self.settled))
                    pipe.execute()
        super().restore_unacked_once(*arguments, **options)

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """Return the messages of workers that are gone; kombu calls it again and again."""
        super().restore_visible(*arguments, **options)
        if abs(clock_offset() - self.clock) > MAX_CLOCK_STEP_S:
            self.settle()
        if time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + look_interval(self.lease)
            self.return_forsaken()

    def settle(self) -> None:
        """Redis was away or the clock was set: let the other workers first renew what they hold."""
        self.clock = clock_offset()
        self.next_look = time.monotonic() + self.lease

    def return_forsaken(self) -> None:
        ours = set(held())
        with self.channel.conn_or_acquire() as client:
            ended = client.zrange(self.held_key, 0, time.time(), byscore=True, offset=0, num=MAX_RETURNED)
            forsaken = [tag for tag in map(bytes.decode, ended) if tag not in ours]
            returned = sum(self.restore_ended(tag, client) for tag in forsaken)
        if returned:
            emit("worker.returned", count=returned)

    def restore_ended(self, tag: str, client: Any) -> bool:
        """Return a message if its lease has ended still; whether it had.

        Another worker may have returned it since this one looked, and a third may have taken it again.
        """

        def restore(pipe: Any) -> bool:
            lease_ends, stored = pipe.zscore(self.held_key, tag), pipe.hget(self.unacked_key, tag)
            pipe.multi()
            if lease_ends is None or lease_ends > time.time():
                return False
            self._remove_from_indices(tag, pipe)
            if stored:
                message, exchange, routing_key = loads(bytes_to_str(stored))
                self.channel._do_restore_message(message, exchange, routing_key, pipe)
            return bool(stored)

        watched = (self.unacked_key, self.held_key)
        return bool(client.transaction(restore, *watched, value_from_callable=True))


def places() -> tuple[str, str, str]:
    """Where Redis notes the messages under way: a hash with the messages, and two sorted sets of their tags."""
    names = kombu_redis.Channel
    return names.unacked_key, names.unacked_index_key, held_key(names.unacked_key)


def remove(pipe: Any, tags: list[str]) -> None:
    """Take these messages out of all that Redis notes of them."""
    messages, index, leases = places()
    if tags:
        pipe.hdel(messages, *tags)
        pipe.zrem(index, *tags)
        pipe.zrem(leases, *tags)


def held_key(unacked_key: str) -> str:
    """A sorted set: delivery tags by the time (epoch seconds) until which their worker vouches for them."""
    return f"{unacked_key}_held"


def look_interval(lease: float) -> float:
    """Seconds between two looks for messages to return."""
    return min(MAX_LOOK_INTERVAL_S, lease)


def clock_offset() -> float:
    return time.time() - time.monotonic()


def tags(requests: Iterable[Any]) -> list[str]:
    """The delivery tags of these requests, whatever became of the connection that they came over."""
    return [request.message.delivery_tag for request in snapshot(requests)]


def is_stopping() -> bool:
    return state.should_stop is not None or state.should_terminate is not None


def may_run() -> list[str]:
    """The delivery tags of what runs, and of what a pool or timer may start before Celery has cancelled it."""
    others = () if is_stopping() else (state.reserved_requests, state.scheduled_requests)
    return [tag for requests in (state.active_requests, *others) for tag in tags(requests)]


def held() -> list[str]:
    """The delivery tags of all messages that this worker has to acknowledge."""
    channels = [qos for qos in snapshot(QoS.opened) if not qos.channel.closed]
    delivered = [tag for qos in channels for tag in snapshot(qos._delivered) if tag not in qos._dirty]
    requests = tags(state.active_requests) + tags(state.reserved_requests)
    return [tag for tag in (*delivered, *requests) if tag not in QoS.settled]


def snapshot(items: Iterable[Any]) -> list[Any]:
    """A list of what another thread may change meanwhile."""
    while True:
        try:
            return list(items)
        except RuntimeError:
            continue


def hold_messages(settings: Settings) -> None:
    """Let this worker's channels, which are opened later, hold messages with leases."""
    QoS.lease = settings.run_lease
    kombu_redis.Channel.QoS = QoS
