"""Alerts go out through the library Apprise, in a process of its own; what it does not know is said beforehand."""

from __future__ import annotations

import json

import pytest

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import apprise, sink
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.errors import Exit
from tests.support.receivers import Web, serving
from tests.support.shell import Shell

SECRET = "squirrel-7"
ALERT = Alert("a:1", "failing", "warning", "nightly", at=1_767_225_600.0, reason="<disk> is full", output="no space")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine at its limit takes long to load Apprise."""
    monkeypatch.setattr(sink, "SEND_TIMEOUT_S", 120.0)


def test_apprise_hands_an_alert_to_its_service_and_says_what_went_wrong_without_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHONE_KEY", SECRET)
    with serving(Web(200)) as server:
        options = apprise.Options(url=server.url.replace("http", "json") + "/${PHONE_KEY}")
        apprise.send(ALERT, options)
        [(path, _, body)] = server.taken
        assert path.rstrip("/") == f"/{SECRET}"
        taken = json.loads(body)
        assert (taken["title"], taken["type"]) == ("nightly failed", "warning")
        assert "no space" in taken["message"]
        server.status = 500
        with pytest.raises(SinkFailed, match="500") as refused:
            apprise.send(ALERT, options)
    assert SECRET not in str(refused.value)
    with pytest.raises(SinkFailed, match=r"\$\{MISSING\} cannot be filled in"):
        apprise.send(ALERT, apprise.Options(url="json://${MISSING}"))


def test_check_names_an_address_that_apprise_does_not_know(shell: Shell) -> None:
    shell.settings.file.write_text(
        "alerts:\n  sinks:\n    phone: {apprise: 'telgram://x/y'}\n"
        "schedules: {job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}}\n"
    )
    said = shell("check", "--strict")
    assert said.code == Exit.CHANGES
    assert "schedules.yaml:3:22: warning: sink 'phone': Apprise does not know this address — see https://" in said.out
