"""Searches take turns: a few at once, so that every other page is answered beside the worst of them.

gunicorn's worker gives them threads of their own (see whole_requests); what waited too long for one is refused here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from werkzeug.exceptions import ServiceUnavailable

AT_ONCE = 2  #: searches
MAX_WAIT_S = 2.0  #: for a turn; after that, whoever asked has gone, or asks again
#: The list as it opens is none: every reader has it open, and it looks for nothing.
SEARCH = re.compile(rb"(GET|HEAD) /(api/v1/)?(schedules\?|(runs(\.csv|\.json)?|audit|timeline)[ ?])")
waited_s: ContextVar[float] = ContextVar("waited_s", default=0.0)  #: how long the request of this thread waited


def in_turn(call: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[], Any]:
    """The same call for a thread that is free later, and that then knows how long this took."""
    asked_at = time.monotonic()

    def later() -> Any:
        waited_s.set(time.monotonic() - asked_at)
        return call(*arguments, **options)

    return later


def require_turn() -> None:
    """Raise 503 for a search whose turn came too late."""
    if waited_s.get() > MAX_WAIT_S:
        raise ServiceUnavailable("Too many searches at once: wait a moment, then search again.", retry_after=5)
