"""gunicorn's worker with threads, which gives a thread only to a request that has arrived whole.

gunicorn's own lets a thread wait for the request of a connection, so a few slow clients hold every thread.
``/healthz`` has a thread of its own, and searches have a few, so that neither waits behind slow requests.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from scheduler.admin import turns

ARRIVAL_S = 10.0  #: seconds that a request may take to arrive
MAX_ARRIVING = 200  #: connections that are waited for; for each further one, that which waits longest is closed
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 256 * 1024  #: of a form, as Flask is told in admin/__init__.py
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
HEALTH = re.compile(rb"(GET|HEAD) /healthz[ ?]")
CHUNKED = re.compile(rb"^transfer-encoding:", re.IGNORECASE | re.MULTILINE)
REFUSAL = "HTTP/1.1 {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
NO_LENGTH = REFUSAL.format("411 Length Required").encode()
TOO_LARGE = REFUSAL.format("413 Content Too Large").encode()


class Threads(ThreadPoolExecutor):
    """The page's threads, and more for ``/healthz`` and for searches."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.health = ThreadPoolExecutor(1)
        self.searches = ThreadPoolExecutor(turns.AT_ONCE)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Run gunicorn's ``handle(conn)`` in a thread."""
        head = peek(args[0])
        if HEALTH.match(head):
            return self.health.submit(fn, *args, **options)
        if turns.SEARCH.match(head):
            return self.searches.submit(turns.in_turn(fn, *args, **options))
        return super().submit(fn, *args, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for pool in (self.health, self.searches):
            pool.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


class WholeRequests(ThreadWorker):
    """The worker class in ``serving``."""

    def get_thread_pool(self) -> Threads:
        return Threads(self.cfg.threads)

    def init_process(self) -> None:
        for listener in self.sockets:  # what it accepts inherits this: a whole form must fit into the kernel's buffer
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * (MAX_HEAD_BYTES + MAX_BODY_BYTES))
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection with a request to a thread, or wait for the rest of its request."""
        if self.cfg.is_ssl or self.has_arrived(conn):
            self.give_to_thread(conn)
            return
        if len(self.pending_conns) >= MAX_ARRIVING:
            self.pending_conns[0].timeout = 0.0
            self.murder_pending()
        conn.timeout = time.monotonic() + ARRIVAL_S
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """More of a request is here."""
        if not self.has_arrived(conn):
            return
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        self.give_to_thread(conn)

    def give_to_thread(self, conn: Any) -> None:
        conn.data_ready = True
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """After an answer: wait for the next request, or close, as gunicorn does, but see ``close``."""
        conn.close = partial(close, conn)
        super().finish_request(conn, fs)

    def has_arrived(self, conn: Any) -> bool:
        """Whether a thread can read the request, or see that there is none, without a wait."""
        data = read_ahead(conn)
        conn.sock.setblocking(False)
        try:
            here = conn.sock.recv(MAX_HEAD_BYTES + MAX_BODY_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return is_request(data)
        except OSError:
            return True
        if conn.sock.family == socket.AF_UNIX:  # has no low-water mark; the web server behind it sends whole requests
            return True
        if answer := refusal(data + here):
            conn.sock.send(answer)
            conn.sock.shutdown(socket.SHUT_RD)  # the thread reads the end, and closes
        has_ended = len(here) == getattr(conn, "bytes_seen", 0)  # it is readable with no more bytes: no more will come
        is_whole = has_ended or bool(answer) or is_request(data + here)
        conn.bytes_seen = 0 if is_whole else len(here)
        # Only bytes beyond those that were looked at make it readable again; a thread reads any.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_whole else len(here) + 1)
        return is_whole


def close(conn: Any, graceful: bool = False) -> None:
    """Close without a wait for the client: gunicorn waits 2 s for each, in the loop that serves all others.

    What has arrived is read before, or the kernel would take back the end of an answer that the client has not read.
    """
    with suppress(OSError):
        conn.sock.setblocking(False)
        conn.sock.shutdown(socket.SHUT_WR)
        conn.sock.recv(MAX_HEAD_BYTES + MAX_BODY_BYTES)
    conn.sock.close()


def read_ahead(conn: Any) -> bytes:
    """The beginning of this request, which gunicorn may have read together with the request before."""
    data: bytes = conn.parser.unreader.buf.getvalue() if conn.parser else b""
    return data


def peek(conn: Any) -> bytes:
    """The beginning of the request as far as it is here."""
    data = read_ahead(conn)
    try:
        here: bytes = conn.sock.recv(MAX_HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return data + here
    except (OSError, ValueError):  # nothing is here, or it is encrypted
        return data


def is_request(data: bytes) -> bool:
    """Whether this begins with a whole request, or with what gunicorn refuses as too large a head."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return len(data) >= MAX_HEAD_BYTES
    length = LENGTH.search(head)
    return length is None or len(body) >= int(length[1])


def refusal(data: bytes) -> bytes:
    """The answer to a request whose body this page does not read; empty for any other."""
    head, end, _ = data.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if not end or not (length or CHUNKED.search(head)):
        return b""
    if length is None:
        return NO_LENGTH
    return TOO_LARGE if int(length[1]) > MAX_BODY_BYTES else b""
