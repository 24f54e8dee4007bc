"""What the page can read and do, programs can: each route of the page with the operation of the API beside it."""

from __future__ import annotations

from flask import Flask

from scheduler.admin.roles import RIGHTS
from scheduler.model.roles import ROLES
from scheduler.operations.every import EVERY

LOGIN = "a program sends its token with each request, and has no session"
FORM = "the form of another route"
OWN = "is made for programs: a token opens it"
PROBE = "asked by monitors, without a login"

#: For each route of the page the operations that do the same, or why there is none.
PAGE: dict[str, tuple[str, ...] | str] = {
    "static": "the style and the scripts of the page",
    "home": "leads to the list",
    "login.show": LOGIN,
    "login.enter": LOGIN,
    "login.leave": LOGIN,
    "sessions.index": ("sessions.index",),
    "sessions.end": ("sessions.end",),
    "schedules.index": ("schedules.index", "service.status"),
    "schedules.show": ("schedules.show", "schedules.upcoming"),
    "runs.index": ("runs.find", "runs.errors", "runs.by_quarter"),
    "runs.show": ("runs.show", "runs.output"),
    "runs.download": ("runs.output",),
    "run_export.show": ("runs.find",),
    "runs.task": OWN,
    "runs.run_now": ("runs.run",),
    "runs.stop": ("runs.stop",),
    "runs.before_stop": FORM,
    "runs.retry": ("runs.retry",),
    "run_with.form": FORM,
    "run_with.run": ("runs.run",),
    "timeline.index": ("schedules.timeline", "runs.find", "service.status"),
    "backfill.show": ("backfills.show",),
    "backfill.begin": ("backfills.begin",),
    "backfill.stop": ("backfills.stop",),
    "backfill.resume": ("backfills.resume",),
    "audit.index": ("audit.lines",),
    "audit.undo": ("audit.undo",),
    "audit.undo_group": ("bulk.undo",),
    "health.show": ("service.health", "service.problems"),
    "health.lives": PROBE,
    "health.ready": PROBE,
    "metrics.show": OWN,
    "changes.new": ("service.tasks",),
    "changes.create": ("definitions.create",),
    "changes.duplicate": ("schedules.show", "definitions.create"),
    "changes.edit": ("schedules.show", "service.tasks"),
    "changes.save": ("definitions.replace", "definitions.enable", "definitions.disable"),
    "changes.revert": ("definitions.revert",),
    "changes.delete": ("definitions.delete",),
    "changes.pause": ("pauses.pause",),
    "changes.resume": ("pauses.resume",),
    "changes.skip": ("pauses.skip",),
    "changes.unskip": ("pauses.unskip",),
    "bulk.plan": ("bulk.operate",),
    "bulk.carry_out": ("bulk.operate",),
    "bulk.plan_edit": ("bulk.edit",),
    "bulk.carry_out_edit": ("bulk.edit",),
    "bulk_runs.plan": ("bulk.runs",),
    "bulk_runs.carry_out": ("bulk.runs",),
    "export.show": ("file.show",),
    "export.write": ("file.write",),
}
#: A person sees and ends their own sessions; a program has none, so it needs an admin's token for those of others.
STRICTER = {"sessions.index", "sessions.end"}


def test_each_route_of_the_page_has_an_operation_of_the_api_or_a_reason_why_not(app: Flask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules() if not rule.endpoint.startswith("api.")}
    assert PAGE.keys() == routes, "say here how programs do what a new page does"
    named = {name for found in PAGE.values() if not isinstance(found, str) for name in found}
    assert named == {operation.name for operation in EVERY}, "and what the API can do, the page should"


def test_who_may_do_something_on_the_page_may_do_it_through_the_api() -> None:
    needed = {operation.name: operation.role for operation in EVERY}
    for endpoint, names in PAGE.items():
        for name in () if isinstance(names, str) or endpoint in STRICTER else names:
            assert ROLES.index(needed[name]) <= ROLES.index(RIGHTS[endpoint]), (endpoint, name)
