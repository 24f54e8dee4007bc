"""The service of another host, asked through the API of its page."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, LocationParseError

from scheduler.cli.common import split
from scheduler.cli.printing import say
from scheduler.environment import Environment
from scheduler.errors import (
    CannotWrite,
    Conflict,
    NotAllowed,
    NotFound,
    PageUnavailable,
    RedisUnavailable,
    RefusedChange,
    SchedulerError,
)
from scheduler.model.page import escape
from scheduler.operations.operation import Operation

TIMEOUT = Timeout(connect=10, read=60)
MAX_WAIT_S = 60  #: between two tries, where the page has too many requests
TRIES = 3  #: with one Idempotency-Key, so that nothing is done twice
LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: What is raised here for each type of refusal.
KINDS: dict[str, type[SchedulerError]] = {
    "not-found": NotFound,
    "invalid": RefusedChange,
    "refused": RefusedChange,
    "conflict": Conflict,
    "changed": Conflict,
    "cannot-write": CannotWrite,
    "redis-away": RedisUnavailable,
}
OF_STATUS: dict[int, type[SchedulerError]] = {401: NotAllowed, 403: NotAllowed}


class Remote:
    """A Desk at an address."""

    host = None

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        # A redirect would take the token along.
        self.pool = PoolManager(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, retries=False)

    @classmethod
    def at(cls, url: str, token: str | None, token_file: str | None) -> Remote:
        """The page at this address; raises UsageError without a good address or a token."""
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname or place.query or place.fragment:
            raise click.UsageError(f"--url {url}: write it like https://jobs.example.com")
        given = token or (from_file(token_file) if token_file else "")
        given = given or Environment(os.environ).secret("SCHEDULER_TOKEN", "")
        if not given or not given.isascii() or not given.isprintable():
            text = "--url needs a token, in SCHEDULER_TOKEN, SCHEDULER_TOKEN_FILE or --token-file"
            raise click.UsageError(f"{text}: `celery-scheduler token add NAME` makes one on the service's host")
        if place.scheme == "http" and place.hostname not in LOOPBACK:
            say("scheduler: the token goes over plain http, where others can read it: use https", err=True)
        return cls(url.rstrip("/"), given)

    def ask(self, operation: Operation, **values: Any) -> Any:
        """See Desk."""
        path, asked = split(operation, values)
        address = f"{self.url}/api/v1{operation.path.format(**{key: segment(it) for key, it in path.items()})}"
        sent = asked.model_dump(mode="json", exclude_defaults=True) if asked else {}
        if not operation.is_act:
            return self.answer("GET", f"{address}?{urlencode(as_query(sent))}" if sent else address)
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self.answer(operation.method, address, json.dumps(sent), headers)

    def answer(self, method: str, address: str, body: str | None = None, headers: dict[str, str] | None = None) -> Any:
        """What the page answers; raises SchedulerError."""
        while (response := self.send(method, address, body, headers or {})).status == 429:
            time.sleep(wait_of(response.headers.get("Retry-After", "")))
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = None
        if response.status < 300 and isinstance(answer, dict):
            return answer
        if isinstance(answer, dict) and "type" in answer and "detail" in answer:
            kind = KINDS.get(str(answer["type"]).rpartition(":")[2], OF_STATUS.get(response.status, PageUnavailable))
            raise kind(str(answer["detail"]))
        to = f", and leads to {response.headers['Location']}" if "Location" in response.headers else ""
        raise PageUnavailable(f"{self.url} answers {response.status}{to}, not as the API does: check --url")

    def send(self, method: str, address: str, body: str | None, headers: dict[str, str]) -> BaseHTTPResponse:
        """The response, after another try where the connection broke; raises PageUnavailable."""
        sent = {**self.pool.headers, **headers} | ({} if body is None else {"Content-Type": "application/json"})
        for attempt in range(1, TRIES + 1):
            try:
                return self.pool.request(method, address, body=body, headers=sent)
            except (HTTPError, LocationParseError) as error:
                if attempt == TRIES:
                    why = " ".join(str(getattr(error, "reason", None) or error).split())
                    raise PageUnavailable(f"{self.url} does not answer: {why}") from None
                time.sleep(attempt)
        raise PageUnavailable


def wait_of(retry_after: str) -> int:
    """Seconds until the next try; a web server in front may answer a date, or nothing."""
    return max(1, min(int(retry_after), MAX_WAIT_S)) if retry_after.isdecimal() else 1


def from_file(path: str) -> str:
    """The token in a file; raises UsageError."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise click.UsageError(f"--token-file {path}: {reason}") from None


def segment(text: str) -> str:
    """A name or an id as a segment of a path."""
    return quote(escape(text), safe="", errors="replace")


def as_query(sent: dict[str, Any]) -> dict[str, str]:
    """The values of a query as texts."""
    return {key: json.dumps(it) if isinstance(it, bool) else str(it) for key, it in sent.items() if it is not None}
