"""The command that runs past due instants: backfill."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Any, cast

import click

from scheduler.changes import backfills, clock
from scheduler.cli.common import Service, as_json, local, with_service
from scheduler.cli.look import progress, read_instant
from scheduler.cli.printing import counted, print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.status.as_json import backfill_json, iso
from scheduler.storage.backfills import Backfill, Backfills, Only

LOOK_INTERVAL_S = 0.2
MAX_SHOWN = 10  #: due instants that --dry-run lists
INTERRUPTED = 130


@click.command()
@click.argument("name")
@click.option("--from", "first", callback=read_instant, help='First due instant, as "2026-12-24 18:00" (UTC).')
@click.option("--to", "last", callback=read_instant, help="Last due instant, written as for --from; default: now.")
@click.option(
    "--only",
    type=click.Choice(["missed", "failed", "all"]),
    default="missed",
    show_default=True,
    help="Those that never ran, or whose run failed, was lost or stopped, or both.",
)
@click.option(
    "--max-running",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Runs of the backfill that are queued or running at once.",
)
@click.option("--dry-run", is_flag=True, help="Show what would run, and change nothing.")
@click.option("--wait", is_flag=True, help="Wait until it is done; exit with 1 unless every run succeeded.")
@click.option("--stop", "is_stop", is_flag=True, help="Send no more runs; those under way go on.")
@click.option("--resume", "is_resume", is_flag=True, help="Let a stopped backfill go on.")
@as_json
@with_service
def backfill(
    service: Service,
    name: str,
    first: datetime | None,
    last: datetime | None,
    only: str,
    max_running: int,
    dry_run: bool,
    wait: bool,
    is_stop: bool,
    is_resume: bool,
    json_: bool,
) -> int:
    """Run past due instants of a schedule, oldest first.

    Each run has its own due instant. One that succeeded never runs again. The leader goes on with it whatever becomes
    of this command. Without --from, shows the backfill of the schedule.
    """
    if [first is not None, is_stop, is_resume].count(True) > 1 or (first is None and (last or dry_run)):
        raise click.UsageError("give --from TIME (with --to, --only, --max-running or --dry-run), --stop or --resume")
    if first is not None:
        found = backfills.plan(
            service.store, service.ledger, name, first, last or clock(), cast("Only", only), max_running, service.user
        )
        if dry_run or not found.runs:
            return tell_plan(found, json_, dry_run)
        backfills.begin(service.store, found)
        if not json_ and not wait:
            say(with_command_name(f"began {plan_sentence(found)}; `scheduler backfill {name}` shows how far it is"))
            return Exit.OK
    elif is_stop:
        backfills.stop(service.store, name, service.user)
    elif is_resume:
        backfills.resume(service.store, name, service.user)
    return follow(service, name, json_) if wait else tell(service, name, json_)


def plan_sentence(found: backfills.Plan) -> str:
    """How many would run, and what cannot be known of them."""
    asked = found.backfill
    runs = counted(len(found.runs), "due instant")
    text = f"{runs} from {local(asked.first)} to {local(asked.last)}; left alone: {found.left}"
    if found.unknown:
        text += f"; {found.unknown} are older than the ledger keeps, so they may have run before"
    return text


def tell_plan(found: backfills.Plan, json_: bool, dry_run: bool) -> int:
    """Print what would run."""
    if json_:
        runs = [iso(due) for due in found.runs]
        print_json({"runs": runs, "left": found.left, "unknown": found.unknown, "dry_run": dry_run})
        return Exit.OK
    say(f"would run {plan_sentence(found)}" if found.runs else f"nothing to run; left alone: {found.left}")
    for due in found.runs[:MAX_SHOWN]:
        say(f"  {local(due)}")
    if len(found.runs) > MAX_SHOWN:
        say(f"  and {len(found.runs) - MAX_SHOWN} more")
    return Exit.OK


def tell(service: Service, name: str, json_: bool) -> int:
    """Print how far the backfill is."""
    found, ended = Backfills(service.store.client, service.store.keys).get(name)
    if json_:
        print_json(backfill_json(found, ended))
    else:
        say(with_command_name(f"backfill of {progress(found, ended)}"))
    return Exit.OK


def follow(service: Service, name: str, json_: bool) -> int:
    """Wait until the backfill is done or stopped, with a bar in a terminal; Ctrl-C ends only the wait."""
    backfills_ = Backfills(service.store.client, service.store.keys)
    found, ended = backfills_.get(name)
    try:
        with bar(found) as shown:
            while found.state == "running":
                time.sleep(LOOK_INTERVAL_S)
                found, ended = backfills_.get(name)
                shown.update(min(sum(ended.values()), found.total) - shown.pos)
    except KeyboardInterrupt:
        say(with_command_name(f"the backfill goes on: `scheduler backfill {name}` shows it, --stop ends it"), err=True)
        return INTERRUPTED
    tell(service, name, json_)
    is_well = found.state == "done" and set(ended) <= {"succeeded"}
    return Exit.OK if is_well else Exit.PROBLEMS


def bar(found: Backfill) -> Any:
    """A progress bar on stderr; it shows nothing where that is no terminal."""
    is_hidden = not sys.stderr.isatty()
    return click.progressbar(length=found.total, label=found.name, show_pos=True, file=sys.stderr, hidden=is_hidden)


COMMANDS = (backfill,)
