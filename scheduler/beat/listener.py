"""The wait between two ticks, which ends early when a change is announced.

Every change by this service is announced on a channel. RedBeat's API announces nothing, but its ``save``, ``delete``
and ``reschedule`` all write to the index of schedules, and Redis tells whoever asks for it (`CLIENT TRACKING`) that a
key was written. Where a Redis or a user of it cannot do that, beat has to look itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from redis import ResponseError
from redis.exceptions import NoPermissionError

from scheduler.process.stop import Stop
from scheduler.storage.client import AWAY, Client, PubSub
from scheduler.storage.keys import Keys

LOOK_INTERVAL_S = 0.25  #: seconds between two looks at the schedule file and the lock while nothing is announced
INVALIDATE = "invalidate"  #: the kind of message with which Redis tells that a key was written
#: The index since it was asked last: "unknown" before Redis began to tell.
IndexNews = Literal["", "changed", "unknown"]


class Listener:
    """Subscribed to the channel on which every change of a schedule is announced."""

    def __init__(self, client: Client, keys: Keys, stop: Stop, token: str) -> None:
        self.client = client
        self.keys = keys
        self.own = keys.beat(token)  #: a channel that tells others that this process lives
        self.stop = stop
        self.pubsub: PubSub | None = None
        self.hears_index = False  #: whether Redis tells of each change of the index
        self.is_woken = False  #: whether something was announced that no wait has ended for
        self.index: IndexNews = ""

    def listen(self, seconds: float, is_interrupted: Callable[[], bool], *, with_index: bool = False) -> None:
        """Wait so long, or until a change is announced, a reload is asked for, or there is another reason.

        ``with_index`` asks Redis to tell of changes of the index too, which ``take_index`` has then. Raises SystemExit
        when this process is asked to stop.
        """
        if self.pubsub is None:
            self._subscribe(with_index=with_index)
            return  # a change may have been announced before we listened
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0 and not self.is_woken:
            with self.stop.waiting():
                message = self.pubsub.get_message(timeout=min(rest, LOOK_INTERVAL_S))
            if message is not None:
                self._take(message)
                self._take_all()  # one tick looks at everything that was announced by now
            if self.stop.asked_to_reload or is_interrupted():
                break
        self.is_woken = False

    def take_index(self) -> IndexNews:
        """What happened to the index up to now, since this was asked last."""
        self._take_all()
        news, self.index = self.index, ""
        return news

    def close(self) -> None:
        """Unsubscribe, because the connection is lost, the process ends, or the role changes."""
        if self.pubsub is not None:
            if connection := self.pubsub.connection:
                connection.deregister_connect_callback(self._follow_index)
                connection._parser.set_invalidation_push_handler(None)
            self.pubsub.close()
            self.pubsub = None
        self.hears_index, self.index = False, ""

    def _subscribe(self, *, with_index: bool) -> None:
        self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe(self.keys.wake)
        self.pubsub.get_message(timeout=1.0)
        with suppress(NoPermissionError):  # a rule of an older release: the others wait for the lock's end
            self.pubsub.subscribe(self.own)
            self.pubsub.get_message(timeout=1.0)
        if with_index:
            self._follow_index(self.pubsub.connection)
            self.pubsub.connection.register_connect_callback(self._follow_index)

    def _follow_index(self, connection: Any) -> None:
        """Ask Redis to tell of changes of the index, over this connection, also after it was made again."""
        self.hears_index = False
        connection._parser.set_invalidation_push_handler(as_message)  # without one, redis-py drops what Redis tells
        try:
            connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self.keys.schedule)
            connection.read_response()
        except ResponseError as error:  # no such command, or not for this user
            if isinstance(error, AWAY):
                raise
            return
        self.hears_index, self.index = True, "unknown"

    def _take(self, message: dict[str, Any]) -> None:
        if message["channel"] != INVALIDATE:
            self.is_woken = True
        elif not self.index:
            self.index = "changed"

    def _take_all(self) -> None:
        while self.pubsub and (message := self.pubsub.get_message(timeout=0.0)) is not None:
            self._take(message)


def as_message(pushed: list[Any]) -> list[Any]:
    """A push that tells of a written key in the form of a message, which ``get_message`` returns."""
    return ["message", INVALIDATE, pushed[1]]
