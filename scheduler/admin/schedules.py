"""The list of schedules, and one schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.listing import Search, find
from scheduler.admin.service import service
from scheduler.model import TIMING_KINDS, Entry, Overlaid, Policies, Schedule
from scheduler.status.as_json import detail_json
from scheduler.status.read_model import Detail, read_job

pages = Blueprint("schedules", __name__)
OWN_FIRST = [name for name in Schedule.model_fields if name not in Policies.model_fields] + [*Policies.model_fields]
ORDER = tuple(Schedule.model_fields[name].alias or name for name in OWN_FIRST)
ALWAYS_SHOWN = ("timezone", "overlap", "catch_up", "enabled", "args", "kwargs")


@dataclass(frozen=True)
class Line:
    """One field of a definition: what governs, and beside it what the file says, if somebody changed it here."""

    name: str
    value: Any
    is_default: bool = False
    file_value: Any = None
    overlaid: Overlaid | None = None
    help: str = ""


@pages.get("/schedules")
def index() -> Response:
    """The list: ?q= text, ?state=, ?tag=, ?page=."""
    listing = find(service().status, Search.read(request.args))
    return as_json(listing.json()) if wants_json() else page("schedules.html", listing=listing)


@pages.get("/schedules/<segment:name>")
def show(name: str) -> Response:
    """One schedule: what it is, when it runs next, how it ran."""
    detail = service().status.detail(name)
    return as_json(detail_json(detail)) if wants_json() else shown(detail)


def shown(detail: Detail, status: int = 200, **context: Any) -> Response:
    """The page of a schedule, with what was wrong in the form that was sent from it."""
    given = {"pause": {}, "errors": {}} | context
    return page("schedule.html", status, detail=detail, lines=list(definition(detail.entry)), **given)


def definition(entry: Entry) -> Iterator[Line]:
    """Its fields in the order of the file's documentation; for another program's entry, RedBeat's own."""
    if entry.origin == "redbeat":
        yield from (Line(name, value) for name, value in entry.fields.items())
        return
    for name in ORDER:
        overlaid = entry.overlay.get(name)
        if name in entry.fields or overlaid or name in ALWAYS_SHOWN:
            yield line(entry, name, overlaid)


def line(entry: Entry, name: str, overlaid: Overlaid | None) -> Line:
    default = Schedule.default(name)
    value = entry.fields.get(name, default)
    said = entry.base.get(name, default)
    is_default = name not in entry.fields and name not in TIMING_KINDS
    return Line(name, value, is_default, said, overlaid, described(name))


def model_field(name: str) -> Any:
    return Schedule.model_fields["except_" if name == "except" else name]


def described(name: str) -> str:
    """What the field is for, in the words of the file's documentation."""
    return str(model_field(name).description or "")


def zone_of(entry: Entry | None) -> str:
    """The zone that a schedule's times are shown in; UTC for one that is gone or damaged."""
    job = read_job(entry)[0] if entry else None
    return job.timing.zone if job else "UTC"
