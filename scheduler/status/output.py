"""The output of a run as people read it: in lines that no terminal acts on, with a mark for what is left out."""

from __future__ import annotations

from scheduler.errors import NotFound
from scheduler.model import Run
from scheduler.printable import printable_output
from scheduler.storage import output
from scheduler.storage.ledger import Ledger
from scheduler.storage.output import Output

MAX_ATTEMPTS_READ = 5
LAST_LINES = 10  #: in a message to a person
MAX_LAST_CHARS = 1_000


def of_run(ledger: Ledger, run: Run) -> list[Output]:
    """What the newest attempts of a run printed and logged, oldest first; nothing of one that was silent."""
    return output.read(
        ledger.client, ledger.keys, run.id, range(max(run.attempt - MAX_ATTEMPTS_READ, 0) + 1, run.attempt + 1)
    )


def of_attempt(ledger: Ledger, run_id: str, attempt: int) -> Output:
    """What this attempt printed and logged so far; empty for one that was silent, or whose output has expired."""
    return next(iter(output.read(ledger.client, ledger.keys, run_id, [attempt])), Output(run_id, attempt))


def text(output: Output) -> str:
    """All of it."""
    return "\n".join(Lines().take(output, is_end=True))


def last_lines(ledger: Ledger, run_id: str) -> str:
    """The end of what the last attempt of a run printed and logged, for a message; empty if it was silent."""
    try:
        attempt = ledger.get(run_id).attempt
    except NotFound:
        return ""
    lines = Lines().take(of_attempt(ledger, run_id, attempt), is_end=True)
    return "\n".join(lines[-LAST_LINES:])[-MAX_LAST_CHARS:]


class Lines:
    """Turns an output that grows into lines."""

    def __init__(self) -> None:
        self.position = 0  #: bytes of the output that were taken
        self.rest = b""  #: the line that has not ended

    def take(self, output: Output, *, is_end: bool = False) -> list[str]:
        """The lines that ended since the last call; with ``is_end`` the last one too."""
        head, left_out, tail = output.since(self.position)
        self.position = output.written
        lines = self.split(head, is_end=is_end or left_out > 0)
        if left_out:
            lines.append(f"… {left_out:,} bytes left out …")
        return lines + self.split(tail, is_end=is_end)

    def split(self, data: bytes, *, is_end: bool) -> list[str]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        if is_end and self.rest:
            lines, self.rest = [*lines, self.rest], b""
        return [printable_output(line.removesuffix(b"\r").decode("utf-8", "backslashreplace")) for line in lines]
