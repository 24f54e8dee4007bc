"""Commands that act on one schedule: pause, resume, skip."""

from __future__ import annotations

from datetime import datetime

import click

from scheduler import changes
from scheduler.cli.common import Service, as_json, local, with_service
from scheduler.cli.look import read_instant
from scheduler.cli.printing import print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.status.as_json import detail_json


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


def answer(service: Service, name: str, json_: bool, sentence: str) -> int:
    """Print the sentence, or with --json the schedule as it is now."""
    if json_:
        print_json(detail_json(service.status.detail(name, runs=1)))
    else:
        say(with_command_name(sentence))
    return Exit.OK


COMMANDS = (pause, resume, skip)
