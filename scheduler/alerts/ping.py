"""Tells a service such as healthchecks.io that a run started, succeeded or failed: it notices what is missing."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode

from scheduler.alerts.sinks import webhook
from scheduler.alerts.sinks.secrets import Resolved
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.model.reasons import explain
from scheduler.storage.records import loads, record

ENDINGS = {"start": "/start", "success": "", "fail": "/fail"}  #: what the address ends with
HEADERS = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "celery-scheduler"}
TRY_AGAIN = (408, 429)  #: with 5xx, the answers after which another attempt may succeed


class Rejected(SinkFailed):
    """The service does not know the address: another attempt is useless."""


@dataclass(frozen=True)
class Ping:
    """One message; ``at`` is in epoch seconds."""

    name: str  #: a schedule, or SERVICE
    kind: str  #: a key of ENDINGS
    at: float
    run: str = ""  #: the id of the run
    id: str = ""  #: of its task, a UUID: it pairs start and end
    reason: str = ""  #: a word of model/reasons.py
    detail: str = ""
    result: str = ""
    traceback: str = ""
    printed: str = ""  #: the last lines of the output

    @classmethod
    def from_json(cls, text: str) -> Ping:
        """Read what ``_pings.lua`` writes; raises ValueError, TypeError or OverflowError."""
        ping = record(cls, loads(text))
        if ping.kind not in ENDINGS:
            raise ValueError(f"{ping.kind!r} is no kind of ping")
        return ping

    def body(self) -> str:
        """The last lines: why it failed, what it returned."""
        parts = (explain(self.reason, self.detail), self.result, self.traceback, self.printed)
        return "\n".join(part for part in parts if part)


def place(address: str, resolved: Resolved) -> SplitResult:
    """The parts of a schedule's ``ping`` with its references filled in; raises SinkFailed."""
    parts = webhook.split(resolved.filled(address))
    if parts is None:
        resolved.fail("the address of `ping` is not an http or https address")
    return parts


def send(ping: Ping, address: str) -> None:
    """Post it within SEND_TIMEOUT_S; raises SinkFailed, in one line without secrets."""
    resolved = Resolved()
    parts = place(address, resolved)
    query = "&".join(part for part in (parts.query, urlencode({"rid": ping.id}) if ping.id else "") if part)
    parts = parts._replace(path=parts.path.rstrip("/") + ENDINGS[ping.kind], query=query)
    # The path is often a secret itself, so that errors name only the host.
    try:
        status, answer = webhook.post(parts, ping.body().encode(), HEADERS)
    except (OSError, http.client.HTTPException, ValueError) as error:
        resolved.fail(f"{parts.hostname} does not take the ping", webhook.reason(error))
    if 400 <= status < 500 and status not in TRY_AGAIN:
        raise Rejected(f"{parts.hostname} answered {status}")
    if not 200 <= status < 300:
        resolved.fail(f"{parts.hostname} answered {status}", answer)
