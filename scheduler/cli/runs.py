"""Commands that act on one run: run, stop, retry."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from scheduler.cli import logs
from scheduler.cli.common import Desk, as_json, each, local, read_instant, with_desk
from scheduler.cli.printing import print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.model.run import UNDER_WAY
from scheduler.operations import runs, schedules

WAIT = (
    "Wait until the run has ended. Unless it succeeded, exit with the code of its program (128 and more for a "
    "signal), or with 1 if it has none."
)
MAX_SEARCHED = 10_000  #: rows of a ledger, among which `stop` looks for a run under way


def read_json(kind: type[list[Any] | dict[str, Any]]) -> Callable[[Any, Any, str | None], Any]:
    """A callback of click that reads JSON of this kind."""
    example = "a list such as '[1, 2]'" if kind is list else """an object such as '{"format": "pdf"}'"""

    def read(_: Any, parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            value = json.loads(text)
        except ValueError as error:
            raise click.BadParameter(f"not JSON ({error}): write {example}") from None
        if not isinstance(value, kind):
            raise click.BadParameter(f"write {example}")
        return value

    return read


@click.command()
@click.argument("name")
@click.option("--args", metavar="JSON", callback=read_json(list), help="Positional arguments, in place of its own.")
@click.option("--kwargs", metavar="JSON", callback=read_json(dict), help="Keyword arguments, in place of its own.")
@click.option("--wait", is_flag=True, help=WAIT)
@click.option("-f", "--follow", is_flag=True, help="The same, and show meanwhile what it prints.")
@click.option(
    "--at",
    callback=read_instant,
    help='Run it at this time, as "2026-12-24 18:00" (UTC without an offset); `stop` takes it out before.',
)
@as_json
@with_desk
def run(
    desk: Desk,
    name: str,
    args: list[Any] | None,
    kwargs: dict[str, Any] | None,
    wait: bool,
    follow: bool,
    at: datetime | None,
    json_: bool,
) -> int:
    """Run a schedule now, or once at a later time, outside its timing.

    The ledger records that the run is manual, who asked for it, and the arguments that it was given.
    """
    if at is not None and (wait or follow):
        raise click.UsageError("--wait and --follow wait for a run that is sent now: leave them out with --at")
    sent = desk.ask(runs.run, name=name, args=args, kwargs=kwargs, at=at)
    identity = sent["run"]
    if follow:
        return follow_run(desk, identity, json_)
    if wait:
        return tell_end(end_of(desk, identity), json_)
    if json_:
        print_json({key: value for key, value in sent.items() if value is not None})
    elif at is not None:
        say(with_command_name(f"{identity} waits for {local(at)}; `scheduler stop {identity}` takes it out"))
    else:
        say(with_command_name(f"sent {identity}; `scheduler history {name}` shows its result"))
    return Exit.OK


def follow_run(desk: Desk, identity: str, json_: bool) -> int:
    """Print what a run prints until it has ended."""
    for number, line in logs.follow(desk, identity, None):
        click.echo(json.dumps({"run": identity, "attempt": number, "line": line}) if json_ else line)
    ended = desk.ask(runs.show, run_id=identity)
    say(end_sentence(ended), err=True)
    for line in ended["result"].splitlines()[:1] if ended["outcome"] == "failed" else ():
        say(line, err=True)
    return exit_code(ended)


def end_of(desk: Desk, identity: str) -> dict[str, Any]:
    """The run, as soon as it has ended."""
    while (answer := desk.ask(runs.show, run_id=identity))["outcome"] in UNDER_WAY:
        logs.wait(desk)
    return {key: value for key, value in answer.items() if key != "progress"}


def end_sentence(ended: dict[str, Any]) -> str:
    return f"{ended['id']} {ended['outcome']}" + (f": {ended['detail']}" if ended["detail"] else "")


def exit_code(ended: dict[str, Any]) -> int:
    """How a command that waited for a run ends: as the program of the run did, with 1 if no program failed."""
    return Exit.OK if ended["outcome"] == "succeeded" else ended.get("exit_code") or Exit.PROBLEMS


def tell_end(ended: dict[str, Any], json_: bool) -> int:
    """Print how a run ended, with what its body printed or returned."""
    if json_:
        print_json(ended)
    else:
        say(end_sentence(ended))
        for line in (ended["traceback"] or ended["result"]).splitlines():
            say(line)
    return exit_code(ended)


@click.command()
@click.argument("run")
@click.option("--note", default="", help="Reason; recorded in the ledger and the audit log.")
@as_json
@with_desk
def stop(desk: Desk, run: str, note: str, json_: bool) -> int:
    """Stop a run that is queued or running.

    RUN is its ID, or the name of a schedule with one run under way. A queued run ends at once. A running one gets
    SoftTimeLimitExceeded, a program SIGTERM; what does not end within its `kill_after` is killed.
    """
    identity = run if "@" in run else under_way(desk, run)
    after = desk.ask(runs.stop, run_id=identity, note=note)
    if json_:
        print_json(after)
    elif after["outcome"] == "stopped":
        say(f"stopped {identity}, which no worker had started")
    else:
        end = f"`scheduler history {after['schedule']}` shows its end"
        say(with_command_name(f"asked {after['worker']} to stop {identity}; {end}"))
    return Exit.OK


@click.command()
@click.argument("run")
@click.option("--note", default="", help="Reason; recorded in the ledger and the audit log.")
@click.option("--wait", is_flag=True, help=WAIT)
@as_json
@with_desk
def retry(desk: Desk, run: str, note: str, wait: bool, json_: bool) -> int:
    """Run a run again that failed, was lost, stopped or skipped.

    RUN is its ID, or the name of a schedule, for its newest run. It keeps its due instant and gets one more attempt,
    with the arguments that its schedule has now.
    """
    identity = run if "@" in run else newest(desk, run)
    after = desk.ask(runs.retry, run_id=identity, note=note)
    if wait:
        return tell_end(end_of(desk, identity), json_)
    if json_:
        print_json(after)
    else:
        say(with_command_name(f"sent {identity} again; `scheduler history {after['schedule']}` shows its result"))
    return Exit.OK


def newest(desk: Desk, name: str) -> str:
    """The run of a schedule with the latest due instant; raises UsageError if there is none."""
    if latest := desk.ask(schedules.show, name=name, runs=1, upcoming=0)["runs"]:
        return str(latest[0]["id"])
    raise click.UsageError(f"'{name}' has no runs yet")


def under_way(desk: Desk, name: str) -> str:
    """The only run of a schedule that is queued or running; raises UsageError if there is not just one."""
    desk.ask(schedules.show, name=name, runs=0, upcoming=0)
    every = each(desk, runs.find, MAX_SEARCHED, schedule=name)
    open_ = [run["id"] for run in every if run["outcome"] in UNDER_WAY]
    if len(open_) == 1:
        return str(open_[0])
    raise click.UsageError(f"'{name}' has {len(open_)} runs under way: {', '.join(open_[:5]) or 'nothing to stop'}")


COMMANDS = (run, stop, retry)
