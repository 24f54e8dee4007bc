"""A schedule file that was rejected, as the page and its health tell of it."""

from __future__ import annotations

import pytest

from scheduler.changes import load_for_beat
from scheduler.schedule_file.watch import FileWatch
from scheduler.settings import Settings
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, text


@pytest.fixture
def rejected(settings: Settings, store: Store) -> None:
    lines = [f"  s{number}: {{task: nothing, every: 1h}}" for number in range(8)]
    settings.file.write_text("\n".join(["schedules:", *lines]))
    store.client.set(store.keys.lock, "ours")
    assert load_for_beat(store, FileWatch(settings.file), {}, "ours")


@pytest.mark.usefixtures("rejected")
def test_the_page_shows_every_line_of_it(admin: Browser, settings: Settings) -> None:
    said = text(admin.get("/schedules"))
    assert all(f"{settings.file}:{line}:" in said for line in range(2, 10))


def test_the_page_writes_the_name_of_the_file_as_the_file_system_does(admin: Browser, store: Store) -> None:
    store.note_file({"problems": "schedules.yaml:12:5: unknown key 'corn' — did you mean 'cron'?"})
    assert "schedules.yaml:12:5: unknown key 'corn'" in text(admin.get("/health"))


@pytest.mark.usefixtures("rejected")
def test_readiness_counts_for_strangers_and_names_every_line_for_the_admin(stranger: Browser, admin: Browser) -> None:
    assert stranger.get("/readyz").get_json().keys() == {"ok", "critical", "warning"}
    assert stranger.get("/readyz").get_json()["warning"] == 8
    told = [problem for problem in admin.get("/readyz").get_json()["problems"] if problem["subject"] == "file"]
    assert len(told) == 8
