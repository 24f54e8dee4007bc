"""The command that runs past due instants: backfill."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from scheduler.cli.bars import progress_bar
from scheduler.cli.common import Desk, as_json, local, read_instant, with_desk
from scheduler.cli.logs import wait as pause
from scheduler.cli.look import progress
from scheduler.cli.printing import counted, print_json, say
from scheduler.command_name import with_command_name
from scheduler.errors import Exit
from scheduler.operations import backfills

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
@with_desk
def backfill(
    desk: Desk,
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

    Each run has its own due instant. One that succeeded never runs again. The leader sends the runs, also after this
    command has ended. Without --from, shows the backfill of the schedule.
    """
    if [first is not None, is_stop, is_resume].count(True) > 1 or (first is None and (last or dry_run)):
        raise click.UsageError("give --from TIME (with --to, --only, --max-running or --dry-run), --stop or --resume")
    if first is not None:
        span = {"first": first, "last": last, "only": only, "max_running": max_running}
        plan = desk.ask(backfills.begin, name=name, **span, dry_run=dry_run)
        if dry_run or not plan["runs"]:
            return tell_plan(plan, json_)
        if not json_ and not wait:
            say(with_command_name(f"began {plan_sentence(plan)}; `scheduler backfill {name}` shows how far it is"))
            return Exit.OK
    elif is_stop:
        desk.ask(backfills.stop, name=name)
    elif is_resume:
        desk.ask(backfills.resume, name=name)
    return follow(desk, name, json_) if wait else tell(desk, name, json_)


def plan_sentence(plan: dict[str, Any]) -> str:
    """How many would run, and what cannot be known of them."""
    runs = counted(len(plan["runs"]), "due instant")
    text = f"{runs} from {local(plan['first'])} to {local(plan['last'])}; left alone: {plan['left']}"
    if plan["unknown"]:
        text += f"; {plan['unknown']} are older than the ledger keeps, so they may have run before"
    return text


def tell_plan(plan: dict[str, Any], json_: bool) -> int:
    """Print what would run."""
    runs = plan["runs"]
    if json_:
        print_json(plan)
        return Exit.OK
    say(f"would run {plan_sentence(plan)}" if runs else f"nothing to run; left alone: {plan['left']}")
    for due in runs[:MAX_SHOWN]:
        say(f"  {local(due)}")
    if len(runs) > MAX_SHOWN:
        say(f"  and {len(runs) - MAX_SHOWN} more")
    return Exit.OK


def tell(desk: Desk, name: str, json_: bool) -> int:
    """Print how far the backfill is."""
    answer = desk.ask(backfills.show, name=name)
    if json_:
        print_json(answer)
    else:
        say(with_command_name(f"backfill of {progress(answer)}"))
    return Exit.OK


def follow(desk: Desk, name: str, json_: bool) -> int:
    """Wait until the backfill is done or stopped, with a bar in a terminal; Ctrl-C ends only the wait."""
    answer = desk.ask(backfills.show, name=name)
    try:
        with progress_bar(answer["name"], answer["total"], hidden=json_, at_once=True) as bar:
            while answer["state"] == "running":
                pause(desk)
                answer = desk.ask(backfills.show, name=name)
                bar.reach(sum(answer["ended"].values()))
    except KeyboardInterrupt:
        say(
            with_command_name(f"the backfill is running: `scheduler backfill {name}` shows it, --stop ends it"),
            err=True,
        )
        return INTERRUPTED
    tell(desk, name, json_)
    is_well = answer["state"] == "done" and set(answer["ended"]) <= {"succeeded"}
    return Exit.OK if is_well else Exit.PROBLEMS


COMMANDS = (backfill,)
