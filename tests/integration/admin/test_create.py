"""Making a schedule here, and deleting it again."""

from __future__ import annotations

import pytest

from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare

NEW = {"name": "adder", "task": "scheduler.tasks.log_it", "timing": "*/5 * * * *", "args": "[1, 2]"}


def test_a_schedule_can_be_made_here(admin: Browser, store: Store) -> None:
    page = admin.submit("/schedules/new", **NEW)
    assert "<h1>adder</h1>" in page.text
    entry = store.get("adder")
    assert entry.origin == "admin"
    assert entry.fields == {"task": "scheduler.tasks.log_it", "cron": "*/5 * * * *", "args": [1, 2]}
    assert entry.due is not None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": "two words"}, "'two words' is not a valid name"),
        ({"name": ":lock"}, "is not a valid name"),
        ({"name": ""}, "is not a valid name"),
        ({"name": "nightly"}, "there is already a schedule 'nightly'"),
        ({"task": ""}, "task"),
        ({"task": "os.system"}, "unknown task 'os.system'"),
        ({"task": "scheduler.tasks.run_command", "args": '[["/bin/sh"]]'}, "which only the schedule file may set"),
        (
            {"task": "scheduler.tasks.clean_up", "args": '["/srv/x", "7d", false]'},
            "which only the schedule file may set",
        ),
        ({"task": " scheduler.tasks.clean_up\u00a0", "args": '["/srv/x"]'}, "which only the schedule file may set"),
        ({"args": "[1]"}, "b is required: the task has no default for it"),
        ({"timing": "nonsense"}, "cron"),
    ],
)
def test_a_mistake_makes_nothing(
    admin: Browser, store: Store, nightly: Entry, changed: dict[str, str], words: str
) -> None:
    answer = admin.submit("/schedules/new", **NEW | changed)
    assert answer.status_code == 422
    assert words in text(answer)
    assert Document(answer.text).forms[-1].fields["timing"] == (NEW | changed)["timing"]
    assert store.names() == ["nightly"]


def test_only_registered_tasks_are_offered_and_none_that_runs_commands(admin: Browser) -> None:
    offered = {option.get("value", "") for option in Document(admin.get("/schedules/new").text).all("option")}
    assert "scheduler.tasks.log_it" in offered
    assert not offered & {"scheduler.tasks.run_command", "scheduler.tasks.clean_up"}
    assert not any(value.startswith("celery.") for value in offered)


def test_a_schedule_made_here_can_be_deleted_here(admin: Browser, store: Store, make: Declare) -> None:
    make("mine")
    page = admin.post("/schedules/mine/delete")
    assert "Deleted mine" in text(page)
    assert store.names() == []
    assert "remove" in text(admin.get("/audit"))


def test_a_schedule_of_the_file_is_deleted_in_the_file(admin: Browser, store: Store, nightly: Entry) -> None:
    answer = admin.post("/schedules/nightly/delete")
    assert answer.status_code == 409
    assert "remove it there, or pause it" in text(answer)
    assert store.get("nightly") == nightly
    assert "Delete nightly" not in admin.get("/schedules/nightly").text
