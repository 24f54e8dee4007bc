"""Whether the page can do its work, for load balancers and for the start of the service. Open to everybody."""

from __future__ import annotations

from flask import Blueprint, Response

from scheduler.admin.answers import as_json
from scheduler.admin.service import service
from scheduler.redis_client import AWAY

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def show() -> Response:
    """200 while Redis answers, else 503; nothing else is told to strangers."""
    try:
        service().store.client.ping()
    except AWAY:
        return as_json({"ok": False}, 503)
    return as_json({"ok": True})
