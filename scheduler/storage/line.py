"""A connection to Redis that a process keeps, for what is done with each message and each run.

redis-py's pool takes twice as long to hand one out and take it back as a command takes, and its pipeline thrice as long
as the same commands at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import redis

from scheduler.storage.packing import packed

Command = tuple[Any, ...]
PIECE_BYTES = 65_536  #: that are sent at once
Told = Callable[[], object]


class Line:
    """One connection of a pool; another of the pool's while a thread uses it, and a new one after a fork."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.lock = threading.Lock()
        self.connection: Any = None
        self.pid = 0  #: of the process that opened it
        self.owed: tuple[int, Told, Told] | None = None  #: answers to what was posted, and whom to tell

    def call(self, *command: Any, wait_s: float = 0.0) -> Any:
        """The answer to a command; ``wait_s`` seconds are its time limit in place of the pool's.

        Raises what redis-py does, and sends again as often as the pool is told to.
        """
        return self.use(lambda connection: answer(connection, command, wait_s))

    def in_one_step(self, commands: Sequence[Command]) -> None:
        """Run commands as one transaction; raises the first error. They must be such that may be sent twice."""
        self.use(lambda connection: exchange(connection, transaction(commands)))

    def post(
        self, commands: Sequence[Command], done: Told, failed: Told = lambda: None, *, in_one_step: bool = True
    ) -> None:
        """The same without waiting for the answers, which are read before the next command.

        ``done`` is called then, or ``failed`` if Redis refused or the connection was lost: what was posted may be done
        all the same. Without ``in_one_step``, other clients are served between the commands. While another thread
        uses the line, the commands are one transaction and waited for, and this raises what redis-py does.
        """
        if not self.lock.acquire(blocking=False):
            self.in_one_step(commands)
            done()
            return
        posted = transaction(commands) if in_one_step else commands
        try:
            connection = self.opened()
            self.owed = len(posted), done, failed  # before they are sent: nothing may come between
            try:
                repeated(connection, lambda connection: send(connection, posted))
            except BaseException:
                self.owed = None
                raise
        finally:
            self.lock.release()

    def finish(self) -> None:
        """Wait until Redis has done what was posted."""
        with self.lock:
            if self.pid == os.getpid():
                self.settle()

    def use(self, work: Callable[[Any], Any]) -> Any:
        if not self.lock.acquire(blocking=False):
            return self.lend(work)
        try:
            return repeated(self.opened(), work)
        finally:
            self.lock.release()

    def opened(self) -> Any:
        """The connection, and connected anew if the other side closed it or an answer was never read."""
        if self.pid != os.getpid():
            self.connection, self.pid, self.owed = self.pool.get_connection(), os.getpid(), None
            return self.connection
        self.settle()
        if has_news(self.connection):
            self.connection.disconnect()
        return self.connection

    def settle(self) -> None:
        """Read what is owed."""
        owed, self.owed = self.owed, None
        if owed is None:
            return
        count, done, failed = owed
        try:
            read(self.connection, count)
        except redis.RedisError:
            failed()
            return
        except BaseException:
            self.connection.disconnect()
            failed()
            raise
        done()

    def lend(self, work: Callable[[Any], Any]) -> Any:
        """The same over another connection, for as long as it takes."""
        connection = self.pool.get_connection()
        try:
            return repeated(connection, work)
        finally:
            self.pool.release(connection)


def repeated(connection: Any, work: Callable[[Any], Any]) -> Any:
    """Do the work again while the connection is lost, as often as it was told to when it was made."""

    def attempt() -> Any:
        if not connection.is_connected:
            connection.connect()  # sending would connect too, but to the old address of a primary that moved
        return work(connection)

    try:
        return connection.retry.call_with_retry(attempt, lambda _: connection.disconnect())
    except redis.RedisError:
        raise
    except BaseException:  # a time limit, between a command and its answer: the next command must not take that one
        connection.disconnect()
        raise


def has_news(connection: Any) -> bool:
    """Whether there is something to read, before anything was asked."""
    try:
        return bool(connection.can_read())
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True


def answer(connection: Any, command: Command, wait_s: float) -> Any:
    send(connection, [command])
    return connection.read_response(timeout=wait_s) if wait_s else connection.read_response()


def transaction(commands: Sequence[Command]) -> list[Command]:
    return [("MULTI",), *commands, ("EXEC",)]


def send(connection: Any, commands: Sequence[Command]) -> None:
    # redis-py looks at each part of each command again, which takes longer than all the rest of it.
    text = memoryview(b"".join(map(packed, commands)))
    # In pieces: the time limit of a connection is for each.
    connection.send_packed_command([text[at : at + PIECE_BYTES] for at in range(0, len(text), PIECE_BYTES)])


def exchange(connection: Any, commands: Sequence[Command]) -> None:
    send(connection, commands)
    read(connection, len(commands))


def read(connection: Any, count: int) -> None:
    """Read every answer, also after an error: the connection is used again. Raises the first error."""
    errors: list[Exception] = []
    for _ in range(count):
        try:
            answers = connection.read_response()
        except redis.ResponseError as error:
            errors.append(error)
        else:  # EXEC answers with a list, in which the errors of single commands are
            errors += [it for it in answers if isinstance(it, Exception)] if isinstance(answers, list) else []
    if errors:
        raise errors[0]
