"""Exceptions of this service, each with the exit code of the command line.

The docstring of a class is its default message: what is wrong, and what to do. Messages write "`scheduler list`" for
a command: ``str`` inserts the command's name on this machine, and ``args[0]`` is the text to store.
"""

from __future__ import annotations

from enum import IntEnum

from scheduler.command_name import with_command_name


class Exit(IntEnum):
    """Named exit codes; 64 and above as in ``sysexits.h``, whose names systemd prints."""

    OK = 0  #: success
    PROBLEMS = 1  #: the schedule file has errors, or a test failed
    CHANGES = 2  #: ``plan`` found changes, or ``check --strict`` found warnings
    USAGE = 64  #: the command line is wrong
    NO_INPUT = 66  #: no such file, schedule or run
    UNAVAILABLE = 69  #: Redis does not answer, or refuses the request
    CANT_CREATE = 73  #: a directory or file cannot be written
    TEMPORARY = 75  #: try again later: already running, or changed at the same time
    NO_PERMISSION = 77  #: only root may do this, or the token may not
    CONFIG = 78  #: the configuration is wrong; a restart will not help


class SchedulerError(Exception):
    """The scheduler failed: see its log for details."""

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


class PageUnavailable(SchedulerError):
    """The page does not answer: check --url, and that the page runs."""

    exit_code = Exit.UNAVAILABLE


class NotAllowed(SchedulerError):
    """The page refuses this token: ask whoever runs the service for one with the role that this needs."""

    exit_code = Exit.NO_PERMISSION


class NotFound(SchedulerError):
    """There is no schedule of this name: `scheduler list` lists all of them."""

    exit_code = Exit.NO_INPUT


class Conflict(SchedulerError):
    """This was changed at the same time by another person or program: look at it again, then repeat the change."""

    exit_code = Exit.TEMPORARY


class AlreadyRunning(SchedulerError):
    """The service already runs in this directory: stop it with Ctrl-C first, or use it as it is."""

    exit_code = Exit.TEMPORARY


class CannotWrite(SchedulerError):
    """A directory of the service is not writable: check its owner and mode."""

    exit_code = Exit.CANT_CREATE


class RefusedChange(SchedulerError):
    """The change was refused, and nothing was changed: see the lines above."""

    exit_code = Exit.PROBLEMS
