"""The JSON API below /api/v1: a route for each operation, so that programs can do what the page can."""

from __future__ import annotations

from flask import Blueprint, Response

from scheduler.admin.answers import as_json
from scheduler.admin.api import document, idempotency, rate, requests
from scheduler.operations.every import EVERY

pages = Blueprint("api", __name__, url_prefix="/api/v1")
pages.before_request(rate.limit)
pages.before_request(idempotency.replay)
pages.after_request(idempotency.keep)
for operation in EVERY:
    view = document.described(operation, requests.view(operation))
    pages.add_url_rule(requests.rule(operation), operation.endpoint, view, methods=[operation.method])


@pages.get("/openapi.json")
def openapi() -> Response:
    """The document of the API, OpenAPI 3.1."""
    return as_json(document.document())
