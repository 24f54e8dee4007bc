"""Acts that a program can send twice: with the same Idempotency-Key, the second one gets the answer of the first.

An act whose answer was never kept may have been done or not. Its key then stays refused, since doing it again could run
something twice.
"""

from __future__ import annotations

import hashlib
import json

from flask import Response, abort, g, request

from scheduler.admin.answers import as_problem
from scheduler.admin.people import user
from scheduler.admin.service import service

HEADER = "Idempotency-Key"
KEEP_S = 86_400  #: seconds for which an answer is kept
MAX_KEY_CHARS = 255
KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Retry-After")


def replay() -> Response | None:
    """The kept answer to this key; None for a new key or without one."""
    given = request.headers.get(HEADER, "")
    if request.method != "POST" or not given:
        return None
    if len(given) > MAX_KEY_CHARS:
        abort(400, f"The {HEADER} is longer than {MAX_KEY_CHARS} characters: send a UUID.")
    its = service().store
    key = its.keys.idempotency(digest(user(), given))
    asked = digest(request.full_path, request.get_data().decode("utf-8", "backslashreplace"))
    if its.client.set(key, json.dumps({"asked": asked}), nx=True, ex=KEEP_S):
        g.idempotency = (key, asked)
        return None
    kept = json.loads(its.client.get(key) or "{}")
    if kept.get("asked", asked) != asked:
        return as_problem(f"this {HEADER} was sent with another request: use a new one for each act", 422, "key-reused")
    if "status" not in kept:
        return as_problem(
            "a request with this key is under way, or got no answer, so it may have been done: "
            "look at the audit log, and use a new key if it was not",
            409,
            "no-answer-yet",
        )
    return Response(kept["body"], kept["status"], {**kept["headers"], "Idempotent-Replayed": "true"})


def keep(response: Response) -> Response:
    """Keep the answer for the key, unless the act may be half done."""
    if "idempotency" in g and response.status_code < 500:
        key, asked = g.idempotency
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        kept = {"asked": asked, "status": response.status_code, "headers": headers, "body": response.get_data(True)}
        service().store.client.set(key, json.dumps(kept), ex=KEEP_S)
    return response


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
