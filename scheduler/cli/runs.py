"""Commands that act on one run: run, stop, retry."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import click

from scheduler import changes
from scheduler.cli import logs
from scheduler.cli.common import Service, as_json, local, with_service
from scheduler.cli.look import read_instant
from scheduler.cli.printing import print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.model import Run
from scheduler.model.run import UNDER_WAY
from scheduler.registry import file_only
from scheduler.sending.dispatch import Dispatcher
from scheduler.status.as_json import iso, run_json
from scheduler.storage.client import take_a_write

LOOK_INTERVAL_S = 0.2
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
@click.option("--wait", is_flag=True, help="Wait until the run has ended; exit with 1 unless it succeeded.")
@click.option("-f", "--follow", is_flag=True, help="The same, and show meanwhile what it prints.")
@click.option(
    "--at",
    callback=read_instant,
    help='Run it at this time, as "2026-12-24 18:00" (UTC without an offset); `stop` takes it out before.',
)
@as_json
@with_service
def run(
    service: Service,
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
    known = changes.Known(service.tasks, file_only(service.celery))
    dispatcher = dispatcher_of(service)
    if at is not None:
        if wait or follow:
            raise click.UsageError("--wait and --follow wait for a run that is sent now: leave them out with --at")
        return run_at(service, dispatcher, name, at, Given(args, kwargs), known, json_)
    identity = changes.run(dispatcher, service.store, name, by=service.user, args=args, kwargs=kwargs, known=known)
    if follow:
        for number, line in logs.follow(service, identity, None):
            click.echo(json.dumps({"run": identity, "attempt": number, "line": line}) if json_ else line)
        ended = service.ledger.get(identity)
        say(f"{ended.id} {ended.outcome}" + (f": {ended.detail}" if ended.detail else ""), err=True)
        return Exit.OK if ended.outcome == "succeeded" else Exit.PROBLEMS
    if wait:
        return tell_end(end_of(service, identity), json_)
    if json_:
        print_json({"run": identity})
    else:
        say(with_command_name(f"sent {identity}; `scheduler history {name}` shows its result"))
    return Exit.OK


class Given(NamedTuple):
    """The arguments of one run, None where its schedule's hold."""

    args: list[Any] | None
    kwargs: dict[str, Any] | None


def run_at(
    service: Service,
    dispatcher: Dispatcher,
    name: str,
    at: datetime,
    given: Given,
    known: changes.Known,
    json_: bool,
) -> int:
    """Let the run wait for its time, and say so."""
    asked = {"by": service.user, **given._asdict(), "known": known}
    identity = changes.run_at(dispatcher, service.store, service.ledger, name, at, **asked)
    if json_:
        print_json({"run": identity, "at": iso(at)})
    else:
        say(with_command_name(f"{identity} waits for {local(at)}; `scheduler stop {identity}` takes it out"))
    return Exit.OK


def dispatcher_of(service: Service) -> Dispatcher:
    """What sends runs, once Redis takes writes."""
    take_a_write(service.store.client, service.store.keys)  # waits for Redis, which kombu does not
    return Dispatcher(service.celery, service.store.client, service.store.keys, service.settings)


def end_of(service: Service, identity: str) -> Run:
    """The run, as soon as it has ended."""
    while (found := service.ledger.get(identity)).outcome in UNDER_WAY:
        time.sleep(LOOK_INTERVAL_S)
    return found


def tell_end(ended: Run, json_: bool) -> int:
    """Print how a run ended, with what its body printed or returned."""
    if json_:
        print_json(run_json(ended))
    else:
        say(f"{ended.id} {ended.outcome}" + (f": {ended.detail}" if ended.detail else ""))
        for line in (ended.traceback or ended.result).splitlines():
            say(line)
    return Exit.OK if ended.outcome == "succeeded" else Exit.PROBLEMS


@click.command()
@click.argument("run")
@click.option("--note", default="", help="Reason; recorded in the ledger and the audit log.")
@as_json
@with_service
def stop(service: Service, run: str, note: str, json_: bool) -> int:
    """Stop a run that is queued or running.

    RUN is its ID, or the name of a schedule with one run under way. A queued run ends at once. A running one gets
    SoftTimeLimitExceeded, a program SIGTERM; what does not end within its `kill_after` is killed.
    """
    identity = run if "@" in run else under_way(service, run)
    has_ended = changes.stop(service.ledger, identity, by=service.user, note=note)
    found = service.ledger.get(identity)
    if json_:
        print_json(run_json(found))
    elif has_ended:
        say(f"stopped {identity}, which no worker had started")
    else:
        end = f"`scheduler history {found.schedule}` shows its end"
        say(with_command_name(f"asked {found.worker} to stop {identity}; {end}"))
    return Exit.OK


@click.command()
@click.argument("run")
@click.option("--note", default="", help="Reason; recorded in the ledger and the audit log.")
@click.option("--wait", is_flag=True, help="Wait until the run has ended; exit with 1 unless it succeeded.")
@as_json
@with_service
def retry(service: Service, run: str, note: str, wait: bool, json_: bool) -> int:
    """Run a run again that failed, was lost, stopped or skipped.

    RUN is its ID, or the name of a schedule, for its newest run. It keeps its due instant and gets one more attempt,
    with the arguments that its schedule has now.
    """
    identity = run if "@" in run else newest(service, run)
    changes.retry(dispatcher_of(service), service.store, service.ledger, identity, by=service.user, note=note)
    if wait:
        return tell_end(end_of(service, identity), json_)
    found = service.ledger.get(identity)
    if json_:
        print_json(run_json(found))
    else:
        say(with_command_name(f"sent {identity} again; `scheduler history {found.schedule}` shows its result"))
    return Exit.OK


def newest(service: Service, name: str) -> str:
    """The run of a schedule with the latest due instant; raises UsageError if there is none."""
    service.store.get(name)
    if runs := service.ledger.runs(name, 1):
        return runs[0].id
    raise click.UsageError(f"'{name}' has no runs yet")


def under_way(service: Service, name: str) -> str:
    """The only run of a schedule that is queued or running; raises UsageError if there is not just one."""
    service.store.get(name)
    open_ = [run.id for run in service.ledger.runs(name, MAX_SEARCHED) if run.outcome in UNDER_WAY]
    if len(open_) == 1:
        return open_[0]
    raise click.UsageError(f"'{name}' has {len(open_)} runs under way: {', '.join(open_[:5]) or 'nothing to stop'}")


COMMANDS = (run, stop, retry)
