"""The admin's listening socket, opened before gunicorn starts, and the first request to it."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterable

from scheduler.errors import Exit, SchedulerError

FIRST_PORT, LAST_PORT = 8000, 8099


class CannotListen(SchedulerError):
    """The web port cannot be opened: give another one with --port."""

    exit_code = Exit.UNAVAILABLE


def listen(host: str, port: int | None) -> socket.socket:
    """Listen on `port`, or on the first free one from 8000. gunicorn gets the open socket: no one can take the port."""
    ports: Iterable[int] = range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,)
    for number in ports:
        try:
            return socket.create_server((host, number), family=family(host), backlog=128)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                raise CannotListen(
                    f"cannot listen on {host} port {number}: {why}; give another --host or --port"
                ) from None
    if port is None:
        raise CannotListen(f"ports {FIRST_PORT} to {LAST_PORT} are all taken on {host}: give a free one with --port")
    raise CannotListen(
        f"port {port} is taken on {host}: give another one with --port, or none to use the next free one"
    )


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def address(listener: socket.socket) -> str:
    """Host and port of the page for a browser on this machine: `127.0.0.1:8000`, or `[::1]:8000`."""
    host, port = reachable(listener)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(listener: socket.socket) -> tuple[str, int]:
    """Its address; loopback for a socket that listens on every address."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - asked, not bound


class FirstRequest:
    """GET /healthz, sent before gunicorn runs: the socket is open, so the answer comes with its first worker."""

    def __init__(self, listener: socket.socket) -> None:
        self.connection = socket.socket(listener.family)
        self.connection.connect(reachable(listener))
        self.connection.sendall(f"GET /healthz HTTP/1.0\r\nHost: {address(listener)}\r\n\r\n".encode())
        self.connection.setblocking(False)

    def answered(self) -> bool:
        """Whether the answer came; raise CannotListen if it is an error."""
        try:
            head = self.connection.recv(4096).decode(errors="replace")
        except BlockingIOError:
            return False
        self.connection.close()
        if not re.match(r"HTTP/1\.\d 200\b", head):
            raise CannotListen(f"the admin answers {head.partition(chr(13))[0]!r}: its lines above say why")
        return True
