"""Skipping the next run on the page."""

from __future__ import annotations

from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, text

SKIP = "/schedules/nightly/skip"


def test_the_next_run_is_left_out_with_a_note_and_shows_who(admin: Browser, store: Store, nightly: Entry) -> None:
    before = admin.json("/schedules/nightly")["upcoming"]
    page = admin.post(SKIP, note="inventory")
    assert "will be skipped" in text(page)
    assert "Requested by admin" in text(page)
    assert "inventory" in text(page)
    told = admin.json("/schedules/nightly")
    assert told["upcoming"][0] == before[1]
    assert (told["skip"]["by"], told["skip"]["note"]) == ("admin", "inventory")


def test_it_runs_after_all(admin: Browser, store: Store, nightly: Entry) -> None:
    before = admin.json("/schedules/nightly")["upcoming"]
    admin.post(SKIP)
    assert "No longer skipped. Next run: " in text(admin.post(f"{SKIP}/delete"))
    assert admin.json("/schedules/nightly")["upcoming"] == before
    assert admin.post(f"{SKIP}/delete").status_code == 404


def test_a_second_one_is_refused(admin: Browser, nightly: Entry) -> None:
    admin.post(SKIP)
    answer = admin.post(SKIP)
    assert answer.status_code >= 400
    assert "already skips" in text(answer)
