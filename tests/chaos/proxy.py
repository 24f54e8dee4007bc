"""A way to Redis on which an answer can be lost after the command was carried out, and a command can be held up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Proxy:
    """Passes all on between its own socket and that of Redis."""

    def __init__(self, place: Path, redis: Path) -> None:
        self.url = f"redis+socket://{place}"
        self.redis = redis
        self.swallowed = threading.Event()
        self._swallow = False
        self.held: list[bytes] = []  #: the commands that wait for ``let_go``
        self._word = b""
        self._free = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place))
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_answer(self) -> None:
        """Break the connection in place of the next answer of a script; ``swallowed`` tells when."""
        self._swallow = True

    def hold(self, word: bytes) -> None:
        """Pass on no command with this in it before ``let_go``."""
        self._word = word

    def let_go(self) -> None:
        self._word = b""
        self._free.set()

    def close(self) -> None:
        self.let_go()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.redis))
                asked = threading.Event()
                threading.Thread(target=self._ask, args=(client, server, asked), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, asked), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"\r\nEVAL" in data:
                    asked.set()
                if self._word and self._word in data:
                    self.held.append(data)
                    self._free.wait()
                server.sendall(data)
        close(client, server)

    def _answer(self, server: socket.socket, client: socket.socket, asked: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if self._swallow and asked.is_set() and not data.startswith(b"-NOSCRIPT"):
                    self._swallow = False
                    self.swallowed.set()
                    break
                asked.clear()
                client.sendall(data)
        close(server, client)


def close(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxy(directory: Path) -> Iterator[Proxy]:
    made = Proxy(directory / "proxy.sock", directory / "r.sock")
    try:
        yield made
    finally:
        made.close()
