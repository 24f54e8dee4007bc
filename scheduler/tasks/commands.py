"""Run a program from an argument list, never from a shell line."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import Any

from celery import shared_task

from scheduler.tasks.errors import TaskFailed

MAX_OUTPUT_BYTES = 16_384
POLL_S = 0.05  #: how often to check for the end of a program while another process keeps its pipe open


@shared_task(name="scheduler.tasks.run_command")
def run_command(argv: list[str], timeout: float = 300, directory: str = "/") -> dict[str, Any]:
    """Run a program with these arguments, without a shell; fails if the program fails or exceeds ``timeout`` seconds.

    Returns the end of its output. The program gets the worker's environment without ``SCHEDULER_*``.
    """
    if not is_argument_list(argv):
        raise TaskFailed("argv must be a list of texts, such as [ls, -l, /tmp], because no shell splits it")
    begun = time.monotonic()
    process = start(argv, directory)
    output = Output()
    try:
        in_time = output.read(process, begun + timeout)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not in_time or process.returncode:
        raise TaskFailed(ending(argv[0], process.returncode if in_time else None, timeout, output.text))
    elapsed = round(time.monotonic() - begun, 3)
    return {"exit_code": 0, "seconds": elapsed, "output": output.text, "output_bytes": output.length}


def is_argument_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def start(argv: list[str], directory: str) -> subprocess.Popen[bytes]:
    """Start it in its own session, so that the whole process group can be killed."""
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={key: value for key, value in os.environ.items() if not key.startswith("SCHEDULER_")},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise TaskFailed(f"'{argv[0]}' cannot be started: {getattr(error, 'strerror', None) or error}") from None


class Output:
    """The end of a program's output, and the length of all of it."""

    def __init__(self) -> None:
        self.tail = b""
        self.length = 0

    @property
    def text(self) -> str:
        return self.tail.decode("utf-8", "replace")

    def read(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Read until the program ends; False when the deadline (monotonic seconds) comes first."""
        assert process.stdout is not None
        with process.stdout as pipe, selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                # A grandchild may keep the pipe open: after the program has ended, read only what is there.
                ended = process.poll() is not None
                ready = selector.select(0 if ended else min(left, POLL_S))
                if ready and not self.take(pipe.fileno()):
                    break
                if ended and not ready:
                    return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0))
            return True
        return False

    def take(self, descriptor: int) -> bool:
        chunk = os.read(descriptor, 65_536)
        self.tail = (self.tail + chunk)[-MAX_OUTPUT_BYTES:]
        self.length += len(chunk)
        return bool(chunk)


def ending(program: str, code: int | None, timeout: float, output: str) -> str:
    """One sentence about how a program failed, with the last line of its output."""
    lines = output.strip().splitlines()
    last_line = f": {lines[-1][:300]}" if lines else ""
    if code is None:
        return f"'{program}' was killed: it exceeded its timeout of {timeout:g} s{last_line}"
    if code < 0:
        return f"'{program}' was killed by signal {-code} ({signal.strsignal(-code)}){last_line}"
    return f"'{program}' failed with exit code {code}{last_line}"
