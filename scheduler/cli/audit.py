"""Commands about past changes: audit, undo."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from scheduler.changes.plan import compare
from scheduler.cli.common import Desk, as_json, each, local, read_instant, with_desk
from scheduler.cli.printing import print_json, say
from scheduler.errors import Exit
from scheduler.operations import audit as log


@click.command()
@click.argument("name", default="")
@click.option("--by", default="", help="Only what a person or token did, by a part of the name.")
@click.option("--change", default="", help="Only changes of this kind, such as edit, pause or run.")
@click.option("--since", callback=read_instant, help='Only from this time on, as "2026-12-24 18:00" (UTC).')
@click.option("-n", "count", default=20, type=click.IntRange(1, 10_000), help="Number of lines.", show_default=True)
@as_json
@with_desk
def audit(desk: Desk, name: str, by: str, change: str, since: datetime | None, count: int, json_: bool) -> int:
    """Show who changed what, when and why, newest first.

    With NAME, only the changes of that schedule.
    """
    lines = list(each(desk, log.lines, count, schedule=name, by=by, change=change, since=since))
    if json_:
        print_json({"changes": lines})
    for line in () if json_ else lines:
        say(sentence(line))
    return Exit.OK


def sentence(line: dict[str, Any]) -> str:
    """A line of the audit log for people: its id, when, who, what, which fields, why."""
    fields = compare(line.get("before") or {}, line.get("after") or {})
    whole = line.get("before") is None or line.get("after") is None
    changed = "" if whole else "; ".join(f"{key}: {shown(was)} → {shown(now)}" for key, (was, now) in fields.items())
    until = ((line.get("pause") or [None])[-1] or {}).get("until")
    parts = [changed, f"until {local(until)}" if until else "", str(line.get("why") or "")]
    more = " — ".join(part for part in parts if part)
    head = f"{line['id']}  {local(line['at'])}  {line['by']}: {line['change']} {line.get('schedule', '')}".rstrip()
    return f"{head} ({more})" if more else head


def shown(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


@click.command()
@click.argument("id")
@as_json
@with_desk
def undo(desk: Desk, id: str, json_: bool) -> int:
    """Revert a change by its ID in `audit`.

    Refused if the same fields were changed again later. An undo can itself be undone.
    """
    done = desk.ask(log.undo, line_id=id)
    if json_:
        print_json(done)
    else:
        say(done["sentence"])
    return Exit.OK


COMMANDS = (audit, undo)
