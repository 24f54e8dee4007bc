"""A way to Redis on which an answer can be lost after the command was carried out."""

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
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place))
        self._listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_answer(self) -> None:
        """Break the connection in place of the next answer; ``swallowed`` tells when."""
        self._swallow = True

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.redis))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self._swallow:
                    self._swallow = False
                    self.swallowed.set()
                    break
                target.sendall(data)
        for end in (source, target):
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
