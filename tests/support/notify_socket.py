"""The socket that systemd would listen on for what a service tells."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.polling import until


class NotifySocket:
    """Keeps every datagram that came."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "notify")
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.door.bind(self.path)
        self.door.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """All datagrams so far."""
        while True:
            try:
                self.heard.append(self.door.recv(65536).decode())
            except BlockingIOError:
                return self.heard

    def hears(self, *parts: str, seconds: float = 60) -> str:
        """Wait for one datagram, from now on, that holds all of these."""
        known = len(self.listen())

        def found() -> str | None:
            return next((one for one in self.listen()[known:] if all(part in one for part in parts)), None)

        return until(found, seconds, f"told {parts}; heard so far: {self.heard[-3:]}")

    def close(self) -> None:
        self.door.close()
