"""The health of the service for people, and checks for load balancers and monitoring, which need no login."""

from __future__ import annotations

from collections import Counter

from flask import Blueprint, Response

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.people import is_logged_in
from scheduler.admin.service import service
from scheduler.status.as_json import health_json, problem_json
from scheduler.status.health import health
from scheduler.status.problems import problems
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.refusals import meaning_and_remedy

pages = Blueprint("health", __name__)


@pages.get("/health")
def show() -> Response:
    """What needs a person, and each part of the service."""
    store, settings = service().store, service().settings
    seen = health(Facts(store, settings), service().catalogue.look().by_destination)
    if wants_json():
        return as_json(health_json(seen))
    return page("health.html", health=seen, facts=seen.facts, headline=seen.headline)


@pages.get("/healthz")
def lives() -> Response:
    """200 while this process answers; says nothing of the service."""
    return as_json({"ok": True})


@pages.get("/readyz")
def ready() -> Response:
    """503 if a problem is critical, else 200. How many there are of each severity; the problems need a login."""
    store, settings = service().store, service().settings
    try:
        named = [problem for problem in problems(store, settings) if problem.severity != "unknown"]
        is_shown = is_logged_in()
    except (*AWAY, *REFUSED, OSError) as error:
        named, is_shown = [ServiceProblem(*meaning_and_remedy(error, settings), "critical", "redis")], False
    counts = Counter(problem.severity for problem in named)
    body: dict[str, object] = {"ok": not named, "critical": counts["critical"], "warning": counts["warning"]}
    if is_shown:
        body["problems"] = [problem_json(problem) for problem in named]
    return as_json(body, 503 if counts["critical"] else 200)
