"""Commands that act on one schedule: pause, resume, skip."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from scheduler.cli.common import Desk, as_json, local, read_instant, with_desk
from scheduler.cli.printing import print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.operations import pauses


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Reason; shown wherever the schedule is shown.")
@click.option("--until", callback=read_instant, help="Resume automatically at this time (UTC without an offset).")
@click.option("--replace", is_flag=True, help="Put it in the place of a pause that holds already.")
@as_json
@with_desk
def pause(desk: Desk, name: str, note: str, until: datetime | None, replace: bool, json_: bool) -> int:
    """Pause a schedule until it is resumed.

    The pause survives reloads, restarts and deploys.
    """
    now = desk.ask(pauses.pause, name=name, note=note, until=until, replace=replace)
    end = f" until {local(until)}" if until else f"; `scheduler resume {name}` ends the pause"
    return answer(now, json_, f"paused {name}{end}")


@click.command()
@click.argument("name")
@as_json
@with_desk
def resume(desk: Desk, name: str, json_: bool) -> int:
    """Resume a paused schedule from its next due instant on."""
    return answer(desk.ask(pauses.resume, name=name), json_, f"resumed {name}")


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Reason; recorded in the ledger.")
@click.option("--undo", is_flag=True, help="Do not skip the next run after all.")
@as_json
@with_desk
def skip(desk: Desk, name: str, note: str, undo: bool, json_: bool) -> int:
    """Skip the next run of a schedule, once.

    The ledger records the skipped run.
    """
    if undo:
        return answer(desk.ask(pauses.unskip, name=name), json_, f"{name}: the next run is no longer skipped")
    now = desk.ask(pauses.skip, name=name, note=note)
    due = now["skip"]["due"] if now["skip"] else None
    return answer(now, json_, f"skipping {name} at {local(due)}; `scheduler skip {name} --undo` reverts this")


def answer(now: dict[str, Any], json_: bool, sentence: str) -> int:
    """Print the sentence, or with --json the schedule as it is now."""
    if json_:
        print_json(now)
    else:
        say(with_command_name(sentence))
    return Exit.OK


COMMANDS = (pause, resume, skip)
