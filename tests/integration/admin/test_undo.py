"""Taking back a line of the audit log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import undo
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare

COMMAND = "schedules: {{ls: {{task: scheduler.tasks.run_command, every: 1h, kwargs: {{argv: [{word}]}}}}}}"


def newest(store: Store) -> str:
    return f"/audit/{store.audit.lines()[0]['id']}/undo"


def test_an_edit_is_taken_back_with_one_button(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit("/schedules/nightly/edit?arguments=json", args="[5, 6]")
    actions = [form.action for form in Document(admin.get("/audit").text).forms]
    assert newest(store) in actions
    assert "Undone: nightly has its earlier values again" in text(admin.post(newest(store)))
    entry = store.get("nightly")
    assert (entry.fields, entry.overlay) == (nightly.fields, {})


def test_what_was_changed_since_is_refused_with_the_reason(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit("/schedules/nightly/edit?arguments=json", args="[5, 6]")
    first = newest(store)
    admin.submit("/schedules/nightly/edit?arguments=json", args="[7, 8]")
    assert "Nothing was changed: 'nightly' has changed since in args" in text(admin.post(first))
    assert store.get("nightly").fields["args"] == [7, 8]


def test_a_schedule_that_was_deleted_comes_back(admin: Browser, store: Store, make: Declare) -> None:
    made = make("made")
    admin.post("/schedules/made/delete")
    admin.post(newest(store))
    assert store.get("made").fields == made.fields
    admin.post(newest(store))
    assert "made" not in store.names()


def test_a_pause_with_its_end_stands_in_the_log_and_is_taken_back(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.post("/schedules/nightly/pause", note="new disk", until="2099-01-01T10:00")
    shown = text(admin.get("/audit"))
    assert "until Thu 01 Jan 2099 15:00 UTC" in shown
    admin.post(newest(store))
    ended = store.get("nightly").pause
    assert ended is not None
    assert ended.until is not None
    assert ended.until <= changes.clock().timestamp()


def test_a_manual_run_stands_in_the_log_without_a_button(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.post("/schedules/nightly/runs")
    assert store.audit.lines()[0]["change"] == "run"
    assert newest(store) not in [form.action for form in Document(admin.get("/audit").text).forms]
    assert "there is nothing to undo: this line changed no field of a schedule" in text(admin.post(newest(store)))


def test_a_command_of_the_file_cannot_be_brought_back_here(
    admin: Browser, service: Service, store: Store, load: Callable[[str], None]
) -> None:
    load(COMMAND.format(word="one"))
    load(COMMAND.format(word="two"))
    changed = newest(store)
    assert "which only the schedule file may set" in text(admin.post(changed))
    load("schedules: {}")
    removed = newest(store)
    assert "which only the schedule file may set" in text(admin.post(removed))
    assert store.names() == []
    undo.undo(store, removed.split("/")[2], tasks=service.tasks, by="cli")
    assert store.names() == ["ls"]


@pytest.mark.parametrize("line", ["1-1", "nonsense", "-", "+"])
def test_a_line_that_is_not_there_is_said_so(admin: Browser, line: str) -> None:
    assert "Nothing was changed: " in text(admin.post(f"/audit/{line}/undo"))
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    answer = admin.client.post(f"/audit/{line}/undo", headers=headers, environ_base=admin.environ)
    assert answer.status_code == 404


def test_another_site_can_undo_nothing(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit("/schedules/nightly/edit?arguments=json", args="[5, 6]")
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert admin.client.post(newest(store), headers=headers, environ_base=admin.environ).status_code == 403
    assert store.get("nightly").fields["args"] == [5, 6]
