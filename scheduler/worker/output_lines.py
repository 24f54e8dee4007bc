"""What bodies print, as lines of the log with the run that they belong to; a flood of them is cut."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from scheduler.printable import printable_output

LOGGER = "scheduler.output"
#: With 5 steps a second: the journal takes 10,000 lines from a service in 30 s, and drops what follows.
MAX_LINES_PER_STEP = 60
MAX_LINES_AT_END = 300  #: of a body; more would push out what others log
logger = logging.getLogger(LOGGER)


def are_logged() -> bool:
    """Whether the level of the log lets them through."""
    return logger.isEnabledFor(logging.INFO)


class Lines:
    """The lines that wait for the next step."""

    def __init__(self, size: int) -> None:
        self.size = size  #: bytes that may wait
        self.waiting = bytearray()
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Take these bytes; without room, none until those that wait are logged."""
        room = 0 if self.left_out else self.size - len(self.waiting)
        self.waiting += data[:room]
        self.left_out += max(len(data) - room, 0)

    def take(self, *, everything: bool) -> list[str]:
        """The lines of this step: the whole ones, or all that there is."""
        parts = bytes(self.waiting).split(b"\n", -1 if everything else MAX_LINES_PER_STEP)
        rest = parts.pop()
        is_last = everything or (self.left_out and b"\n" not in rest) or len(rest) == self.size
        lines = [*parts, rest] if is_last else parts
        self.waiting = bytearray(b"" if is_last else rest)
        lines, cut = lines[:MAX_LINES_AT_END], lines[MAX_LINES_AT_END:]
        self.left_out += sum(len(line) + 1 for line in cut)
        texts = [printable_output(line.decode("utf-8", "backslashreplace").rstrip()) for line in lines]
        if is_last and self.left_out:
            texts.append(f"… {self.left_out:,} bytes left out …")
            self.left_out = 0
        return [text for text in texts if text]


def log(run_id: str, lines: Iterable[str]) -> None:
    """Log lines of a run; its fields are those of an event."""
    for line in lines:
        logger.info("%s", line, extra={"event": "run.output", "fields": {"run": run_id}})
