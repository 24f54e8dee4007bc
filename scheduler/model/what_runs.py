"""What a schedule runs: a Celery task, or a program, a shell line or an HTTP request through a built-in task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StringConstraints

from scheduler.model.fields import WHOLE

KINDS = ("task", "command", "shell")  #: exactly one of them is in a schedule
OF_PROGRAMS = ("environment", "directory", "success_codes", "stdin")  #: belong to command and shell
FILE_ONLY = (*KINDS[1:], *OF_PROGRAMS)  #: the page may set none of them
COMMAND_TASK = "scheduler.tasks.run_command"
SHELL = "/bin/sh"

#: The model strips other texts; what a program gets stays as it is written.
Verbatim = Annotated[str, StringConstraints(strip_whitespace=False, max_length=65_536)]
Argv = Annotated[tuple[Verbatim, ...], Field(min_length=1, max_length=1000)]
Environment = dict[Verbatim, Verbatim]
ExitCode = Annotated[int, Field(ge=0, le=255, strict=True), WHOLE]
ExitCodes = Annotated[tuple[ExitCode, ...], Field(min_length=1)]


class Call(NamedTuple):
    """A task with its arguments, as the message has them."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def kind_of(fields: Mapping[str, Any]) -> str:
    """Which of KINDS the fields of a schedule name; ``task`` if none."""
    return next((kind for kind in KINDS if fields.get(kind) is not None), "task")


def program(argv: tuple[str, ...], options: Mapping[str, Any]) -> Call:
    """The call that runs this program; the schedule's ``timeout`` is its only limit."""
    return Call(COMMAND_TASK, (), {"argv": list(argv), "timeout": None, **options})


def shell_line(line: str, options: Mapping[str, Any]) -> Call:
    """The call that gives this line to a shell, which is the only one that reads its ``$``."""
    shell = options.get("environment", {}).get("SHELL") or SHELL
    return program((shell, "-c", line.replace("${", "$${")), options)
