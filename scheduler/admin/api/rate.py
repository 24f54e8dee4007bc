"""How many requests a minute one token or person may make."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress

from flask import Response

from scheduler.admin.answers import as_problem
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.storage.client import AWAY, REFUSED

WINDOW_S = 60


def limit() -> Response | None:
    """429 beyond SCHEDULER_API_RATE requests in this minute; while Redis is away, nothing is counted."""
    its, now = service(), time.time()
    who = hashlib.sha256(user().encode()).hexdigest()[:16]
    key = its.store.keys.api_rate(who, int(now // WINDOW_S))
    with suppress(*AWAY, *REFUSED), its.store.client.pipeline(transaction=False) as pipe:
        count, _ = pipe.incr(key).expire(key, 2 * WINDOW_S).execute()
        if count > its.settings.api_rate:
            wait = int(WINDOW_S - now % WINDOW_S) + 1
            most = f"more than {its.settings.api_rate} requests in a minute"
            response = as_problem(f"{most}: wait {wait} s, or raise SCHEDULER_API_RATE", 429, "too-many-requests")
            response.headers["Retry-After"] = str(wait)
            return response
    return None
