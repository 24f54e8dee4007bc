"""The rule for a Redis user in docs/operations.md is enough, whatever RedBeat would ask for beside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest

from scheduler.celeryapp import build, name_differences
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.store import Store
from tests.support.beats import add_due, lead, leading, running_beat, runs_sent
from tests.support.service import ROOT


def rule() -> list[str]:
    """The words of the documented rule after the user's name."""
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    found = re.search(r"^user scheduler (.*)$", text, re.MULTILINE)
    assert found
    return found[1].split()


@pytest.fixture
def admitted(client: Client, settings: Settings) -> Iterator[Settings]:
    """Settings of a user with exactly that rule."""
    words = [word for word in rule() if not word.startswith(">")]
    client.execute_command("ACL", "SETUSER", "scheduler", "reset", *words, ">secret")
    client.execute_command("ACL", "LOG", "RESET")
    yield replace(settings, redis_url=settings.redis_url.replace("unix://", "unix://scheduler:secret@"))
    client.execute_command("ACL", "DELUSER", "scheduler")


def test_beat_leads_and_sends_and_redis_refuses_it_nothing(
    admitted: Settings, client: Client, store: Store, just_now: datetime
) -> None:
    add_due(store, just_now)
    with running_beat(build(admitted)) as beat:
        lead(beat)
        leading(beat).lost_runs.messages.next_look = 0.0
        lead(beat)
    assert len(runs_sent(client)) == 1
    assert client.execute_command("ACL", "LOG") == []


def test_beat_says_that_it_does_not_follow_celerys_deadline(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = build(settings)
    name_differences(app)
    assert not caplog.records
    app.conf.beat_cron_starting_deadline = 60
    name_differences(app)
    assert "beat_cron_starting_deadline is not used" in caplog.text


def test_redbeats_own_look_at_the_configuration_of_redis_is_off(settings: Settings) -> None:
    """RedBeat 2.4.3 asks CONFIG GET at its start; this service asks with INFO, which the rule allows."""
    assert build(settings).conf["redbeat_key_expiry_check"] == "ignore"
