"""What a schedule runs: a Celery task, or a program, a shell line or an HTTP request through a built-in task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from scheduler.model.alerts import Filled, Options
from scheduler.model.fields import WHOLE, Duration

KINDS = ("task", "command", "shell", "http")  #: exactly one of them is in a schedule
OF_PROGRAMS = ("environment", "directory", "success_codes", "stdin")  #: belong to command and shell
FILE_ONLY = (*KINDS[1:], *OF_PROGRAMS, "user")  #: the page may set none of them
NOTIFYING = ("alerts", "ping")  #: are read from the schedule file, so a change elsewhere would do nothing
COMMAND_TASK = "scheduler.tasks.run_command"
HTTP_TASK = "scheduler.tasks.http_request"
SHELL = "/bin/sh"

#: The model strips other texts; what a program gets stays as it is written.
Verbatim = Annotated[str, StringConstraints(strip_whitespace=False, max_length=65_536)]
Argv = Annotated[tuple[Verbatim, ...], Field(min_length=1, max_length=1000)]
Environment = dict[Verbatim, Verbatim]
ExitCode = Annotated[int, Field(ge=0, le=255, strict=True), WHOLE]
ExitCodes = Annotated[tuple[ExitCode, ...], Field(min_length=1)]


def read_expect(value: object) -> object:
    """Check statuses such as 204 or ``200-299, 404``; returns them as text."""
    text = str(value) if type(value) is int else value
    if isinstance(text, str) and not all(is_range(part) for part in text.split(",")):
        raise ValueError(f"cannot be {text[:40]!r} — write statuses such as 204 or 200-299, 404")
    return text


def is_range(text: str) -> bool:
    """Whether this is a status, or two with a dash between them, the smaller one first."""
    match = RANGE.fullmatch(text)
    return match is not None and int(match[1]) <= int(match[2] or match[1])


RANGE = re.compile(r"\s*([1-5][0-9][0-9])(?:\s*-\s*([1-5][0-9][0-9]))?\s*")
Expect = Annotated[
    str,
    Field(max_length=200),
    BeforeValidator(read_expect),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "maxLength": 200, "pattern": rf"^{RANGE.pattern}(,{RANGE.pattern})*$"},
            ]
        }
    ),
]


class Call(NamedTuple):
    """A task with its arguments, as the message has them."""

    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def kind_of(fields: Mapping[str, Any]) -> str:
    """Which of KINDS the fields of a schedule name; ``task`` if none."""
    return next((kind for kind in KINDS if fields.get(kind) is not None), "task")


def task_of(fields: Mapping[str, Any]) -> str:
    """The task that its runs are."""
    kind = kind_of(fields)
    return str(fields.get("task") or "") if kind == "task" else HTTP_TASK if kind == "http" else COMMAND_TASK


def program(argv: tuple[str, ...], options: Mapping[str, Any]) -> Call:
    """The call that runs this program; the schedule's ``timeout`` is its only limit."""
    return Call(COMMAND_TASK, (), {"argv": list(argv), "timeout": None, **options})


def shell_line(line: str, options: Mapping[str, Any]) -> Call:
    """The call that gives this line to a shell, which is the only one that reads its ``$``."""
    shell = options.get("environment", {}).get("SHELL") or SHELL
    return program((shell, "-c", line.replace("${", "$${")), options)


class Http(Options):
    """An HTTP request. It follows no redirect."""

    url: Filled = Field(description="An `http://` or `https://` address; `${VAR}` and `${file:/path}` are filled in.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        None, description="`POST` with `json` and `GET` without it, if left out."
    )
    headers: dict[str, Verbatim] = Field({}, description="Headers of the request; with references as in `url`.")
    json_: Any = Field(None, alias="json", description="Body, sent as JSON; with references as in `url`.")
    expect: Expect = Field("200-299", description="Statuses that mean success.", examples=["200-299, 404"])
    timeout: Duration = Field(timedelta(seconds=10), description="For the whole request, with its answer.")
    allow_private: bool = Field(
        False,
        strict=True,
        description="Also ask addresses that are not public: private, loopback and link-local ones.",
    )

    def open_values(self) -> dict[str, Any]:
        """The values that may be any JSON or hold references."""
        return {"url": self.url, "headers": self.headers, "json": self.json_}

    def call(self) -> Call:
        """The call that sends it."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return Call(HTTP_TASK, (), given | {"timeout": self.timeout.total_seconds()})
