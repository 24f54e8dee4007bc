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


@pytest.mark.usefixtures("rejected")
def test_health_tells_strangers_that_it_was_rejected_and_the_admin_why(stranger: Browser, admin: Browser) -> None:
    assert stranger.get("/healthz").get_json() == {"ok": True, "file": "rejected"}
    told = admin.get("/healthz").get_json()
    assert (told["file"], len(told["problems"])) == ("rejected", 8)


def test_health_is_plain_once_it_is_mended(stranger: Browser, settings: Settings, store: Store, rejected: None) -> None:
    settings.file.write_text("schedules: {}")
    assert not load_for_beat(store, FileWatch(settings.file), {}, "ours")
    assert stranger.get("/healthz").get_json() == {"ok": True}
