"""Run a program from an argument list, never from a shell line."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from celery import current_task, shared_task
from celery.exceptions import SoftTimeLimitExceeded

from scheduler.tasks.errors import TaskFailed, TimedOut
from scheduler.tasks.programs import Program


@shared_task(name="scheduler.tasks.run_command", file_only=True)
def run_command(
    argv: list[str],
    timeout: float | None = 300,
    directory: str = "/",
    environment: Mapping[str, str] | None = None,
    success_codes: Sequence[int] = (0,),
    stdin: str = "",
) -> dict[str, Any]:
    """Run a program with these arguments, without a shell; fails if the program fails or exceeds ``timeout`` seconds.

    Returns the end of its output, or fails with it; any exit code but the ``success_codes`` is a failure. The program
    gets the worker's environment without ``SCHEDULER_*``, facts of its run, and ``environment``. It ends with the task,
    and so does every process that it started, however the task ends: SIGTERM first, SIGKILL ten seconds later,
    or as long as `kill_after` says.
    """
    if not is_argument_list(argv):
        raise TaskFailed("argv must be a list of texts, such as [ls, -l, /tmp], because no shell splits it")
    started = time.monotonic()
    variables = {**(known("environment") or {}), **(environment or {})}
    program = Program(argv, directory, variables, stdin, known("output"), known("kill_after"), known("max_memory"))
    try:
        code = program.wait(timeout)
    except SoftTimeLimitExceeded:
        raise TimedOut(sentence(program, "was stopped: its run exceeded its timeout"), program.output) from None
    if code is None:
        how = f"was stopped: it exceeded its timeout of {timeout:g} s"
        raise TimedOut(sentence(program, how), program.output)
    if code not in success_codes:
        raise TaskFailed(sentence(program, ending(code)), program.output).ended_with(code)
    seconds = round(time.monotonic() - started, 3)
    return {"exit_code": code, "seconds": seconds, "output": program.output, "output_bytes": program.output_bytes}


def known(what: str) -> Any:
    """What a worker of this service says of the run that the task belongs to; None in a plain call."""
    tell = getattr(current_task, f"scheduler_{what}", None) if current_task else None
    return tell() if tell else None


def is_argument_list(value: object) -> bool:
    """Whether this is a list of at least one text, and nothing but texts."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def ending(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code} ({signal.strsignal(-code)})"
    return f"failed with exit code {code}"


def sentence(program: Program, ending: str) -> str:
    """One sentence about how a program failed, with the last line of its output."""
    lines = program.output.strip().splitlines()
    return f"'{program.name}' {ending}" + (f": {lines[-1][:300]}" if lines else "")
