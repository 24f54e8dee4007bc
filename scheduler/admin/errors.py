"""Error responses: one sentence as a page or as JSON, never a traceback."""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, current_app, request
from kombu.exceptions import OperationalError
from werkzeug.exceptions import HTTPException

from scheduler.admin.answers import as_error, as_problem, is_api, page, typed, wants_json
from scheduler.admin.people import is_logged_in
from scheduler.admin.pill import AWAY_WORDS
from scheduler.admin.service import service
from scheduler.changes import Invalid
from scheduler.command_name import log_of
from scheduler.errors import CannotWrite, Conflict, NotFound, RedisUnavailable, RefusedChange, SchedulerError
from scheduler.status.problems.headline import Headline
from scheduler.storage.client import AWAY, REFUSED, answering

#: The status of each kind of error, and the last word of its type in the API.
KINDS: dict[type[SchedulerError], tuple[int, str]] = {
    NotFound: (404, "not-found"),
    Invalid: (422, "invalid"),
    RefusedChange: (409, "refused"),
    Conflict: (409, "conflict"),
    CannotWrite: (409, "cannot-write"),
    RedisUnavailable: (503, "redis-away"),
}
SENTENCES = {
    404: "There is no such page. The list shows every schedule.",
    405: "This address does not accept this kind of request: go back and use the buttons on the page.",
    413: "The form is too large: shorten it to less than 256 KB.",
    500: f"The page failed: {log_of('celery-admin')}.",
}
OF_API = SENTENCES | {
    404: "There is no such address in the API: /api/v1/openapi.json has every one.",
    405: "This address of the API does not know this method: /api/v1/openapi.json has those that it knows.",
}


def add_error_pages(app: Flask) -> None:
    """Register a handler for every kind of error."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(SchedulerError, scheduler_error)
    app.register_error_handler(Exception, unexpected)
    for away in (*AWAY, *REFUSED, OperationalError):
        app.register_error_handler(away, redis_away)


def http_error(error: HTTPException) -> Response:
    """Werkzeug's error, with our sentence where there is one for its status."""
    status = error.code or 500
    sentences = OF_API if is_api() else SENTENCES
    response = error_response(status, sentences.get(status, error.description or ""))
    if again := getattr(error, "retry_after", None):
        response.headers["Retry-After"] = str(again)
    if error.response is None and status == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
    return response


def scheduler_error(error: SchedulerError) -> Response:
    """An error of ours with the status of its kind; 500 for a kind that KINDS lacks."""
    status, kind = kind_of(error)
    if not is_api():
        return error_response(status, str(error), is_away=isinstance(error, RedisUnavailable))
    problems = error.problems if isinstance(error, Invalid) else ()
    wrong = [{"field": it.key, "detail": f"{it.what} — {it.remedy}" if it.remedy else it.what} for it in problems]
    return as_problem(str(error.args[0]), status, kind, wrong)  # the reader's command is not the one of this host


def kind_of(error: SchedulerError) -> tuple[int, str]:
    return next((answer for known, answer in KINDS.items() if isinstance(error, known)), (500, "failed"))


def gone() -> str:
    """The name in the address, if the audit log knows what became of its schedule."""
    name, store = str((request.view_args or {}).get("name", "")), service().store
    is_gone = name and not store.client.exists(store.keys.entry(name))
    return name if is_gone and store.client.exists(store.keys.history(name)) else ""


def redis_away(error: Exception) -> Response:
    """The connection error, with its remedy."""
    try:
        with answering(service().settings):
            raise error.__cause__ if isinstance(error, OperationalError) and error.__cause__ else error
    except SchedulerError as refused:
        return scheduler_error(refused)
    except Exception as other:
        return error_response(503, f"Redis at {service().settings.shown_redis_url} fails: {other}", is_away=True)


def unexpected(error: Exception) -> Response:
    """A fault of the page itself: the traceback goes to the log, the reader gets a sentence."""
    current_app.logger.exception("a page failed", exc_info=error)
    return error_response(500, SENTENCES[500])


def error_response(status: int, sentence: str, *, is_away: bool = False) -> Response:
    """The sentence as JSON or as a page, as the request prefers."""
    if wants_json():
        return as_error(sentence, status)
    title = HTTPStatus(status).phrase
    # Asking Redis again would only delay the answer.
    known: dict[str, object] = {"headline": Headline(AWAY_WORDS, 1)} if is_away else {}
    inside = is_logged_in()
    kept = typed() if inside and status >= 500 else []
    known["history_of"] = gone() if inside and status == 404 else ""
    context = {"title": title, "code": status, "sentence": sentence, "inside": inside, "typed": kept, **known}
    return page("error.html", status, **context)
