"""From a request to an operation's arguments, and from its answer to the response."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response, abort, request, url_for
from pydantic import ValidationError

from scheduler.admin.answers import as_json, as_problem
from scheduler.admin.json_text import explained, read_json
from scheduler.admin.people import asking
from scheduler.errors import Conflict
from scheduler.operations.operation import Model, Operation

NO_IF_MATCH = "send If-Match with the ETag of the schedule as you read it, or * to overwrite whatever is there"


def rule(operation: Operation) -> str:
    """The operation's path as a rule of Flask."""
    return re.sub(r"{(\w+)}", r"<segment:\1>", operation.path)


def view(operation: Operation) -> Callable[..., Response]:
    """The view function of an operation."""

    def answer(**arguments: Any) -> Response:
        try:
            if operation.asks or operation.is_act:
                asked = (operation.asks or Model).model_validate(body() if operation.is_act else request.args.to_dict())
                arguments |= {"asked": asked} if operation.asks else {}
        except ValidationError as error:
            return invalid(error)
        if operation.is_guarded:
            arguments["revision"] = expected_revision()
        try:
            done = operation(asking(), **arguments)
        except Conflict as error:
            if not operation.is_guarded:
                raise
            return as_problem(error.args[0], 412, "changed")
        return respond(operation, done)

    answer.__doc__ = operation.function.__doc__
    return answer


def body() -> Any:
    """The request's JSON; an empty object if it has no body."""
    data = request.get_data()
    if not data:
        return {}
    if not request.is_json:
        abort(415, "The body is not JSON, or is not said to be: send it with `Content-Type: application/json`.")
    try:
        return read_json(data.decode("utf-8"), dict)
    except (ValueError, RecursionError) as error:
        abort(400, f"The body cannot be read: {explained(error)}.")


def invalid(error: ValidationError) -> Response:
    """Everything that is wrong with the request's values."""
    mistakes = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = [{"field": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in mistakes]
    first = ": ".join(filter(None, wrong[0].values()))
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return as_problem(f"the request is not valid: {first}{more}", 422, "invalid", wrong)


def expected_revision() -> int | None:
    """The revision in If-Match, None for any; -1, which no schedule has, for what is no revision."""
    if "If-Match" not in request.headers:
        abort(428, f"Nothing was changed: {NO_IF_MATCH}.")
    if request.if_match.star_tag:
        return None
    tags = request.if_match.as_set()
    tag = next(iter(tags)) if len(tags) == 1 else ""
    return int(tag) if re.fullmatch(r"[0-9]{1,15}", tag) else -1


def respond(operation: Operation, done: dict[str, Any]) -> Response:
    """The answer, with the ETag of a schedule and the address of what was made."""
    response = as_json(done, operation.status)
    if "revision" in done:
        response.set_etag(str(done["revision"]))
    if operation.status == 201 and "run" in done:
        response.location = url_for("api.runs_show", run_id=done["run"])
    elif operation.status == 201:
        response.location = url_for("api.schedules_show", name=done["name"])
    return response
