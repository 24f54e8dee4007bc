"""One child process: in its own session, with its output line by line; it ends when this process does."""

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
MAX_LINE_BYTES = 65536  # a longer line is cut into pieces of this size

StopSteps = tuple[tuple[signal.Signals, float], ...]  #: signals that ask to stop, each with the seconds to wait
STOP_STEPS: StopSteps = ((signal.SIGTERM, 5.0),)


@dataclass(frozen=True)
class Program:
    """A program to run: its name, its command and how to stop it."""

    name: str
    command: list[str]
    stop_steps: StopSteps = STOP_STEPS
    fds: tuple[int, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    quiet: bool = False  #: its lines are kept, not logged
    ready: str = ""  #: a regular expression for the line that says that it is ready


class Process:
    """A program that runs, or has ended."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.started = time.monotonic()
        self.last: deque[str] = deque(maxlen=1000 if program.quiet else 12)  #: the last lines of its output
        self.rest = b""  #: an incomplete line
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
            preexec_fn=lambda: enter_child(parent),
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
        """Of a process that has ended: 128 + n if signal n ended it, as in a shell."""
        code = self.popen.wait()
        return code if code >= 0 else 128 - code

    def lines(self) -> list[str]:
        """The complete lines since the last call; sets `silent` at the end of the output."""
        output = self.rest + b"".join(self.chunks())
        *whole, self.rest = output.split(b"\n")
        if self.rest and (self.silent or len(self.rest) > MAX_LINE_BYTES):
            whole, self.rest = [*whole, self.rest], b""
        lines = [piece.decode(errors="replace").rstrip() for line in whole for piece in pieces(line)]
        self.last.extend(lines)
        if self.program.ready and not self.is_ready:
            self.is_ready = any(re.search(self.program.ready, line) for line in lines)
        return lines

    def chunks(self) -> Iterator[bytes]:
        """What the pipe holds now, at most 1 MiB, so that a flood from one process does not delay the others."""
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
        """Send a signal, unless the process has ended."""
        if not self.has_ended:
            self.popen.send_signal(number)

    def kill_group(self) -> None:
        """Kill it and the processes that it started, as far as they are in its group."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def pieces(line: bytes) -> list[bytes]:
    """The line in parts of at most MAX_LINE_BYTES; one empty part for an empty line."""
    return [line[start : start + MAX_LINE_BYTES] for start in range(0, len(line), MAX_LINE_BYTES)] or [line]


def enter_child(parent: int) -> None:
    """In a new child: hear every signal, and get killed when the supervisor ends; exit if it has ended already."""
    for number in (signal.SIGINT, signal.SIGQUIT):  # a script's `up &` ignores them, and children inherit that
        signal.signal(number, signal.SIG_DFL)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before prctl, and then no signal ever comes.
    if os.getppid() != parent:
        os._exit(1)
