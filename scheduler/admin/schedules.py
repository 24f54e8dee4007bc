"""The pages of the list and of one schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, request, url_for

from scheduler.admin import frames, trend
from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.arguments import may_be_given
from scheduler.admin.listing import Search, find
from scheduler.admin.service import service
from scheduler.changes.as_yaml import as_yaml
from scheduler.model import TIMING_KINDS, Entry, Overlaid, Policies, Run, Schedule
from scheduler.model.run import UNDER_WAY
from scheduler.model.what_runs import kind_of
from scheduler.status.as_json import detail_json
from scheduler.status.place import Place
from scheduler.status.rows import read_job
from scheduler.status.runs import MAX_LOOKED_AT, MAX_ROWS, choose, newest_first
from scheduler.status.wanted import WRONG, Wanted

pages = Blueprint("schedules", __name__)
OWN_FIRST = [name for name in Schedule.model_fields if name not in Policies.model_fields] + [*Policies.model_fields]
ORDER = tuple(Schedule.model_fields[name].alias or name for name in OWN_FIRST)
TREND_OF = 60  #: runs
RUNS_SHOWN = 20
#: The chips above the runs of a schedule: label, and the same choice as a query of the page Runs.
CHIPS: dict[str, tuple[str, dict[str, str]]] = {
    "": ("all", {}),
    "failed": ("failed or lost", {"outcome": WRONG}),
    "skipped": ("skipped", {"outcome": "skipped"}),
    "manual": ("started by a person", {"started_by": "person"}),
}
ALWAYS_SHOWN = ("timezone", "overlap", "catch_up", "enabled", "args", "kwargs")


@dataclass(frozen=True)
class Line:
    """One field of a definition: its value, and the file's value if an overlay replaces it."""

    name: str
    value: Any
    is_default: bool = False
    file_value: Any = None
    overlaid: Overlaid | None = None
    help: str = ""


@pages.get("/schedules")
def index() -> Response:
    """The list; filters: ``?q=`` (text), ``?state=``, ``?tag=``, ``?page=``."""
    search = Search.read(request.args)
    listing = find(service().status, service().catalogue, search)
    if wants_json():
        return as_json(listing.json())
    tags = {tag for row in listing.overview.rows for tag in row.tags}  # each is in many rows
    tag_links = {tag: url_for("schedules.index", **search.query(tag=tag)) for tag in tags}
    return page("schedules.html", listing=listing, tag_links=tag_links, headline=listing.overview.headline)


@pages.get("/schedules/<segment:name>")
def show(name: str) -> Response:
    """One schedule: state, next runs, past runs (some with ``?runs=``, older ones with ``?before=``), definition."""
    if not wants_json():
        return shown(name)
    detail = service().status.detail(name)
    return as_json(detail_json(detail, service().pile_up(detail)))


def shown(name: str, status: int = 200, **context: Any) -> Response:
    """The page of a schedule as it is now; ``context`` has the values and errors of a form. Raises NotFound."""
    detail = service().status.detail(name, runs=MAX_ROWS)
    rows, detail = detail.runs, replace(detail, runs=detail.runs[:TREND_OF])
    file = service().settings.file.name
    running = next((run for run in detail.runs if run.outcome in UNDER_WAY), None)
    values: dict[str, Any] = {"pause": {}, "skip_note": None, "errors": {}, "refusal": "", "running": running} | context
    values |= chosen_runs(name, rows)
    values |= {
        "file": file,
        "takes_arguments": may_be_given(detail.entry),
        "yaml": as_yaml(detail.entry),
        "unstarted": service().pill.unstarted(detail.row.name),
        "pile_up": service().pile_up(detail),
        "trend": trend.of(detail.runs, detail.runs[0]) if detail.runs else None,
    }
    bad = next((run for run in detail.runs if run.went_wrong), None)
    values["own_frame"] = frames.innermost(bad.traceback) if bad else ""
    return page("schedule.html", status, detail=detail, lines=list(definition(detail.entry)), **values)


def chosen_runs(name: str, rows: Sequence[Run]) -> dict[str, Any]:
    """The runs of a schedule that the address asks for, the chips that choose others, and the address itself."""
    asked = request.args.get("runs", "")
    only, before = asked if asked in CHIPS else "", Place.read(request.args.get("before", ""))
    wanted = Wanted(**CHIPS[only][1])  # type: ignore[arg-type]
    here = {"name": name, **({"runs": only} if only else {})}
    return {
        "shown_runs": choose(newest_first(rows), wanted, before, RUNS_SHOWN),
        "looked_at": MAX_LOOKED_AT,
        "chips": CHIPS,
        "only": only,
        "before": before,
        "here": here | ({"before": str(before)} if before else {}),
    }


def definition(entry: Entry) -> Iterator[Line]:
    """The entry's fields in the order of the model; for another program's entry, RedBeat's own fields."""
    if entry.origin == "redbeat":
        yield from (Line(name, value) for name, value in entry.fields.items())
        return
    without = () if kind_of(entry.fields) == "task" else ("args", "kwargs")
    for name in ORDER:
        overlaid = entry.overlay.get(name)
        if name in entry.fields or overlaid or (name in ALWAYS_SHOWN and name not in without):
            yield line(entry, name, overlaid)


def line(entry: Entry, name: str, overlaid: Overlaid | None) -> Line:
    """A field of the definition: its value, or its default, beside the file's value."""
    default = Schedule.default(name)
    value = entry.fields.get(name, default)
    file_value = entry.base.get(name, default)
    is_default = name not in entry.fields and name not in TIMING_KINDS
    return Line(name, value, is_default, file_value, overlaid, described(name))


def model_field(name: str) -> Any:
    return Schedule.model_fields["except_" if name == "except" else name]


def described(name: str) -> str:
    """The field's description, as in the JSON Schema."""
    return str(model_field(name).description or "")


def zone_of(entry: Entry | None) -> str:
    """The zone in which to show a schedule's times; UTC if it does not exist or cannot be read."""
    job = read_job(entry)[0] if entry else None
    return job.timing.zone if job else "UTC"
