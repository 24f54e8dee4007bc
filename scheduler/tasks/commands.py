"""Run a program from an argument list, never from a shell line."""

from __future__ import annotations

import signal
import time
from typing import Any

from celery import shared_task

from scheduler.tasks.errors import TaskFailed
from scheduler.tasks.programs import Program


@shared_task(name="scheduler.tasks.run_command", file_only=True)
def run_command(argv: list[str], timeout: float = 300, directory: str = "/") -> dict[str, Any]:
    """Run a program with these arguments, without a shell; fails if the program fails or exceeds ``timeout`` seconds.

    Returns the end of its output, or fails with it. The program gets the worker's environment without ``SCHEDULER_*``.
    It ends with the task, and so does every process that it started, however the task ends: SIGTERM first, SIGKILL ten
    seconds later.
    """
    if not is_argument_list(argv):
        raise TaskFailed("argv must be a list of texts, such as [ls, -l, /tmp], because no shell splits it")
    started = time.monotonic()
    program = Program(argv, directory)
    code = program.wait(timeout)
    if code != 0:
        raise TaskFailed(ending(argv[0], code, timeout, program.output), program.output)
    seconds = round(time.monotonic() - started, 3)
    return {"exit_code": 0, "seconds": seconds, "output": program.output, "output_bytes": program.output_bytes}


def is_argument_list(value: object) -> bool:
    """Whether this is a list of at least one text, and nothing but texts."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def ending(program: str, code: int | None, timeout: float, output: str) -> str:
    """One sentence about how a program failed, with the last line of its output."""
    lines = output.strip().splitlines()
    last_line = f": {lines[-1][:300]}" if lines else ""
    if code is None:
        return f"'{program}' was stopped: it exceeded its timeout of {timeout:g} s{last_line}"
    if code < 0:
        return f"'{program}' was killed by signal {-code} ({signal.strsignal(-code)}){last_line}"
    return f"'{program}' failed with exit code {code}{last_line}"
