"""Every exception of this service, with the exit code that the command line gives it.

The docstring of a class is its default message: it says what is wrong and what to do. A message writes
"`scheduler list`" for a command; ``str`` gives it the name that the command has here, ``args[0]`` is fit for storing.
"""

from __future__ import annotations

from enum import IntEnum

from scheduler.command_name import with_command_name


class Exit(IntEnum):
    """Named exit codes; those from 64 up are the ones of ``sysexits.h``, which systemd names too."""

    OK = 0  #: done, nothing to report
    PROBLEMS = 1  #: the schedule file has errors, or a test failed
    CHANGES = 2  #: ``plan`` found changes, or ``check --strict`` found warnings
    USAGE = 64  #: the command line is wrong
    NO_INPUT = 66  #: a file, schedule or run that was named does not exist
    UNAVAILABLE = 69  #: Redis does not answer, or refuses
    CANT_CREATE = 73  #: a directory or file cannot be written
    TEMPORARY = 75  #: try again later: already running, or changed under our hands
    NO_PERMISSION = 77  #: only root may do that
    CONFIG = 78  #: the configuration is wrong; a restart will not help


class SchedulerError(Exception):
    """Something went wrong in the scheduler; the journal has the details."""

    exit_code = Exit.PROBLEMS

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))

    def __str__(self) -> str:
        return with_command_name(super().__str__())


class ConfigurationError(SchedulerError):
    """The configuration is wrong: check the SCHEDULER_… environment variables against docs/operations.md."""

    exit_code = Exit.CONFIG


class RedisUnavailable(SchedulerError):
    """Redis does not answer: check that it runs and that SCHEDULER_REDIS_URL names it."""

    exit_code = Exit.UNAVAILABLE


class NotFound(SchedulerError):
    """There is nothing of that name: `scheduler list` shows every schedule."""

    exit_code = Exit.NO_INPUT


class Conflict(SchedulerError):
    """Somebody else changed this at the same time: look at it again, then repeat the change."""

    exit_code = Exit.TEMPORARY


class AlreadyRunning(SchedulerError):
    """The service already runs in this directory: stop it with Ctrl-C first, or use it as it is."""

    exit_code = Exit.TEMPORARY


class CannotWrite(SchedulerError):
    """A directory of the service cannot be written: check its owner and mode."""

    exit_code = Exit.CANT_CREATE


class RefusedChange(SchedulerError):
    """The change was refused and nothing was changed: the lines above say why."""

    exit_code = Exit.PROBLEMS
