"""Who changed what, and why."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.service import service
from scheduler.plan import compare

pages = Blueprint("audit", __name__)
SHOWN = 100
SEARCHED = 2_000  #: lines that are looked through for one schedule


@pages.get("/audit")
def index() -> Response:
    """The newest changes; of one schedule with ?schedule=."""
    name = request.args.get("schedule", "")
    lines = service().store.audit(SEARCHED if name else SHOWN)
    found = [line for line in lines if not name or line.get("schedule") == name][:SHOWN]
    if wants_json():
        return as_json({"changes": found})
    return page("audit.html", lines=[(line, differences(line)) for line in found], name=name)


def differences(line: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field that the change touched, before and after."""
    return compare(line.get("before") or {}, line.get("after") or {})
