"""Who is logged in to the page, from where, and how to end that."""

from __future__ import annotations

from typing import Any

from scheduler.errors import NotFound
from scheduler.operations.answers.service import Session, Sessions
from scheduler.operations.operation import Parts, operation
from scheduler.status.as_json import session_json
from scheduler.storage.audit import audit_line
from scheduler.storage.instants import clock
from scheduler.storage.sessions import OpenSessions


@operation("GET", "/sessions", "admin", Sessions)
def index(its: Parts) -> dict[str, Any]:
    """List the sessions of everyone who is logged in to the page, the newest first."""
    return {"items": [session_json(it) for it in opened(its).all()]}


@operation("POST", "/sessions/{session_id}/end", "admin", Session)
def end(its: Parts, session_id: str) -> dict[str, Any]:
    """End a session: its browser has to log in again."""
    found = next((it for it in opened(its).all() if it.id == session_id), None)
    if found is None:
        raise NotFound("this session has ended already, or there is none with this id")
    opened(its).end(session_id)
    its.store.audit.add(audit_line(its.user, clock(), "end session", None, None, f"of {found.name}"))
    return session_json(found)


def opened(its: Parts) -> OpenSessions:
    return OpenSessions(its.store.client, its.store.keys)


OPERATIONS = (index, end)
