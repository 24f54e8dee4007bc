"""Commands that act on one schedule or run: run, stop, pause, resume, skip."""

from __future__ import annotations

from datetime import datetime

import click

from scheduler import changes
from scheduler.cli.common import Service, as_json, local, print_json, say, with_service
from scheduler.cli.look import read_instant
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.sending.dispatch import Dispatcher
from scheduler.status.as_json import detail_json, run_json
from scheduler.storage.client import take_a_write

MAX_SEARCHED = 10_000  #: rows of a ledger, among which `stop` looks for a run under way


@click.command()
@click.argument("name")
@as_json
@with_service
def run(service: Service, name: str, json_: bool) -> int:
    """Run a schedule now, outside its timing.

    The ledger records that the run is manual, and who asked for it.
    """
    take_a_write(service.store.client, service.store.keys)  # waits for Redis, which kombu does not
    dispatcher = Dispatcher(service.celery, service.store.client, service.store.keys, service.settings)
    identity = dispatcher.run_now(service.store.get(name), service.user)
    if json_:
        print_json({"run": identity})
    else:
        say(with_command_name(f"sent {identity}; `scheduler history {name}` shows its result"))
    return Exit.OK


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Reason; shown wherever the schedule is shown.")
@click.option("--until", callback=read_instant, help="Resume automatically at this time (UTC without an offset).")
@as_json
@with_service
def pause(service: Service, name: str, note: str, until: datetime | None, json_: bool) -> int:
    """Pause a schedule until it is resumed.

    The pause survives reloads, restarts and deploys.
    """
    changes.pause(service.store, name, by=service.user, note=note, until=until)
    end = f" until {local(until)}" if until else f"; `scheduler resume {name}` ends the pause"
    return answer(service, name, json_, f"paused {name}{end}")


@click.command()
@click.argument("name")
@as_json
@with_service
def resume(service: Service, name: str, json_: bool) -> int:
    """Resume a paused schedule from its next due instant on."""
    changes.resume(service.store, name, by=service.user)
    return answer(service, name, json_, f"resumed {name}")


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Reason; recorded in the ledger.")
@click.option("--undo", is_flag=True, help="Do not skip the next run after all.")
@as_json
@with_service
def skip(service: Service, name: str, note: str, undo: bool, json_: bool) -> int:
    """Skip the next run of a schedule, once.

    The ledger records the skipped run.
    """
    if undo:
        changes.unskip(service.store, name, by=service.user)
        return answer(service, name, json_, f"{name}: the next run is no longer skipped")
    entry = changes.skip(service.store, name, by=service.user, note=note)
    due = entry.skip.due if entry.skip else None
    return answer(service, name, json_, f"skipping {name} at {local(due)}; `scheduler skip {name} --undo` reverts this")


@click.command()
@click.argument("run")
@click.option("--note", default="", help="Reason; recorded in the ledger and the audit log.")
@as_json
@with_service
def stop(service: Service, run: str, note: str, json_: bool) -> int:
    """Stop a run that is queued or running.

    RUN is its ID, or the name of a schedule with one run under way. A queued run ends at once. A running one gets
    SoftTimeLimitExceeded, a program SIGTERM; what does not end within 15 seconds is killed.
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


def under_way(service: Service, name: str) -> str:
    """The only run of a schedule that is queued or running; raises UsageError if there is not just one."""
    service.store.get(name)
    open_ = [run.id for run in service.ledger.runs(name, MAX_SEARCHED) if run.outcome in ("queued", "running")]
    if len(open_) == 1:
        return open_[0]
    raise click.UsageError(f"'{name}' has {len(open_)} runs under way: {', '.join(open_[:5]) or 'nothing to stop'}")


def answer(service: Service, name: str, json_: bool, sentence: str) -> int:
    """Print the sentence, or with --json the schedule as it is now."""
    if json_:
        print_json(detail_json(service.status.detail(name, runs=1)))
    else:
        say(with_command_name(sentence))
    return Exit.OK


COMMANDS = (run, stop, pause, resume, skip)
