"""Send an HTTP request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import shared_task


@shared_task(name="scheduler.tasks.http_request", file_only=True)
def http_request(
    url: str,
    method: str = "",
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    expect: str = "200-299",
    timeout: float = 10,
    allow_private: bool = False,
) -> dict[str, Any]:
    """Send an HTTP request; fails if the status is not one of ``expect``, or after ``timeout`` seconds.

    Returns the status and the first 64 KB of the body, or fails with them. It follows no redirect, uses no proxy, and
    refuses an address that is not public unless ``allow_private``.
    """
    # Late, because beat, the page and most workers never need urllib3.
    from scheduler.tasks.http_requests import send

    return send(url, method, headers or {}, json, expect, timeout, allow_private)
