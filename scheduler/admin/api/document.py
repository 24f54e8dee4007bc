"""The OpenAPI document, which spectree makes of the operations' models.

spectree only describes: ``requests`` validates, since a body that is no JSON is an empty one for spectree.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Response as AnyResponse
from pydantic import BaseModel, Field
from spectree import Response, SecurityScheme, SpecTree, Tag
from spectree.models import SecureType, SecuritySchemeData

from scheduler import __version__
from scheduler.admin.api.idempotency import HEADER, MAX_KEY_CHARS
from scheduler.operations.answers.service import Refusal
from scheduler.operations.operation import Operation

DESCRIPTION = """Everything that the admin page shows and does. Instants are ISO 8601 in UTC, durations seconds.

A refusal is `application/problem+json`. A list answers `next`, the cursor of its next page, null at the end."""
TAGS = {
    "schedules": "What is declared, and what is due when",
    "definitions": "Change what a schedule is",
    "pauses": "Hold back runs",
    "bulk": "One act on many schedules",
    "file": "Write changes into the schedule file",
    "runs": "What ran, what did not, and why",
    "backfills": "Run past due instants",
    "audit": "Who changed what",
    "service": "Beat, workers, queues, problems, tasks",
    "sessions": "Who is logged in to the page",
}
ALWAYS = (400, 401, 403, 422, 429, 500, 503)
OF_NAMED = (404,)  #: what has a name or an id in its path
OF_ACTS = (409, 413, 415)
OF_GUARDED = (412, 428)


class KeyHeader(BaseModel):
    """For acts that a program may have to repeat."""

    key: str = Field("", alias=HEADER, max_length=MAX_KEY_CHARS, description="The same act is done once for each key.")


class MatchHeader(BaseModel):
    """For changes of what may have changed meanwhile."""

    match: str = Field(alias="If-Match", description="The ETag of the schedule as it was read, or `*`.")


tree = SpecTree(
    "flask",
    title="celery-scheduler",
    version=__version__,
    description=DESCRIPTION,
    mode="strict",
    annotations=False,
    validation_error_model=Refusal,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _, child: child,
    security_schemes=[SecurityScheme(name="token", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))],
    security={"token": []},
)


def described(operation: Operation, view: Callable[..., AnyResponse]) -> Callable[..., AnyResponse]:
    """The view, known to the document."""
    part = operation.name.partition(".")[0]
    is_post = operation.method == "POST"
    decorate = tree.validate(
        query=None if operation.is_act else operation.asks,
        json=operation.asks if operation.is_act else None,
        headers=MatchHeader if operation.is_guarded else KeyHeader if is_post else None,
        resp=Response(**{f"HTTP_{operation.status}": operation.answers}, **refusals(operation)),
        tags=[Tag(name=part, description=TAGS[part])],
        operation_id=operation.name,
        skip_validation=True,
    )
    made: Callable[..., AnyResponse] = decorate(view)
    return made


def refusals(operation: Operation) -> dict[str, tuple[type[BaseModel], str]]:
    """The other statuses that it may answer."""
    statuses = {*ALWAYS, *(OF_NAMED if "{" in operation.path else ()), *(OF_ACTS if operation.is_act else ())}
    statuses |= {*OF_GUARDED} if operation.is_guarded else set()
    return {f"HTTP_{status}": (Refusal, HTTPStatus(status).phrase) for status in sorted(statuses)}


def document() -> dict[str, Any]:
    """The whole of it. What spectree cannot know is added: our path converter, and the media type of refusals."""
    made: dict[str, Any] = tree.spec
    for path in made["paths"].values():
        for described_ in path.values():
            for parameter in described_["parameters"]:
                parameter["schema"] = parameter["schema"] or {"type": "string", "minLength": 1}
            for status, response in described_["responses"].items():
                content = response.get("content", {})
                if int(status) >= 400 and "application/json" in content:
                    content["application/problem+json"] = content.pop("application/json")
    return made
