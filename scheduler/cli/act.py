"""Commands that act on one schedule: run, pause, resume, skip."""

from __future__ import annotations

from datetime import datetime

import click

from scheduler import changes
from scheduler.cli.common import Service, as_json, local, print_json, with_service
from scheduler.cli.look import read_instant
from scheduler.errors import Exit
from scheduler.sending.dispatch import Dispatcher
from scheduler.status.as_json import detail_json
from scheduler.storage.client import take_a_write


@click.command()
@click.argument("name")
@as_json
@with_service
def run(service: Service, name: str, json_: bool) -> int:
    """Run a schedule now, off its timing; the ledger says that it was manual, and by whom."""
    take_a_write(service.store.client, service.store.keys)  # waits for Redis, which kombu does not
    dispatcher = Dispatcher(service.celery, service.store.client, service.store.keys, service.settings)
    identity = dispatcher.run_now(service.store.get(name), service.user)
    if json_:
        print_json({"run": identity})
    else:
        click.echo(f"sent {identity}; `python3 -m scheduler history {name}` shows its result")
    return Exit.OK


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Why; shown wherever the schedule is.")
@click.option("--until", callback=read_instant, help="Resume by itself at this time.")
@as_json
@with_service
def pause(service: Service, name: str, note: str, until: datetime | None, json_: bool) -> int:
    """Stop a schedule until it is resumed; it survives reload, restart and deploy."""
    changes.pause(service.store, name, by=service.user, note=note, until=until)
    end = f" until {local(until)}" if until else f"; `python3 -m scheduler resume {name}` lets it go on"
    return answer(service, name, json_, f"paused {name}{end}")


@click.command()
@click.argument("name")
@as_json
@with_service
def resume(service: Service, name: str, json_: bool) -> int:
    """End a pause; the schedule goes on at its next due instant."""
    changes.resume(service.store, name, by=service.user)
    return answer(service, name, json_, f"resumed {name}")


@click.command()
@click.argument("name")
@click.option("--note", default="", help="Why; it stands in the ledger.")
@click.option("--undo", is_flag=True, help="Let it run after all.")
@as_json
@with_service
def skip(service: Service, name: str, note: str, undo: bool, json_: bool) -> int:
    """Leave out the next run of a schedule, once; the ledger says so."""
    if undo:
        changes.unskip(service.store, name, by=service.user)
        return answer(service, name, json_, f"{name} skips nothing")
    entry = changes.skip(service.store, name, by=service.user, note=note)
    due = entry.skip.due if entry.skip else None
    return answer(
        service, name, json_, f"{name} skips {local(due)}; `python3 -m scheduler skip {name} --undo` takes it back"
    )


def answer(service: Service, name: str, json_: bool, sentence: str) -> int:
    if json_:
        print_json(detail_json(service.status.detail(name, runs=1)))
    else:
        click.echo(sentence)
    return Exit.OK


COMMANDS = (run, pause, resume, skip)
