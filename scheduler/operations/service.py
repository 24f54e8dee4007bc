"""The service as a whole: status, health, problems."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scheduler.operations.answers.service import Health, Problems, Status, Tasks
from scheduler.operations.operation import Parts, operation
from scheduler.status.as_json import health_json, minute_json, overview_json, problem_json
from scheduler.status.health import health as look_at
from scheduler.status.problems.facts import Facts
from scheduler.status.tasks import help_of
from scheduler.storage.instants import clock

HOUR_S = 3600


@operation("GET", "/status", "viewer", Status)
def status(its: Parts) -> dict[str, Any]:
    """Show the leader, the schedule file, every problem, and what each minute of the last hour saw."""
    overview = {key: part for key, part in overview_json(its.status.overview(())).items() if key != "schedules"}
    last_hour = its.status.minutes(clock().timestamp() - HOUR_S)
    return overview | {"minutes": [minute_json(minute) for minute in last_hour]}


@operation("GET", "/health", "viewer", Health)
def health(its: Parts) -> dict[str, Any]:
    """Show each part of the service: beat, workers, queues, Redis, the schedule file."""
    return health_json(look_at(Facts(its.store, its.settings), its.catalogue.look().by_destination))


@operation("GET", "/problems", "viewer", Problems)
def problems(its: Parts) -> dict[str, Any]:
    """Show what needs a person, in the order in which to fix it."""
    overview = its.status.overview(())
    named, unknown = (list(map(problem_json, part)) for part in (overview.problems, overview.unknown))
    return {"ok": not named, "problems": named, "unknown": unknown}


@operation("GET", "/tasks", "viewer", Tasks)
def tasks(its: Parts) -> dict[str, Any]:
    """List the tasks that schedules can run, with signature and docstring."""
    items = [asdict(help_of(its.tasks, its.celery, name)) for name in sorted(its.tasks or ())]
    return {"items": [it | {"file_only": it["name"] in its.file_only} for it in items]}


OPERATIONS = (status, health, problems, tasks)
