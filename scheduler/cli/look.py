"""Commands that read: list, status."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Any, get_args

import click

from scheduler.cli.common import Desk, Service, as_json, each, local, say_problems, with_desk
from scheduler.cli.printing import print_json, print_table, say
from scheduler.command_name import is_installed, with_command_name
from scheduler.errors import Exit
from scheduler.operations import schedules, service
from scheduler.status.problems import refusal
from scheduler.status.problems.facts import Facts
from scheduler.status.query import PLACES
from scheduler.status.rows import HELD
from scheduler.status.search import Sort

MAX_ROWS = 1_000_000  #: more schedules than there are


@click.command(name="list")
@click.argument("words", nargs=-1)
@click.option("--state", default="", help="Only those in this state, such as failing or stuck.")
@click.option("--sort", type=click.Choice(get_args(Sort)), default="name", show_default=True, help="What comes first.")
@as_json
@with_desk
def list_(desk: Desk, words: tuple[str, ...], state: str, sort: str, json_: bool) -> int:
    """List schedules: state, timing, next and last run.

    With WORDS, those that have each of them in their name, task, description or tags. tag:NAME is a tag, queue:NAME
    where its runs go, zone:TEXT in its time zone, state:STATE as with --state, error:TEXT in the first line of why it
    fails or is quarantined.
    """
    text, pages = " ".join(map(quoted, words)), list[dict[str, Any]]()
    listed = list(each(desk, schedules.index, MAX_ROWS, pages.append, q=text, state=state, sort=sort))
    if unread := pages[0].get("unread"):  # a page of an older release does not have it
        say(f"only errors of those that began to fail last were read: {unread} more schedules may have it", err=True)
    if json_:
        print_json(listed)
        return Exit.OK
    rows = [(it["name"], state_of(it), it["timing"], local(it["next"]), last_word(it["last"])) for it in listed]
    print_table(("NAME", "STATE", "TIMING", "NEXT", "LAST"), rows)
    for fill in (it["backfill"] for it in listed if it["backfill"]):
        say(with_command_name(f"backfill of {progress(fill)}"))
    for run in sorted((run for it in listed for run in it["waiting"]), key=itemgetter("at")):
        say(f"manual run at {local(run['at'])}: {run['id']}")
    if desk.host:
        for problem in refusal.look(Facts(desk.host.store, desk.host.settings)):
            say(f"scheduler: {problem}", err=True)
    return Exit.OK


def state_of(item: dict[str, Any]) -> str:
    """The state of a schedule in the list; that its run does not start comes before what its newest run says."""
    state, slow = str(item["state"]), item.get("unstarted")  # a page of an older release does not have the second
    if not slow:
        return state
    return f"{state} ({slow['state']})" if state in HELD else str(slow["state"])


def quoted(word: str) -> str:
    """An argument as one word of a search, also with spaces in it."""
    place = next((f"{place}:" for place in PLACES if word.startswith(f"{place}:")), "")
    text = word.removeprefix(place)
    return f'{place}"{text}"' if " " in text and '"' not in text else word


def progress(fill: dict[str, Any]) -> str:
    """How far a backfill is, in a sentence."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(fill["ended"].items())) or "none ended"
    text = f"{fill['name']}: {fill['state']}, {fill['sent']} of {fill['total']} sent, {outcomes}"
    if fill["state"] == "stopped":
        return f"{text} — {fill['why']}; `scheduler backfill {fill['name']} --resume` lets it go on"
    return text


def last_word(run: dict[str, Any] | None) -> str:
    """A run in two words."""
    return f"{run['outcome']} {local(run['due'])}" if run else "-"


@click.command()
@as_json
@with_desk
def status(desk: Desk, json_: bool) -> int:
    """Show the leader, the schedule file and every problem.

    Exits with 1 if there is a problem. --json also has what was due, started and failed in each minute of an hour.
    """
    answer = desk.ask(service.status)
    if json_:
        print_json(answer)
        return Exit.PROBLEMS if answer["problems"] else Exit.OK
    leader, file = answer["leader"], answer["file"]
    say(f"leader    {leader['name']} since {local(leader['since'])}" if leader else "leader    none")
    say(f"standbys  {', '.join(answer['standbys']) or 'none'}")
    say(f"file      {file.get('path', 'not loaded')}  {file.get('digest', '')}")
    say(f"schedules {answer['total']}")
    for group in answer["groups"]:
        waits = f", {len(group['waiting'])} wait: {', '.join([*group['waiting']][:3])}" if group["waiting"] else ""
        say(f"group     {group['name']}: {len(group['running'])} of {group['places']} places taken{waits}")
    if desk.host:
        say_of_host(desk.host)
    say_problems(answer["problems"])
    for fill in answer["backfills"]:
        say(with_command_name(f"backfill  {progress(fill)}"))
    for run in answer["waiting"]:
        say(f"waits     {run['id']} until {local(run['at'])}")
    for news in answer["news"]:
        say(f"news      {news}")
    return Exit.PROBLEMS if answer["problems"] else Exit.OK


def say_of_host(host: Service) -> None:
    """What only the host of the service knows."""
    # No other command here needs them.
    from scheduler.installation.layout import Layout
    from scheduler.up.state import StateDirectory

    if page := StateDirectory(host.settings.state_dir).page():
        say(f"page      {page}")
    if is_installed() and (trial := Layout(Path()).trial):
        say(f"release   {trial[0]} is on trial, {trial[1]} is kept: install again to accept the first")


COMMANDS = (list_, status)
