"""Run past due instants of a schedule: what that would do, how far it is, begin, stop, resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import is_check, page
from scheduler.admin.people import user
from scheduler.admin.schedules import zone_of
from scheduler.admin.service import service
from scheduler.changes import backfills, clock
from scheduler.errors import NotFound, RefusedChange
from scheduler.storage.backfills import WANTED, Backfills, Only
from scheduler.storage.store import Store
from scheduler.timing import TimingError, parse_instant

pages = Blueprint("backfill", __name__)
MAX_RUNNING = 100
MAX_SHOWN = 20  #: due instants of a plan


@pages.get("/schedules/<segment:name>/backfill")
def show(name: str) -> Response:
    """The backfill of the schedule, and with ``?from=`` what another one would run."""
    return looked_at(name, request.args)


def looked_at(name: str, given: Any) -> Response:
    """The form with what it would run; changes nothing."""
    plan, refusal = None, ""
    if given.get("from"):
        try:
            plan = planned(name, given)
        except (RefusedChange, TimingError) as error:
            refusal = str(error)
    return shown(name, given, plan, refusal)


@pages.post("/schedules/<segment:name>/backfill")
def begin(name: str) -> AnyResponse:
    """Begin it."""
    if is_check():
        return looked_at(name, request.form)
    try:
        plan = planned(name, request.form)
        if not plan.runs:
            raise RefusedChange("there is nothing to run between these times")
        backfills.begin(service().store, plan)
    except (RefusedChange, TimingError) as error:
        return shown(name, request.form, None, str(error))
    return redirect(url_for("backfill.show", name=name), 303)


@pages.post("/schedules/<segment:name>/backfill/stop")
def stop(name: str) -> AnyResponse:
    """Send no more of its runs."""
    return acted(name, backfills.stop)


@pages.post("/schedules/<segment:name>/backfill/resume")
def resume(name: str) -> AnyResponse:
    """Let a stopped one go on."""
    return acted(name, backfills.resume)


def acted(name: str, act: Callable[[Store, str, str], object]) -> AnyResponse:
    """Do it; a refusal is on the page, which shows how it is now."""
    try:
        act(service().store, name, user())
    except (NotFound, RefusedChange) as error:
        return shown(name, {}, None, str(error))
    return redirect(url_for("backfill.show", name=name), 303)


def planned(name: str, given: Any) -> backfills.Plan:
    """What the form asks for; raises RefusedChange, TimingError or NotFound."""
    its, zone = service(), zone_of(service().store.get(name))
    first = parse_instant(given.get("from", "").strip()[:60], zone, "from")
    last = parse_instant(given["to"].strip()[:60], zone, "to") if given.get("to", "").strip() else clock()
    only = cast("Only", given.get("only") if given.get("only") in WANTED else "missed")
    number = given.get("max_running", "1")
    at_once = min(max(int(number), 1), MAX_RUNNING) if number.isdecimal() and len(number) < 4 else 1
    return backfills.plan(its.store, its.ledger, name, first, last, only, at_once, user())


def shown(name: str, given: Any, plan: backfills.Plan | None, refusal: str) -> Response:
    zone = zone_of(service().store.get(name))
    present, ended = backfills.find(Backfills(service().store.client, service().store.keys), name)
    values = {key: given.get(key, "")[:60] for key in ("from", "to", "only", "max_running")}
    context: dict[str, Any] = {"name": name, "zone": zone, "present": present, "ended": ended, "values": values}
    context |= {"plan": plan, "refusal": refusal, "shown": plan.runs[:MAX_SHOWN] if plan else ()}
    return page("backfill.html", 422 if refusal else 200, **context)
