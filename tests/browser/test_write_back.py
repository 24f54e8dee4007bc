"""Writing a change into the schedule file and taking one back, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.model import Entry
from tests.browser.conftest import Open
from tests.browser.test_pages import PHONE, nightly, with_and_without_javascript

__all__ = ["nightly"]
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


@pytest.fixture
def edited(service: Service, nightly: Entry) -> Entry:
    fields = nightly.fields | {"args": [5, 6], "description": "A long sentence " * 20}
    return changes.edit(service.store, "nightly", fields, tasks=service.tasks, by="admin", why="for today")


@with_and_without_javascript
def test_a_change_is_looked_at_and_then_written(
    open_page: Open, service: Service, edited: Entry, javascript: bool
) -> None:
    page = open_page("/schedules/nightly", java_script_enabled=javascript, viewport=PHONE)
    page.get_by_role("link", name="Write args to file").click()
    expect(page.get_by_label("Diff")).to_contain_text("args: [5, 6]")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="Write to file").click()
    expect(page.get_by_role("status").first).to_contain_text("Written to schedules.yaml")
    assert "args: [5, 6]" in service.settings.file.read_text()
    assert "A long" not in service.settings.file.read_text()


@with_and_without_javascript
def test_a_change_is_taken_back_from_the_audit_log(
    open_page: Open, service: Service, edited: Entry, javascript: bool
) -> None:
    page = open_page("/audit", java_script_enabled=javascript)
    page.get_by_role("button", name="Undo edit of nightly").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly")
    expect(page.get_by_role("status").first).to_contain_text("Undone: nightly has its earlier values again")
    assert service.store.get("nightly").fields["args"] == [10, 20]
