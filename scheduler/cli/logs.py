"""The command that shows what a run prints and logs."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import click

from scheduler.cli.common import Desk, as_json, each, with_desk
from scheduler.cli.printing import print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit, NotFound
from scheduler.model.run import UNDER_WAY
from scheduler.operations import runs, schedules
from scheduler.status import output
from scheduler.storage.output import Output

LOOK_INTERVAL_S = 0.2
LOOK_INTERVAL_ELSEWHERE_S = 1.0
MAX_SEARCHED = 10_000  #: rows of a ledger, among which the newest run that started is looked for


@click.command()
@click.argument("run")
@click.option("-f", "--follow", "is_followed", is_flag=True, help="Go on until the run has ended.")
@click.option("--attempt", type=click.IntRange(1), help="An earlier attempt than the last.")
@as_json
@with_desk
def logs(desk: Desk, run: str, is_followed: bool, attempt: int | None, json_: bool) -> int:
    """Show what a run prints and logs, also while it runs.

    RUN is the ID of a run, or the name of a schedule for the newest run of it that started. With --follow and --json,
    each line is a JSON object.
    """
    shown_run = desk.ask(runs.show, run_id=run) if "@" in run else newest(desk, run, is_followed)
    if attempt is not None and attempt > shown_run["attempt"]:
        raise NotFound(f"{shown_run['id']} has no attempt {attempt}: its last is {shown_run['attempt']}")
    if is_followed:
        for number, line in follow(desk, shown_run["id"], attempt):
            click.echo(json.dumps({"run": shown_run["id"], "attempt": number, "line": line}) if json_ else line)
        return Exit.OK
    shown = desk.ask(runs.output, run_id=shown_run["id"], attempt=attempt, raw=not json_)
    if json_:
        print_json(shown)
        return Exit.OK
    for line in output.Lines().take(read(shown), is_end=True):
        click.echo(line)
    if attempt is None and shown["attempt"] > 1:
        other = f"--attempt shows an earlier one, `scheduler history {shown_run['id']}` lists them"
        say(with_command_name(f"attempt {shown['attempt']}; {other}"), err=True)
    if not shown["written"]:
        say(f"no output of attempt {shown['attempt']} of {shown_run['id']}", err=True)
    return Exit.OK


def read(shown: dict[str, Any]) -> Output:
    """The output of an attempt from its raw JSON."""
    head, tail = (b64decode(shown[part]) for part in ("head", "tail"))
    return Output(shown["run"], shown["attempt"], head, tail, shown["left_out"])


def newest(desk: Desk, name: str, is_followed: bool) -> dict[str, Any]:
    """The newest run of a schedule that has started, or to follow, one that is queued; raises NotFound."""
    desk.ask(schedules.show, name=name, runs=0, upcoming=0)
    for run in each(desk, runs.find, MAX_SEARCHED, schedule=name):
        if run["attempt"] or (is_followed and run["outcome"] in UNDER_WAY):
            return run
    raise NotFound(f"no run of '{name}' has started")


def follow(desk: Desk, identity: str, attempt: int | None = None) -> Iterator[tuple[int, str]]:
    """The lines of a run as they come, each with its attempt; those of all attempts that follow, or of this one."""
    number, lines = attempt or 0, output.Lines()
    while True:
        run = desk.ask(runs.show, run_id=identity)  # before its output, so that the last line is not missed
        number = number or run["attempt"]
        has_ended = run["outcome"] not in UNDER_WAY or run["attempt"] > number
        shown = read(desk.ask(runs.output, run_id=identity, attempt=number or None, raw=True))
        for line in lines.take(shown, is_end=has_ended):
            yield number, line
        if has_ended and run["attempt"] > number and attempt is None:
            number, lines = number + 1, output.Lines()
        elif has_ended:
            return
        else:
            wait(desk)


def wait(desk: Desk) -> None:
    """Let some time pass before the next look; more where each look is a request."""
    time.sleep(LOOK_INTERVAL_S if desk.host else LOOK_INTERVAL_ELSEWHERE_S)


COMMANDS = (logs,)
