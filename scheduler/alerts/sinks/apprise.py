"""Sends an alert to anything that the library Apprise speaks: Telegram, ntfy, Matrix, PagerDuty and a hundred more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import sink
from scheduler.alerts.sinks.secrets import Resolved

PROGRAM = Path(__file__).with_name("apprise_program.py")
TYPES = {"critical": "failure", "warning": "warning", "ok": "success"}  #: Apprise's words for our severities


class Options(BaseModel):
    """The options of Apprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, description="Apprise's address of a service.")


def send(alert: Alert, options: Options) -> None:
    """Hand it to Apprise in a process of its own; raises SinkFailed, without the address, which is a secret."""
    resolved = Resolved()
    url = resolved.options(options).url
    title, _, body = alert.text().partition("\n")
    message = {"title": title, "body": body.strip() or title, "type": TYPES.get(alert.severity, "info")}
    if wrong := run({"url": url, **message}, resolved):
        resolved.fail("Apprise did not send it", wrong.replace(url, "…"))


def unknown(url: str) -> str:
    """Why Apprise cannot use this address, its references filled in; empty if it can. Raises SinkFailed."""
    resolved = Resolved()
    return run({"url": resolved.filled(url)}, resolved)


def run(given: dict[str, Any], resolved: Resolved) -> str:
    """What the program prints if it fails; at the timeout it is killed."""
    # -P: beside the program are modules with the names of others.
    command = [sys.executable, "-P", str(PROGRAM)]
    try:
        done = subprocess.run(
            command, input=json.dumps(given).encode(), capture_output=True, timeout=sink.SEND_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        resolved.fail(f"Apprise took longer than {sink.SEND_TIMEOUT_S:g} s and was stopped")
    except OSError as error:
        resolved.fail("Apprise cannot be started", error.strerror)
    if done.returncode == os.EX_OK:
        return ""
    lines = (done.stdout or done.stderr).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it exited with {done.returncode}"
