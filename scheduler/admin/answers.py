"""Responses: a page for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from flask import Response, get_flashed_messages, render_template, request

from scheduler.admin.people import given_token


def is_api() -> bool:
    """Whether the request is one of the API, known or not."""
    return request.path.startswith("/api/")


CHECK = "check"  #: value of the button that shows what a form would do, and changes nothing
#: Forms that a person fills in; each knows CHECK, with which it is sent again after a login.
KEPT_WHEN_REFUSED = (
    *("changes.create", "changes.save", "changes.pause", "changes.skip", "run_with.run", "backfill.begin"),
    *("bulk.plan", "bulk.plan_edit", "bulk.carry_out", "bulk.carry_out_edit"),
    *("bulk_runs.plan", "bulk_runs.carry_out", "runs.stop"),
)


def wants_json() -> bool:
    """Whether the request has ``?format=json`` or an Accept header that prefers JSON to HTML.

    A program with a token gets JSON unless it asks for HTML. The API speaks nothing else.
    """
    if is_api():
        return True
    if "format" in request.args:
        return request.args["format"] == "json"
    html, data = "text/html", "application/json"
    offers = (data, html) if given_token() else (html, data)
    return request.accept_mimetypes.best_match(offers, default=offers[0]) == data


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A rendered page. A lone surrogate, which JSON can hold and UTF-8 cannot, is shown as its number."""
    html = render_template(template, **context)
    return Response(html.encode("utf-8", "backslashreplace"), status, mimetype="text/html")


def messages() -> list[tuple[str, str]]:
    """The messages of acts, each with its tone, for the page that a person opens next; none for a script."""
    is_opened = request.headers.get("Accept") not in ("text/html", "*/*")  # as scripts ask; a browser accepts more
    return cast("list[tuple[str, str]]", get_flashed_messages(with_categories=True)) if is_opened else []


def as_json(body: object, status: int = 200) -> Response:
    """A JSON response, with its keys in their order: a reader elsewhere prints what one on this host does."""
    return Response(f"{json.dumps(body)}\n", status, mimetype="application/json")


def as_error(sentence: str, status: int) -> Response:
    """Why a program's request is refused."""
    return as_problem(sentence, status) if is_api() else as_json({"error": sentence}, status)


def as_problem(sentence: str, status: int, kind: str = "", errors: Sequence[Mapping[str, str]] = ()) -> Response:
    """The same in the form of RFC 9457; without a ``kind``, it means no more than its status."""
    title = HTTPStatus(status).phrase
    body = {"type": f"urn:celery-scheduler:{kind}" if kind else "about:blank", "title": title, "status": status}
    response = as_json(body | {"detail": sentence} | ({"errors": list(errors)} if errors else {}), status)
    response.mimetype = "application/problem+json"
    return response


def typed() -> list[tuple[str, str]]:
    """What the form of this request holds, for a page that cannot take it now and must not lose it."""
    sent = request.form.items(multi=True) if request.endpoint in KEPT_WHEN_REFUSED else ()
    return [(key, value) for key, value in sent if key != "act"]


def is_check() -> bool:
    """Whether the form asks what it would do."""
    return request.form.get("act") == CHECK
