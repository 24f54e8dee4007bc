"""Editing a schedule."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from celery import Celery

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare

EDIT = "/schedules/nightly/edit?arguments=json"


def test_the_form_opens_with_what_governs(admin: Browser, nightly: Entry) -> None:
    fields = Document(admin.get(EDIT).text).forms[-1].fields
    shown = {key: value for key, value in fields.items() if value and key != "opened"}
    assert shown == {
        "revision": str(nightly.revision),
        "timing": "30 2 * * *",
        "timezone": "America/New_York",
        "args": "[10, 20]",
        "description": "Adds two numbers every night",
        "tags": "reports, night",
        "queue": "reports",
        "enabled": "on",
    }
    assert {"group", "then", "retries", "max_queued", "expires", "except"} <= fields.keys()
    assert not {"alerts", "ping"} & fields.keys(), "are read from the file, so the form cannot set them"


def test_an_edit_governs_at_once_and_lies_over_the_file(admin: Browser, store: Store, nightly: Entry) -> None:
    page = admin.submit(EDIT, timing="15 3 * * *", args="[1, 2.5]", overlap="allow", why="printer moved")
    assert page.status_code == 200
    assert "Saved" in text(page)
    entry = store.get("nightly")
    assert entry.base == nightly.fields
    assert entry.fields == nightly.fields | {"cron": "15 3 * * *", "args": [1, 2.5], "overlap": "allow"}
    assert {key: (note.by, note.why) for key, note in entry.overlay.items()} == {
        "cron": ("admin", "printer moved"),
        "args": ("admin", "printer moved"),
        "overlap": ("admin", "printer moved"),
    }
    assert entry.due == entry.declared().timing.next_due(changes.clock())


def test_what_is_not_changed_stays(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit(EDIT, description="Something else")
    fields = store.get("nightly").fields
    assert (fields["queue"], fields["tags"]) == ("reports", ["reports", "night"])


def test_the_page_shows_the_files_value_beside_the_new_one_with_who_and_why(admin: Browser, nightly: Entry) -> None:
    page = text(admin.submit(EDIT, timing="90m", why="twice as often"))
    assert re.search(r"every 90m not set by admin (now|\d+ s ago) : twice as often", page)
    assert "cron not set 30 2 * * *" in page


def test_another_kind_of_timing_replaces_the_one_before(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit(EDIT, timing="90m")
    fields = store.get("nightly").fields
    assert fields["every"] == "90m"
    assert "cron" not in fields


def test_a_box_that_is_unchecked_disables(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit(EDIT, enabled="")
    entry = store.get("nightly")
    assert entry.fields["enabled"] is False
    assert "disabled" in text(admin.get("/schedules/nightly"))


def test_every_edit_stands_in_the_audit_log(admin: Browser, nightly: Entry) -> None:
    admin.submit(EDIT, args="[3, 4]", why="other numbers")
    page = text(admin.get("/audit"))
    assert "edit : other numbers args args : [10, 20] → [3, 4]" in page
    newest = admin.json("/audit?schedule=nightly")["changes"][0]
    assert (newest["by"], newest["change"], newest["schedule"]) == ("admin", "edit", "nightly")


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"timing": "61 * * * *"}, "timing", "61"),
        ({"timing": "30 2 30 2 *"}, "timing", "never"),
        ({"timing": ""}, "timing", ""),
        ({"timing": "90"}, "timing", "unit"),
        ({"timezone": "Europe/Berln"}, "timezone", "Europe/Berlin"),
        ({"args": "[10, 20"}, "args", "invalid JSON at line 1, column"),
        ({"args": '{"a": 1}'}, "args", "this is JSON, but not"),
        ({"args": "[NaN, 1]"}, "args", "NaN is not JSON"),
        ({"args": "[1, 2, 3]"}, "args", "too many positional arguments"),
        ({"args": "[" * 50_000}, "args", "nested"),
        ({"args": "[" + "9" * 5000 + "]"}, "args", "number"),
        ({"kwargs": "[]"}, "kwargs", "this is JSON, but not"),
        ({"kwargs": '{"a": 1, "a": 2}'}, "kwargs", "a key appears twice"),
        ({"kwargs": '{"c": 1}'}, "kwargs", "takes no argument 'c'"),
        ({"overlap": "sometimes"}, "overlap", "cannot be"),
        ({"description": "x" * 2000}, "description", "1000"),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_nothing_is_stored(
    admin: Browser, store: Store, nightly: Entry, changed: dict[str, str], field: str, words: str
) -> None:
    answer = admin.submit(EDIT, **changed)
    page = Document(answer.text)
    assert answer.status_code == 422
    [control] = [found for _, found in page.elements if found.get("id") == field]
    assert control["aria-invalid"] == "true"
    assert f"{field}-wrong-1" in control["aria-describedby"].split()
    assert [found for kind, found in page.elements if found.get("id") == f"{field}-wrong-1"]
    assert words in page.text
    for name, value in changed.items():
        if name != "overlap":
            assert page.forms[-1].fields[name] == value, "what was typed is kept"
    assert store.get("nightly") == nightly


def test_every_mistake_is_told_at_once(admin: Browser, nightly: Entry) -> None:
    page = Document(admin.submit(EDIT, timing="61 * * * *", overlap="maybe", args="[", kwargs="]").text)
    assert "Not saved: correct these errors" in page.text
    wrong = {found["id"] for _, found in page.elements if found.get("id", "").endswith("-wrong-1")}
    assert wrong == {"timing-wrong-1", "overlap-wrong-1", "args-wrong-1", "kwargs-wrong-1"}


def test_saving_without_a_change_changes_nothing(admin: Browser, store: Store, nightly: Entry) -> None:
    assert "No changes to save" in text(admin.submit(EDIT))
    assert store.get("nightly") == nightly


def test_the_file_takes_a_field_back_when_it_changes_it(
    admin: Browser, store: Store, load: Callable[[str], None]
) -> None:
    file = "schedules: {{adder: {{task: scheduler.tasks.log_it, every: 1h, args: {args}, tags: [x]}}}}"
    load(file.format(args=[1, 2]))
    admin.submit("/schedules/adder/edit?arguments=json", args="[5, 5]")
    load(file.format(args=[1, 2]))
    assert store.get("adder").fields["args"] == [5, 5]
    load(file.format(args=[7, 7]))
    assert store.get("adder").fields["args"] == [7, 7]
    assert "Revert to file" not in admin.get("/schedules/adder").text


def test_an_entry_of_another_program_is_shown_but_not_edited(admin: Browser, service: Service) -> None:
    definition = '{"name": "theirs", "task": "t", "args": [], "kwargs": {}, "enabled": true, "schedule": {"every": 60}}'
    service.store.client.hset(service.store.keys.entry("theirs"), "definition", definition)
    service.store.client.zadd(service.store.keys.schedule, {service.store.keys.entry("theirs"): 0})
    assert admin.get("/schedules/theirs").status_code == 200
    answer = admin.get("/schedules/theirs/edit")
    assert answer.status_code == 409
    assert "was created by another program with RedBeat's API" in text(answer)


def test_a_schedule_made_here_is_edited_without_an_overlay(admin: Browser, store: Store, make: Declare) -> None:
    make("mine")
    admin.submit("/schedules/mine/edit?arguments=json", args="[8, 9]")
    entry = store.get("mine")
    assert entry.fields["args"] == [8, 9]
    assert entry.overlay == {}


def test_a_command_of_the_file_cannot_be_changed_here(
    admin: Browser, store: Store, load: Callable[[str], None]
) -> None:
    load("schedules: {sync: {task: scheduler.tasks.run_command, every: 1h, kwargs: {argv: [/bin/true]}}}")
    answer = admin.submit("/schedules/sync/edit", kwargs='{"argv": ["/bin/rm", "-rf", "/"]}')
    assert answer.status_code == 422
    assert "which only the schedule file may set" in text(answer)
    assert store.get("sync").fields["kwargs"] == {"argv": ["/bin/true"]}
    assert admin.submit("/schedules/sync/edit", timing="2h").status_code == 200
    assert store.get("sync").fields["every"] == "2h"


@pytest.mark.parametrize("runs", ["command: [/bin/true]", "shell: /bin/true"])
def test_a_program_of_the_file_is_timed_here_and_changed_only_there(
    admin: Browser, store: Store, load: Callable[[str], None], runs: str
) -> None:
    load(f"schedules: {{sync: {{{runs}, every: 1h, environment: {{A: b}}}}}}")
    before = store.get("sync").fields
    answer = admin.submit("/schedules/sync/edit", kwargs='{"argv": ["/bin/rm", "-rf", "/"]}')
    assert (answer.status_code, store.get("sync").fields) == (422, before)
    assert "kwargs belongs to task" in text(answer)
    assert admin.submit("/schedules/sync/edit", timing="2h").status_code == 200
    assert store.get("sync").fields == before | {"every": "2h"}
    assert "set its arguments in the schedule file" in text(admin.get("/schedules/sync/edit"))
    kind = runs.partition(":")[0]
    assert admin.submit("/schedules/new", name="mine", task=kind, timing="@daily").status_code == 422


@pytest.fixture
def own_task(celery: Celery) -> None:
    @celery.task(name="reports.purge", file_only=True, shared=False)
    def purge(directory: str) -> None: ...


@pytest.mark.parametrize(
    ("task", "arguments", "other"),
    [
        ("scheduler.tasks.run_command", "{argv: [/bin/true]}", '{"argv": ["/bin/rm"]}'),
        ("scheduler.tasks.clean_up", "{directory: /srv/x}", '{"directory": "/srv/x", "dry_run": false}'),
        ("reports.purge", "{directory: /srv/x}", '{"directory": "/srv/y"}'),
    ],
)
def test_what_acts_on_the_machine_is_paused_skipped_run_and_timed_here_but_given_arguments_only_by_the_file(
    own_task: None, admin: Browser, store: Store, load: Callable[[str], None], task: str, arguments: str, other: str
) -> None:
    load(f"schedules: {{sync: {{task: {task}, every: 1h, kwargs: {arguments}}}}}")
    before = store.get("sync").fields["kwargs"]
    for change in ({"kwargs": other}, {"args": "[1]", "kwargs": ""}):
        answer = admin.submit("/schedules/sync/edit", **change)
        assert answer.status_code == 422
    assert store.get("sync").fields["kwargs"] == before
    created = admin.submit("/schedules/new", name="mine", task=task, timing="@daily", kwargs=other)
    assert (created.status_code, store.names()) == (422, ["sync"])
    assert "which only the schedule file may set" in text(created)
    assert admin.submit("/schedules/sync/edit", timing="2h").status_code == 200
    assert admin.post("/schedules/sync/overlay/delete").status_code == 200
    for act in ("skip", "pause", "runs"):
        assert admin.post(f"/schedules/sync/{act}").status_code == 200
    assert store.get("sync").pause is not None
