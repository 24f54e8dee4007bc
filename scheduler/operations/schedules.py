"""Look at schedules: the list, one of them, and what is due when."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from scheduler.errors import RefusedChange
from scheduler.operations.answers.schedules import Next, Rows, Schedule, Timeline
from scheduler.operations.operation import Instant, Model, Parts, Text, operation
from scheduler.status.as_json import backfill_json, detail_json, row_json, waiting_json
from scheduler.status.place import PATTERN, Place
from scheduler.status.problems.facts import Facts
from scheduler.status.rows import State, read_job
from scheduler.status.search import Found, Sort
from scheduler.status.timeline import timeline as timeline_of
from scheduler.storage.instants import clock, iso

MAX_ROWS = 500
MAX_SPAN = timedelta(days=366)  #: of a timeline


class SearchAsked(Model):
    """A search; what is left out matches everything."""

    q: Text = Field(
        "",
        description="Words in the name, task, description or tags; `tag:NAME` for a tag, `queue:NAME` for where its "
        "runs go, `zone:TEXT` for its time zone, `state:STATE` for a state as in `state`, `error:TEXT` for the first "
        "line of why it fails or is quarantined.",
    )
    state: State | Literal["", "failing", "late", "stuck"] = Field(
        "", description="`failing`: its newest ended runs failed or were lost. `late`, `stuck`: its run does not start."
    )
    tag: Text = ""


class ListAsked(SearchAsked):
    """A search, its order, and which page of it."""

    sort: Sort = Field("name", description="`next`: the soonest first; `last`: who ran last; `duration`: the longest.")
    cursor: str = Field("", pattern=PATTERN, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=MAX_ROWS)


class NextAsked(Model):
    """Which due instants."""

    after: Instant | None = Field(None, description="Now, if it is left out; else pauses and skips do not count.")
    count: int = Field(5, ge=1, le=10_000)


class TimelineAsked(Model):
    """A stretch of time."""

    until: Instant
    after: Instant | None = Field(None, description="Now, if it is left out; `next` of the page before.")
    limit: int = Field(1000, ge=1, le=10_000, description="Due instants; those of one moment are never torn apart.")


class ShowAsked(Model):
    """How much of a schedule."""

    runs: int = Field(20, ge=0, le=1000)
    upcoming: int = Field(5, ge=0, le=1000)


@operation("GET", "/schedules", "viewer", Rows, ListAsked)
def index(its: Parts, asked: ListAsked) -> dict[str, Any]:
    """List the schedules."""
    facts = Facts(its.store, its.settings)
    its_search = found(its, asked, facts)
    places = list(islice(its_search.ordered(asked.sort, Place.read(asked.cursor)), asked.limit + 1))
    shown = places[: asked.limit]
    fills = {fill.name: backfill_json(fill, ended) for fill, ended in its.status.backfills()}
    waiting: dict[str, list[Any]] = {}
    for run in its.status.waiting():
        waiting.setdefault(run.schedule, []).append(waiting_json(run))
    rows = its.status.rows((place.name for place in shown), facts)
    items = [row_json(it) | {"backfill": fills.get(it.name), "waiting": waiting.get(it.name, [])} for it in rows]
    cursor = str(shown[-1]) if len(places) > len(shown) else None
    return {"items": items, "next": cursor, "unread": its_search.unread}


def found(its: Parts, asked: SearchAsked, facts: Facts | None = None) -> Found:
    """What the search finds."""
    facts = facts or Facts(its.store, its.settings)
    return Found(its.store, its.catalogue.look(), asked.q, asked.state, asked.tag, facts)


@operation("GET", "/schedules/{name}", "viewer", Schedule, ShowAsked)
def show(its: Parts, name: str, asked: ShowAsked) -> dict[str, Any]:
    """Show one schedule: its definition, its state, its next and its newest runs."""
    detail = its.status.detail(name, runs=asked.runs, upcoming=asked.upcoming)
    return detail_json(detail, its.pile_up(detail))


@operation("GET", "/schedules/{name}/next", "viewer", Next, NextAsked)
def upcoming(its: Parts, name: str, asked: NextAsked) -> dict[str, Any]:
    """Show when a schedule is due next."""
    detail = its.status.detail(name, runs=1, upcoming=asked.count)
    instants = list(detail.upcoming)
    if asked.after is not None:
        job, error = read_job(detail.entry)
        if job is None:
            raise RefusedChange(f"schedule '{name}' cannot be read: {error}")
        instants = list(islice(job.timing.each_after(asked.after), asked.count))
    return {"timing": detail.row.timing, "timezone": detail.row.zone, "next": [iso(instant) for instant in instants]}


@operation("GET", "/timeline", "viewer", Timeline, TimelineAsked)
def timeline(its: Parts, asked: TimelineAsked) -> dict[str, Any]:
    """Show what is due when, of all schedules, in the order of time."""
    begin = asked.after or clock()
    until = min(asked.until, begin + MAX_SPAN)
    due: list[tuple[datetime, str]] = []
    for at, name in timeline_of(its.store.all().values(), begin, until):
        if len(due) >= asked.limit and at != due[-1][0]:
            return {"items": items_of(due), "next": iso(due[-1][0])}
        due.append((at, name))
    return {"items": items_of(due), "next": None if until == asked.until else iso(until)}


def items_of(due: list[tuple[datetime, str]]) -> list[dict[str, Any]]:
    return [{"at": iso(at), "schedule": name} for at, name in due]


OPERATIONS = (index, show, upcoming, timeline)
