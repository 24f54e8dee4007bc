"""Commands that read: list, next, history, status."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from scheduler import timing as timings
from scheduler.changes import clock
from scheduler.cli.common import Service, as_json, local, say_problems, with_service
from scheduler.cli.printing import print_json, print_table, say
from scheduler.command_name import is_installed, with_command_name
from scheduler.errors import Exit
from scheduler.installation.layout import Layout
from scheduler.model import Run
from scheduler.sending.upcoming import each_after
from scheduler.status import read_model, timeline
from scheduler.status.as_json import backfill_json, iso, minute_json, overview_json, row_json, run_json, waiting_json
from scheduler.status.problems import refusal
from scheduler.status.problems.facts import Facts
from scheduler.storage.backfills import Backfill
from scheduler.timing import TimingError

MAX_ROWS = 1_000_000  #: more than any ledger has


@click.command(name="list")
@as_json
@with_service
def list_(service: Service, json_: bool) -> int:
    """List every schedule: state, timing, next and last run."""
    listed = service.status.rows()
    backfills = {found.name: (found, ended) for found, ended in service.status.backfills()}
    waits = service.status.waiting()
    if json_:
        fills = {name: backfill_json(*one) for name, one in backfills.items()}
        runs: dict[str, list[object]] = {}
        for it in waits:
            runs.setdefault(it.schedule, []).append(waiting_json(it))
        more = [{"backfill": fills.get(row.name), "waiting": runs.get(row.name, [])} for row in listed]
        print_json([row_json(row) | also for row, also in zip(listed, more, strict=True)])
        return Exit.OK
    rows = [(row.name, row.state, row.timing, local(row.next), last_word(row.last)) for row in listed]
    print_table(("NAME", "STATE", "TIMING", "NEXT", "LAST"), rows)
    for one in backfills.values():
        say(with_command_name(f"backfill of {progress(*one)}"))
    for it in waits:
        say(f"run by hand at {local(it.at)}: {it.id}")
    for problem in refusal.look(Facts(service.store, service.settings)):
        say(f"scheduler: {problem}", err=True)
    return Exit.OK


def progress(found: Backfill, ended: dict[str, int]) -> str:
    """How far it is, in a sentence."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(ended.items())) or "none ended"
    text = f"{found.name}: {found.state}, {found.sent} of {found.total} sent, {outcomes}"
    if found.state == "stopped":
        return f"{text} — {found.why}; `scheduler backfill {found.name} --resume` lets it go on"
    return text


def last_word(run: Run | None) -> str:
    """A run in two words."""
    return f"{run.outcome} {local(run.due)}" if run else "-"


def read_instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """An instant from the command line, UTC if it names no offset."""
    if value is None:
        return None
    try:
        return timings.build("at", value).next_due(timings.BEGINNING)
    except TimingError as error:
        raise click.BadParameter(str(error)) from None


@click.command(name="next")
@click.argument("name", required=False)
@click.option("--cron", help="A cron expression, in place of a schedule's name.")
@click.option("--words", help='A timing in words, such as "every weekday at 9"; shows its spelling in the file.')
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of --cron and --words.")
@click.option("--after", callback=read_instant, help='Start at this time, as "2026-12-24 18:00" (UTC); default: now.')
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=5, show_default=True, help="Number of runs.")
@click.option("--all", "every", is_flag=True, help="Every schedule in one timeline; needs --until.")
@click.option("--until", callback=read_instant, help="End of the timeline of --all, written as for --after.")
@as_json
@with_service
def next_(
    service: Service,
    name: str | None,
    cron: str | None,
    words: str | None,
    timezone: str,
    after: datetime | None,
    count: int,
    every: bool,
    until: datetime | None,
    json_: bool,
) -> int:
    """Show when a schedule or a timing runs next.

    With --all, a timeline of every schedule.
    """
    asked = [name is not None, cron is not None, words is not None, every]
    if asked.count(True) != 1 or every != (until is not None):
        raise click.UsageError("give a schedule's name, --cron EXPRESSION, --words TEXT, or --all --until TIME")
    begin = after or clock()
    if until is not None:
        return show_timeline(service, begin, until, json_)
    if name is None:
        zone = timezone
        description, instants = typed_instants(cron, words, timezone, begin, count)
    else:
        detail = service.status.detail(name, runs=1, upcoming=count)
        zone, description = detail.row.zone, detail.row.timing
        instants = list(detail.upcoming) if after is None else later(service, name, begin, count)
    if json_:
        print_json({"timing": description, "timezone": zone, "next": [iso(instant) for instant in instants]})
        return Exit.OK
    say(description)
    for instant in instants:
        say(local(instant, zone) + ("" if zone == "UTC" else f"  =  {local(instant)}"))
    return Exit.OK


def show_timeline(service: Service, begin: datetime, until: datetime, json_: bool) -> int:
    """What runs when, every schedule in one line of time."""
    due = timeline.timeline(service.store.all().values(), begin, until)
    if json_:
        print_json([{"at": iso(at), "schedule": name} for at, name in due])
    else:
        print_table(("AT", "SCHEDULE"), [(local(at), name) for at, name in due])
    return Exit.OK


def typed_instants(
    cron: str | None, words: str | None, zone: str, begin: datetime, count: int
) -> tuple[str, list[datetime]]:
    """A timing from the command line, told in words or as the file spells it, and its next instants."""
    try:
        kind, text = ("cron", cron) if cron is not None else timings.from_words(str(words))
        timing = timings.build(kind, text, zone=zone)
    except TimingError as error:
        raise click.UsageError(str(error)) from None
    description = timing.words() if cron is not None else f"{kind}: {json.dumps(text)}"
    return description, list(islice(each_after(timing, begin), count))


def later(service: Service, name: str, begin: datetime, count: int) -> list[datetime]:
    """A schedule's instants after one that the user chose."""
    job, error = read_model.read_job(service.store.get(name))
    if job is None:
        raise click.UsageError(f"schedule '{name}' cannot be read: {error}")
    return list(islice(each_after(job.timing, begin), count))


@click.command()
@click.argument("name", required=False)
@click.option("--failed", is_flag=True, help="Only the runs that failed or were lost.")
@click.option("--since", callback=read_instant, help='Only from this time on, as "2026-12-24 18:00" (UTC).')
@click.option("--until", callback=read_instant, help="Only up to this time, written the same way.")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Number of runs.")
@as_json
@with_service
def history(
    service: Service,
    name: str | None,
    failed: bool,
    since: datetime | None,
    until: datetime | None,
    count: int,
    json_: bool,
) -> int:
    """Show the newest runs, and what did not run and why.

    Without NAME, those of all schedules, also of schedules that are well again. A stretch of skips counts at its end.
    """
    begin, end = (since.timestamp() if since else 0.0), (until.timestamp() if until else float("inf"))
    if name is None:
        runs = service.ledger.between(begin, end, count, failed=failed)
    else:
        service.store.get(name)
        every = service.ledger.runs(name, MAX_ROWS)
        shown = (run for run in every if begin <= (run.until or run.due) <= end and (run.went_wrong or not failed))
        runs = list(islice(shown, count))
    if json_:
        print_json([run_json(run) for run in runs])
        return Exit.OK
    head: tuple[str, ...] = ("DUE", "OUTCOME", "LATE", "TOOK", "RESULT")
    lines = [history_line(run) for run in runs]
    if name is None:
        head, lines = ("SCHEDULE", *head), [(run.schedule, *line) for run, line in zip(runs, lines, strict=True)]
    print_table(head, lines)
    return Exit.OK


def history_line(run: Run) -> tuple[str, ...]:
    """A run as a row of ``history``; of its result, the first 100 characters."""
    times = f" × {run.count}" if run.count > 1 else ""
    outcome_text = run.detail if run.outcome in ("skipped", "lost", "stopped") else run.result or run.detail
    first = outcome_text.splitlines()[0] if outcome_text else ""
    return (local(run.due), run.outcome + times, seconds(run.lateness), seconds(run.duration), first[:100])


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


@click.command()
@as_json
@with_service
def status(service: Service, json_: bool) -> int:
    """Show the leader, the schedule file and every problem.

    Exits with 1 if there is a problem. --json also has what was due, started and failed in each minute of an hour.
    """
    from scheduler.up.state import StateDirectory  # no other command here needs it

    overview = service.status.overview(())
    if json_:
        shown = {name: part for name, part in overview_json(overview).items() if name != "schedules"}
        last_hour = service.status.minutes(clock().timestamp() - 3600)
        print_json(shown | {"minutes": [minute_json(minute) for minute in last_hour]})
        return Exit.PROBLEMS if overview.problems else Exit.OK
    leader = overview.leader
    say(f"leader    {leader.name} since {local(leader.since)}" if leader else "leader    none")
    say(f"standbys  {', '.join(overview.standbys) or 'none'}")
    say(f"file      {overview.file.get('path', 'not loaded')}  {overview.file.get('digest', '')}")
    say(f"schedules {overview.total}")
    for group in overview.groups:
        waits = f", {len(group.waiting)} wait: {', '.join([*group.waiting][:3])}" if group.waiting else ""
        say(f"group     {group.name}: {len(group.running)} of {group.places} places taken{waits}")
    if page := StateDirectory(service.settings.state_dir).page():
        say(f"page      {page}")
    if is_installed() and (trial := Layout(Path()).trial):
        say(f"release   {trial[0]} is on trial, {trial[1]} is kept: install again to accept the first")
    say_problems(overview.problems)
    for one in overview.backfills:
        say(with_command_name(f"backfill  {progress(*one)}"))
    for it in overview.waiting:
        say(f"waits     {it.id} until {local(it.at)}")
    for news in overview.news:
        say(f"news      {news}")
    return Exit.PROBLEMS if overview.problems else Exit.OK


COMMANDS = (list_, next_, history, status)
