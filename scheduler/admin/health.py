"""Health check for load balancers and for the start of the service. Needs no login."""

from __future__ import annotations

from flask import Blueprint, Response

from scheduler.admin.answers import as_json
from scheduler.admin.security import is_logged_in
from scheduler.admin.service import service
from scheduler.status.read_model import file_problems
from scheduler.storage.client import AWAY

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def show() -> Response:
    """200 while Redis answers, else 503. ``file`` is set when the schedule file was rejected; details need a login."""
    try:
        facts = service().store.file_facts()
    except AWAY:
        return as_json({"ok": False}, 503)
    health: dict[str, object] = {"ok": True}
    if facts.get("state") == "rejected":
        health |= {"file": "rejected"}
        health |= {"problems": file_problems(facts)} if is_logged_in() else {}
    return as_json(health)
