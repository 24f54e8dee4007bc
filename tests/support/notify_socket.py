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
        self.known = 0  #: how many of them a test has waited for, or passed over

    def listen(self) -> list[str]:
        """All datagrams so far."""
        while True:
            try:
                self.heard.append(self.door.recv(65536).decode())
            except BlockingIOError:
                return self.heard

    def hears(self, *parts: str, seconds: float = 60) -> str:
        """Wait for the next datagram, after the one that was waited for last, that holds all of these."""

        def found() -> str | None:
            heard = self.listen()
            while self.known < len(heard):
                self.known += 1
                if all(part in heard[self.known - 1] for part in parts):
                    return heard[self.known - 1]
            return None

        return until(found, seconds, f"told {parts}; heard so far: {self.heard[-3:]}")

    def pass_over(self) -> None:
        """Wait for none of those that came so far."""
        self.known = len(self.listen())

    def close(self) -> None:
        self.door.close()
