"""Who may do what: one table of the routes, for the check of each request and for the buttons on the pages."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.model.roles import ROLES
from scheduler.operations.every import EVERY

PUBLIC = ""  #: in the place of a role: needs no login

OPEN = ("static", "login.show", "login.enter", "health.lives", "health.ready")
LOOK = (
    "home",
    "login.leave",
    "sessions.index",
    "sessions.end",
    "schedules.index",
    "schedules.show",
    "runs.index",
    "runs.show",
    "runs.task",
    "runs.download",
    "run_export.show",
    "timeline.index",
    "backfill.show",
    "audit.index",
    "health.show",
    "metrics.show",
    "api.openapi",
)
OPERATE = (
    "runs.run_now",
    "runs.stop",
    "runs.before_stop",
    "runs.retry",
    "changes.pause",
    "changes.resume",
    "changes.skip",
    "changes.unskip",
    *("run_with.form", "run_with.run", "backfill.begin", "backfill.stop", "backfill.resume"),
    "bulk.plan",
    "bulk.carry_out",
    *("bulk_runs.plan", "bulk_runs.carry_out"),
)
EDIT = (
    *("changes.new", "changes.create", "changes.edit", "changes.save", "changes.revert", "changes.delete"),
    *("export.show", "export.write", "audit.undo", "audit.undo_group"),
    *("changes.duplicate", "bulk.plan_edit", "bulk.carry_out_edit"),
)

#: The role that each endpoint needs. No endpoint both shows and changes something.
RIGHTS: Mapping[str, str] = {
    **dict.fromkeys(OPEN, PUBLIC),
    **dict.fromkeys(LOOK, "viewer"),
    **dict.fromkeys(OPERATE, "operator"),
    **dict.fromkeys(EDIT, "editor"),
    **{f"api.{operation.endpoint}": operation.role for operation in EVERY},
}


def needed(endpoint: str | None) -> str:
    """The role for an endpoint; the lowest where there is no page, the highest for a page that the table lacks."""
    return RIGHTS.get(endpoint, ROLES[-1]) if endpoint else ROLES[0]


def allows(role: str, endpoint: str | None) -> bool:
    """Whether this role may use the endpoint."""
    right = needed(endpoint)
    return right == PUBLIC or ROLES.index(role) >= ROLES.index(right)
