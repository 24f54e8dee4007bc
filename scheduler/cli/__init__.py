"""The command line: ``python3 -m scheduler COMMAND`` in a clone, ``scheduler COMMAND`` where it is installed."""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, cast

import click

from scheduler import __version__
from scheduler.cli.printing import REFUSAL_WAIT_S, say
from scheduler.command_name import command_name
from scheduler.errors import CannotWrite, Exit, SchedulerError

EPILOG = f"""\b
examples of COMMAND and its arguments:
  up                             try it: everything in one terminal
  check schedules.yaml           report every problem in the file
  plan                           show what loading the file would change
  next log-it -n 3               show when a schedule runs
  next --words "weekdays at 9"   show how the file spells a timing
  import crontab my-crontab      print a crontab as a schedule file
  pause log-it --note "until the disk is replaced"
  history log-it --json          show what ran, what did not, and why
  logs log-it --follow           show what a run prints, while it runs
  export --write                 write changes from the page into the file
  doctor                         check Redis, clocks, beat and workers
  undo 1766000000000-0           revert a change by its id in `audit`

\b
From another host, with a token (see `token add`), most work through the page:
--url https://jobs.example.com --token-file FILE list

\b
While Redis refuses commands (failover, too few replicas, loading, a long
script), a command waits up to {REFUSAL_WAIT_S:.0f} s, and then exits with 69.

\b
exit codes:
  0 done
  1 the file has errors, the change was refused, or there are problems
  2 plan found changes, or check --strict found warnings
  64 the command line is wrong    66 no such schedule, run or file
  69 Redis is away or refuses     73 a directory cannot be written
  75 already running, or changed by another program meanwhile: try again
  77 only root may do this, or the token may not
  78 the configuration is wrong
  run and retry that wait exit with the code of a program that failed
"""

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
GARBAGE_AFTER = 100_000  #: new objects; Python's default is far lower

#: The modules of this package with the commands that each has.
MODULES = {
    "service": ("up", "reload", "test", "password", "install", "uninstall"),
    "file": ("check", "plan", "apply", "schema"),
    "look": ("list", "status"),
    "upcoming": ("next",),
    "history": ("history",),
    "runs": ("run", "stop", "retry"),
    "logs": ("logs",),
    "backfill": ("backfill",),
    "act": ("pause", "resume", "skip"),
    "export": ("export",),
    "audit": ("audit", "undo"),
    "imports": ("import",),
    "doctor": ("doctor", "rebuild"),
    "alerts": ("alerts",),
    "people": ("user", "token"),
}


class Commands(Mapping[str, click.Command]):
    """Every command by its name, imported when it is asked for: most need neither Celery nor all of the others."""

    def __getitem__(self, name: str) -> click.Command:
        for module, names in MODULES.items():
            if name in names:
                commands: tuple[click.Command, ...] = import_module(f"scheduler.cli.{module}").COMMANDS
                return next(command for command in commands if command.name == name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for names in MODULES.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, MODULES.values()))


@click.group(
    commands=cast("Any", Commands()),
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, prog_name="scheduler")
@click.option("--url", envvar="SCHEDULER_URL", help="Work on the service with its page at this address.")
@click.option("--token", help="Token for --url. Others see it in `ps`: better SCHEDULER_TOKEN or --token-file.")
@click.option("--token-file", type=click.Path(dir_okay=False), help="File with the token for --url.")
def cli(**_: str | None) -> None:
    """Scheduled jobs on Celery Beat: declared in schedules.yaml, accounted for in a ledger."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Whatever a person can cause ends in one line, without a traceback."""
    # What a command imports stays: to look for garbage in it, again and again, takes a tenth of a short command's time.
    gc.set_threshold(GARBAGE_AFTER)
    try:
        return int(cli.main(arguments, prog_name=command_name(), standalone_mode=False) or 0)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        for line in shown.getvalue().rstrip().split("\n"):
            say(line, err=True)
        return Exit.USAGE
    except click.Abort:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.OK
    except Exception as error:
        known = of_full_disk(error) or of_redis(error) or error
        if not isinstance(known, SchedulerError):
            raise
        return complain(known)


def of_full_disk(error: Exception) -> SchedulerError | None:
    """What to say when there is no space for a file, also for that of standard output; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in NO_SPACE:
        return None
    with suppress(OSError):  # what is still to be written would fail again at the end of the process
        sys.stdout.close()
    what = f" {error.filename}" if error.filename else ""
    return CannotWrite(f"cannot write{what}: {os.strerror(error.errno).lower()}; free space there, or raise the limit")


def of_redis(error: Exception) -> SchedulerError | None:
    """What to say of a Redis that is away or refuses; None for any other error."""
    # Only now: importing the client takes longer than most commands that do without it.
    from scheduler.settings import Settings
    from scheduler.storage.client import AWAY, REFUSED
    from scheduler.storage.refusals import explain

    return explain(error, Settings.from_environ()) if isinstance(error, (*AWAY, *REFUSED)) else None


def complain(error: SchedulerError) -> int:
    """Say on standard error what is wrong, a line for each problem."""
    for line in str(error).splitlines():
        say(f"scheduler: {line}", err=True)
    return error.exit_code
