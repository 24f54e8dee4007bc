"""One log of many processes: complete lines, each after the padded, coloured name of its process."""

from __future__ import annotations

from typing import BinaryIO

COLOURS = {"up": 37, "redis": 31, "beat": 33, "worker": 32, "admin": 36}  # ANSI foregrounds
WIDTH = max(len(name) for name in COLOURS)


class MergedLog:
    """Writes to `stream`; ignores that its reader is gone, so that everything can still be stopped in order."""

    def __init__(self, stream: BinaryIO, *, colour: bool) -> None:
        self.stream = stream
        self.colour = colour

    def write(self, name: str, line: str) -> None:
        """Write a program's line behind its name; a terminal that is gone is no error."""
        prefix = f"{name:<{WIDTH}} | "
        if self.colour:
            prefix = f"\x1b[{COLOURS.get(name, 37)}m{prefix}\x1b[0m"
        try:
            self.stream.write(f"{prefix}{line}\n".encode(errors="replace"))
            self.stream.flush()
        except (OSError, ValueError):
            return
