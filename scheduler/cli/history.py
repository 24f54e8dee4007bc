"""The command history: what ran, what did not, and why; the attempts of one run."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

import click

from scheduler.cli.common import Desk, as_json, each, local, read_instant, with_desk
from scheduler.cli.printing import print_json, print_table, say
from scheduler.errors import Exit
from scheduler.model.reasons import SENTENCES, WORDS
from scheduler.operations import runs, schedules
from scheduler.status.wanted import WRONG, Starter


def listed() -> str:
    """Every reason as it is typed, by outcome."""
    typed = {outcome: (f'"{it}"' if " " in it else it for it in its) for outcome, its in WORDS.items()}
    return " ".join(f"{outcome.capitalize()}: {', '.join(its)}." for outcome, its in typed.items())


@click.command()
@click.argument("name", required=False)
@click.option("--failed", is_flag=True, help="Only the runs that failed or were lost.")
@click.option("--by-error", is_flag=True, help="Count them: a line for each schedule and error.")
@click.option("--tag", default="", help="Only of schedules that have this tag now.")
@click.option("--task", default="", help="Only those whose task has this text in its name.")
@click.option("--queue", default="", help="Only those of this queue.")
@click.option("--worker", default="", help="Only those that a worker took whose name has this text.")
@click.option(
    "--started-by",
    type=click.Choice(get_args(Starter)),
    help="Only those that a person (also by a backfill), their schedule or another run started.",
)
@click.option(
    "--reason",
    type=click.Choice([*SENTENCES]),
    metavar="WORD",
    help=f"Only those with this reason. {listed()}",
)
@click.option("--since", callback=read_instant, help='Only from this time on, as "2026-12-24 18:00" (UTC).')
@click.option("--until", callback=read_instant, help="Only up to this time, written the same way.")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Number of runs.")
@as_json
@with_desk
def history(
    desk: Desk,
    name: str | None,
    failed: bool,
    by_error: bool,
    since: datetime | None,
    until: datetime | None,
    count: int,
    json_: bool,
    **words: str | None,
) -> int:
    """Show the newest runs, and what did not run and why.

    Without NAME, those of all schedules, also of schedules that are well again. A stretch of skips counts at its end.
    With the ID of a run as NAME, its attempts: when each started, how it ended, and where.
    """
    if name is not None and "@" in name:
        return show_attempts(desk.ask(runs.show, run_id=name), json_)
    if name is not None:
        desk.ask(schedules.show, name=name, runs=0, upcoming=0)
    asked: dict[str, Any] = {"schedule": name or "", "outcome": WRONG if failed else "", "since": since, "until": until}
    asked |= {key: word or "" for key, word in words.items()}
    if by_error:
        return show_errors(desk.ask(runs.errors, **asked), count, json_)
    listed = list(each(desk, runs.find, count, **asked))
    if json_:
        print_json(listed)
        return Exit.OK
    head: tuple[str, ...] = ("DUE", "OUTCOME", "LATE", "TOOK", "RESULT")
    lines = [history_line(run) for run in listed]
    if name is None:
        head, lines = (
            ("SCHEDULE", *head),
            [(run["schedule"], *line) for run, line in zip(listed, lines, strict=True)],
        )
    print_table(head, lines)
    return Exit.OK


def show_attempts(run: dict[str, Any], json_: bool) -> int:
    """Each attempt of a run; as JSON, the run with them."""
    if json_:
        print_json(run)
        return Exit.OK
    rows = [
        (
            str(it["number"]),
            local(it["started"]),
            seconds(it["duration"]),
            it["outcome"],
            it["worker"],
            it["error"][:100],
        )
        for it in run["attempts"]
    ]
    if rows:
        print_table(("ATTEMPT", "STARTED", "TOOK", "OUTCOME", "WORKER", "ERROR"), rows)
    else:
        say(f"{run['id']} is {run['outcome']}: no attempt of it has started")
    return Exit.OK


def show_errors(answer: dict[str, Any], count: int, json_: bool) -> int:
    """What failed or was lost, by schedule and error."""
    shown = answer["items"][:count]
    if json_:
        print_json(shown)
        return Exit.OK
    rows = [
        (it["schedule"], str(it["count"]), local(it["first"]), local(it["last"]), it["error"][:100]) for it in shown
    ]
    print_table(("SCHEDULE", "RUNS", "FIRST", "LAST", "ERROR"), rows)
    if answer["back_to"]:
        back_to = answer["back_to"]
        say(f"only runs back to {local(back_to)} are counted: --until {back_to} counts those before", err=True)
    return Exit.OK


def history_line(run: dict[str, Any]) -> tuple[str, ...]:
    """A run as a row of ``history``; of its result, the first 100 characters."""
    times = f" × {run['count']}" if run["count"] > 1 else ""
    is_unrun = run["outcome"] in ("skipped", "lost", "stopped")
    outcome_text = run["detail"] if is_unrun else run["result"] or run["detail"]
    first = outcome_text.splitlines()[0] if outcome_text else ""
    return (local(run["due"]), run["outcome"] + times, seconds(run["lateness"]), seconds(run["duration"]), first[:100])


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


COMMANDS = (history,)
