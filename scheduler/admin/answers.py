"""Responses: a page for people, JSON for programs."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, render_template, request

from scheduler.admin.people import given_token


def wants_json() -> bool:
    """Whether the request has ``?format=json`` or an Accept header that prefers JSON to HTML.

    A program with a token gets JSON unless it asks for HTML.
    """
    if "format" in request.args:
        return request.args["format"] == "json"
    html, json = "text/html", "application/json"
    offers = (json, html) if given_token() else (html, json)
    return request.accept_mimetypes.best_match(offers, default=offers[0]) == json


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A rendered page. A lone surrogate, which JSON can hold and UTF-8 cannot, is shown as its number."""
    html = render_template(template, **context)
    return Response(html.encode("utf-8", "backslashreplace"), status, mimetype="text/html")


def as_json(body: object, status: int = 200) -> Response:
    """A JSON response."""
    response = jsonify(body)
    response.status_code = status
    return response
