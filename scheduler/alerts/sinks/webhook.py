"""Posts an alert as signed JSON to a web address, or in the form that Slack, Teams or Discord take."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import sink
from scheduler.alerts.sinks.secrets import Resolved
from scheduler.model.alerts import Webhook

TIMESTAMP_HEADER = "Scheduler-Timestamp"
SIGNATURE_HEADER = "Scheduler-Signature"
MAX_ANSWER_BYTES = 200  #: of a refusal, for the error
MAX_DISCORD_CHARACTERS = 2000

Options = Webhook


def send(alert: Alert, options: Options) -> None:
    """Post it; redirects are not followed. Raises SinkFailed unless the answer is 2xx."""
    resolved = Resolved()
    filled = resolved.options(options)
    address = split(filled.url)
    if address is None:
        resolved.fail("the url of the webhook is not an http or https address")
    body = TEMPLATES[filled.template](alert).encode()
    # The path of a webhook is often a secret itself, so that errors name only the host.
    try:
        status, answer = post(address, body, headers(body, filled.secret))
    except (OSError, http.client.HTTPException, ValueError) as error:
        resolved.fail(f"{address.hostname} does not take the webhook", reason(error))
    if not 200 <= status < 300:
        resolved.fail(f"{address.hostname} answered {status}", answer)


def split(url: str) -> SplitResult | None:
    """The parts of the address; None if it is not one of the web."""
    try:
        address = urlsplit(url)
        is_web = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return None
    return address if is_web else None


def post(address: SplitResult, body: bytes, sent: dict[str, str]) -> tuple[int, str]:
    """The status and the start of the answer, within SEND_TIMEOUT_S however slowly the answer comes."""
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=sink.SEND_TIMEOUT_S)
    # A socket's timeout restarts with each byte.
    timer = threading.Timer(sink.SEND_TIMEOUT_S, cut, [connection])
    timer.daemon = True
    started = time.monotonic()
    timer.start()
    try:
        connection.request("POST", (address.path or "/") + (f"?{address.query}" if address.query else ""), body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        if time.monotonic() - started >= sink.SEND_TIMEOUT_S:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        connection.close()


def cut(connection: http.client.HTTPConnection) -> None:
    """End the connection, so that a thread that waits for it gets an error."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(2)


def headers(body: bytes, secret: str) -> dict[str, str]:
    """The type, and with a secret the time (epoch seconds) and the signature over it and the body."""
    plain = {"Content-Type": "application/json", "User-Agent": "celery-scheduler"}
    if not secret:
        return plain
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {**plain, TIMESTAMP_HEADER: now, SIGNATURE_HEADER: f"sha256={signature}"}


def reason(error: Exception) -> str:
    """Why no answer came, without the address."""
    if isinstance(error, TimeoutError):
        return f"no answer within {sink.SEND_TIMEOUT_S:g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'certificate'}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "the connection ended or the answer is not HTTP"


def slack(alert: Alert) -> str:
    """Slack's form; ``&``, ``<`` and ``>`` escaped, because they make links and mentions there."""
    text = alert.text().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return json.dumps({"text": text})


def teams(alert: Alert) -> str:
    """An adaptive card, as the workflows of Teams take it."""
    blocks = [{"type": "TextBlock", "text": alert.title(), "weight": "Bolder", "wrap": True}]
    blocks += [{"type": "TextBlock", "text": line, "wrap": True} for line in alert.text().splitlines()[1:] if line]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return json.dumps({"type": "message", "attachments": [attachment]})


def discord(alert: Alert) -> str:
    """Discord's form; a mention in the text notifies no one."""
    return json.dumps({"content": alert.text()[:MAX_DISCORD_CHARACTERS], "allowed_mentions": {"parse": []}})


TEMPLATES: dict[str, Callable[[Alert], str]] = {
    "json": Alert.to_json,
    "slack": slack,
    "teams": teams,
    "discord": discord,
}
