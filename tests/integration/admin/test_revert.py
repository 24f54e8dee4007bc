"""Revert a change made on the page to the file's value."""

from __future__ import annotations

import pytest

from scheduler.model import Entry
from scheduler.storage.store import Store, Write
from tests.integration.admin.browser import Browser, text
from tests.support.schedules import declared, entry_of

REVERT = "/schedules/nightly/overlay/delete"


@pytest.fixture
def edited(admin: Browser, nightly: Entry) -> Entry:
    """The schedule of the file, as it was before three of its fields were changed."""
    admin.submit("/schedules/nightly/edit?arguments=json", timing="90m", args="[5, 6]", overlap="allow")
    return nightly


def test_one_field_goes_back_and_the_others_stay(admin: Browser, store: Store, edited: Entry) -> None:
    page = admin.post(REVERT, field="args")
    assert "Reverted to the file. Next run: " in text(page)
    entry = store.get("nightly")
    assert entry.fields["args"] == [10, 20]
    assert (entry.fields["every"], entry.fields["overlap"]) == ("90m", "allow")
    assert "args" not in entry.overlay


def test_a_field_that_the_file_leaves_out_goes_back_to_its_default(admin: Browser, store: Store, edited: Entry) -> None:
    admin.post(REVERT, field="overlap")
    assert "overlap" not in store.get("nightly").fields


def test_the_page_says_application_where_that_declares_the_schedule(admin: Browser, store: Store) -> None:
    declared_by_app = entry_of(declared("warm-up", task="scheduler.tasks.log_it", every="5m", args=[1, 2]), "app")
    store.write([Write("warm-up", None, declared_by_app)])
    admin.submit("/schedules/warm-up/edit", overlap="allow")
    page = text(admin.get("/schedules/warm-up"))
    assert "Application value" in page
    assert "File value" not in page
    reverted = text(admin.post("/schedules/warm-up/overlay/delete", field="overlap"))
    assert "Reverted to the application. Next run: " in reverted


@pytest.mark.parametrize("field", ["every", "cron"])
def test_the_timing_goes_back_as_a_whole(admin: Browser, store: Store, edited: Entry, field: str) -> None:
    admin.post(REVERT, field=field)
    entry = store.get("nightly")
    assert entry.fields["cron"] == "30 2 * * *"
    assert "every" not in entry.fields
    assert entry.due == edited.due


def test_everything_goes_back_at_once(admin: Browser, store: Store, edited: Entry) -> None:
    admin.post(REVERT)
    entry = store.get("nightly")
    assert entry.fields == entry.base == edited.fields
    assert entry.overlay == {}
    assert "reverted all to the file" in text(admin.get("/audit"))


@pytest.mark.parametrize("field", ["queue", "nonsense", "task"])
def test_a_field_that_was_not_changed_has_nothing_to_go_back_to(
    admin: Browser, store: Store, edited: Entry, field: str
) -> None:
    before = store.get("nightly")
    assert admin.post(REVERT, field=field).status_code == 404
    assert store.get("nightly") == before
