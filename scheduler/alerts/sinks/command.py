"""Runs a program for an alert: JSON on its standard input, SCHEDULER_ALERT_… in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import sink
from scheduler.alerts.sinks.secrets import Resolved
from scheduler.tasks.programs import OF_THE_WORKER

MAX_OUTPUT_BYTES = 200  #: the end of the output, for the error


class Options(BaseModel):
    """The options of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] = Field(
        description="The program and its arguments; no shell reads them."
    )


def send(alert: Alert, options: Options) -> None:
    """Run it to its end; at the timeout it is killed with what it started. Raises SinkFailed unless it exits with 0."""
    resolved = Resolved()
    argv = resolved.options(options).argv
    # Files instead of pipes: a program that does not read, or leaves a child that holds a pipe, blocks nothing.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(alert.to_json().encode())
        given.seek(0)
        try:
            program = subprocess.Popen(
                argv, stdin=given, stdout=output, stderr=output, env=environment(alert), start_new_session=True
            )
        except (OSError, ValueError) as error:
            resolved.fail(f"'{argv[0]}' cannot be started", getattr(error, "strerror", None) or error)
        try:
            code = program.wait(sink.SEND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            resolved.fail(f"'{argv[0]}' took longer than {sink.SEND_TIMEOUT_S:g} s and was stopped")
        finally:
            end(program)
        if code:
            resolved.fail(f"'{argv[0]}' {ending(code)}", tail(output.fileno()))


def environment(alert: Alert) -> dict[str, str]:
    """The environment without the service's own variables, and the alert's facts."""
    facts = {
        "ID": alert.id,
        "EVENT": alert.event,
        "SEVERITY": alert.severity,
        "SUBJECT": alert.subject,
        "TITLE": alert.title(),
        "REASON": alert.reason,
        "LINK": alert.link,
        "COUNT": str(alert.count),
    }
    # The system refuses a NUL in a variable, and a reason may quote anything.
    own = {f"SCHEDULER_ALERT_{name}": value.replace("\0", "") for name, value in facts.items()}
    return {name: value for name, value in os.environ.items() if not OF_THE_WORKER.match(name)} | own


def end(program: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its process group, and reap it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"exited with {code}"


def tail(descriptor: int) -> str:
    """The end of its output."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, MAX_OUTPUT_BYTES, max(size - MAX_OUTPUT_BYTES, 0)).decode("utf-8", "replace").strip()
