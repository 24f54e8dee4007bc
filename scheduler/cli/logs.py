"""The command that shows what a run prints and logs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import click

from scheduler.cli.common import Service, as_json, with_service
from scheduler.cli.printing import print_json, say
from scheduler.errors import Exit, NotFound
from scheduler.model import Run
from scheduler.model.run import UNDER_WAY
from scheduler.status import output
from scheduler.status.as_json import output_json

LOOK_INTERVAL_S = 0.25
MAX_SEARCHED = 10_000  #: rows of a ledger, among which the newest run that started is looked for


@click.command()
@click.argument("run")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on until the run has ended.")
@click.option("--attempt", type=click.IntRange(1), help="An earlier attempt than the last.")
@as_json
@with_service
def logs(service: Service, run: str, is_followed: bool, attempt: int | None, json_: bool) -> int:
    """Show what a run prints and logs, also while it runs.

    RUN is the ID of a run, or the name of a schedule for the newest run of it that started. With --follow and --json,
    each line is a JSON object.
    """
    found = service.ledger.get(run) if "@" in run else newest(service, run, is_followed)
    if attempt is not None and attempt > found.attempt:
        raise NotFound(f"{found.id} has no attempt {attempt}: its last is {found.attempt}")
    if is_followed:
        for number, line in follow(service, found.id, attempt):
            click.echo(json.dumps({"run": found.id, "attempt": number, "line": line}) if json_ else line)
        return Exit.OK
    shown = output.of_attempt(service.ledger, found.id, attempt or found.attempt)
    if json_:
        print_json(output_json(shown) | {"attempts": found.attempt, "outcome": found.outcome})
        return Exit.OK
    for line in output.Lines().take(shown, is_end=True):
        click.echo(line)
    if not shown.written:
        say(f"no output of attempt {shown.attempt} of {found.id}", err=True)
    return Exit.OK


def newest(service: Service, name: str, is_followed: bool) -> Run:
    """The newest run of a schedule that has started, or to follow, one that is queued; raises NotFound."""
    service.store.get(name)
    for run in service.ledger.runs(name, MAX_SEARCHED):
        if run.attempt or (is_followed and run.outcome in UNDER_WAY):
            return run
    raise NotFound(f"no run of '{name}' has started")


def follow(service: Service, identity: str, attempt: int | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a run as they come, each with its attempt; those of all attempts that follow, or of this one."""
    number, lines = attempt or 0, output.Lines()
    while True:
        run = service.ledger.get(identity)  # before its output, so that the last line is not missed
        number = number or run.attempt
        has_ended = run.outcome not in UNDER_WAY or run.attempt > number
        for line in lines.take(output.of_attempt(service.ledger, identity, number), is_end=has_ended):
            yield number, line
        if has_ended and run.attempt > number and attempt is None:
            number, lines = number + 1, output.Lines()
        elif has_ended:
            return
        else:
            time.sleep(LOOK_INTERVAL_S)


COMMANDS = (logs,)
