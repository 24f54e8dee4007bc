"""One child process: its own session, its output line by line, and its end with ours."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
LONGEST_LINE = 65536  # bytes; a longer line is cut into pieces of this size

Patience = tuple[tuple[signal.Signals, float], ...]  #: signals that ask to stop, each with the seconds it is given
PATIENCE: Patience = ((signal.SIGTERM, 5.0),)


@dataclass(frozen=True)
class Program:
    """What to run under which name, and how it wants to be stopped."""

    name: str
    command: list[str]
    patience: Patience = PATIENCE
    fds: tuple[int, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    quiet: bool = False  #: its lines are kept, not logged
    ready: str = ""  #: a regular expression that finds the line with which it says that it is ready


class Process:
    """A program that was started."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.started = time.monotonic()
        self.last: deque[str] = deque(maxlen=1000 if program.quiet else 12)  #: the lines that it printed last
        self.rest = b""
        self.silent = False  #: its output has ended
        self.is_ready = False
        parent = os.getpid()
        # No thread runs here, so code between fork and exec is safe.
        self.popen = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=dict(program.environ),
            pass_fds=program.fds,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent),
        )
        assert self.popen.stdout is not None
        self.output = self.popen.stdout.fileno()
        os.set_blocking(self.output, False)

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    @property
    def exit_code(self) -> int:
        """Of a process that has ended: 128 + n if signal n ended it, as shells say it."""
        code = self.popen.wait()
        return code if code >= 0 else 128 - code

    def lines(self) -> list[str]:
        """The whole lines that came since; sets `silent` at their end."""
        got = self.rest + b"".join(self.chunks())
        *whole, self.rest = got.split(b"\n")
        if self.rest and (self.silent or len(self.rest) > LONGEST_LINE):
            whole, self.rest = [*whole, self.rest], b""
        lines = [piece.decode(errors="replace").rstrip() for line in whole for piece in pieces(line)]
        self.last.extend(lines)
        if self.program.ready and not self.is_ready:
            self.is_ready = any(re.search(self.program.ready, line) for line in lines)
        return lines

    def chunks(self) -> Iterator[bytes]:
        """What the pipe holds now, but no more than a megabyte, so that one who floods it leaves the others a turn."""
        for _ in range(16):
            try:
                chunk = os.read(self.output, 65536)
            except BlockingIOError:
                return
            if not chunk:
                self.silent = True
                return
            yield chunk

    def close(self) -> None:
        assert self.popen.stdout is not None
        self.popen.stdout.close()

    def signal(self, number: signal.Signals) -> None:
        if not self.has_ended:
            self.popen.send_signal(number)

    def kill_group(self) -> None:
        """End it and whatever it started that is still in its group."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def pieces(line: bytes) -> list[bytes]:
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)] or [line]


def die_with(parent: int) -> None:
    """In a new child: be killed when the supervisor is, which a signal sent too early would miss."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
