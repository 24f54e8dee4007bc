"""The command line: ``python3 -m scheduler COMMAND``, or ``scheduler COMMAND`` where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from scheduler import __version__
from scheduler.cli import act, audit, doctor, export, file, imports, look, service
from scheduler.cli.common import REFUSAL_WAIT_S
from scheduler.errors import Exit, SchedulerError
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.refusals import explain

EPILOG = f"""\b
examples:
  python3 -m scheduler up                       try it: everything in one terminal
  python3 -m scheduler check                    is schedules.yaml right?
  python3 -m scheduler plan && python3 -m scheduler apply
  python3 -m scheduler next log-it -n 3         when does it run?
  crontab -l | python3 -m scheduler import crontab - > schedules.yaml
  python3 -m scheduler pause log-it --note "until the disk is replaced"
  python3 -m scheduler history log-it --json
  python3 -m scheduler export --write           what the page changed, into schedules.yaml
  python3 -m scheduler doctor                   are Redis, clocks, beat and workers as they have to be?
  python3 -m scheduler audit && python3 -m scheduler undo 1766000000000-0

\b
A command waits up to {REFUSAL_WAIT_S:.0f} s for a Redis that refuses for now: one that fails over,
lacks replicas, loads its data or runs a long script. Then it exits with 69.

\b
exit codes:
  0 done   1 the file has errors, or the change was refused   2 plan found changes, or check --strict warnings
  64 wrong command line   66 no such schedule, run or file   69 Redis does not answer, or refuses
  73 a directory cannot be written   75 already running, or changed meanwhile
  77 only root may   78 wrong configuration
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="scheduler")
def cli() -> None:
    """Scheduled jobs on Celery Beat: declared in schedules.yaml, accounted for in a ledger."""


for command in (
    *service.COMMANDS,
    *file.COMMANDS,
    *look.COMMANDS,
    *act.COMMANDS,
    *export.COMMANDS,
    *audit.COMMANDS,
    *imports.COMMANDS,
    *doctor.COMMANDS,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Whatever a person can cause ends in one line, without a traceback."""
    try:
        return int(cli.main(arguments, prog_name="python3 -m scheduler", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except click.Abort:
        return 130
    except (*AWAY, *REFUSED) as error:
        return complain(explain(error, Settings.from_environ().shown_redis_url))
    except SchedulerError as error:
        return complain(error)
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.OK


def complain(error: SchedulerError) -> int:
    """Say on standard error what is wrong, a line for each problem."""
    for line in str(error).splitlines():
        click.echo(f"scheduler: {line}", err=True)
    return error.exit_code
