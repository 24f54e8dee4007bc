"""Two people who edit the same schedule at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text

EDIT = "/schedules/nightly/edit?arguments=json"


def form_at(browser: Browser, path: str = EDIT) -> dict[str, str]:
    """What the form would send."""
    return Document(browser.get(path).text).forms[-1].fields


def save(service: Service, by: str, **changed: Any) -> None:
    """Save these fields of the schedule as someone else; None leaves one out."""
    wanted = service.store.get("nightly").fields | changed
    fields = {key: value for key, value in wanted.items() if value is not None}
    changes.edit(service.store, "nightly", fields, tasks=service.tasks, by=by)


def test_who_saves_second_is_shown_what_the_first_one_saved(admin: Browser, store: Store, nightly: Entry) -> None:
    second = Document(admin.get(EDIT).text).forms[-1].fields
    admin.submit(EDIT, args="[1, 1]")
    first = store.get("nightly")
    answer = admin.post(EDIT, **second | {"args": "[2, 2]"})
    assert answer.status_code == 409
    assert store.get("nightly") == first
    assert "Stored now: [1, 1]" in text(answer)
    form = Document(answer.text).forms[-1].fields
    assert form["args"] == "[2, 2]", "what was typed is kept"
    assert admin.post(EDIT, **form | {"take.args": "mine"}).status_code == 200
    assert store.get("nightly").fields["args"] == [2, 2]


def test_two_who_change_different_fields_both_keep_their_change(admin: Browser, store: Store, nightly: Entry) -> None:
    second = Document(admin.get(EDIT).text).forms[-1].fields
    admin.submit(EDIT, args="[1, 1]", timing="1h")
    answer = admin.post(EDIT, **second | {"timeout": "5m"})
    assert "Saved, and merged with the change made meanwhile" in text(answer)
    fields = store.get("nightly").fields
    assert (fields["args"], fields["every"], fields["timeout"]) == ([1, 1], "1h", "5m")


def test_only_fields_that_both_changed_need_a_choice(admin: Browser, store: Store, nightly: Entry) -> None:
    second = Document(admin.get(EDIT).text).forms[-1].fields
    admin.submit(EDIT, args="[1, 1]", timeout="1m")
    answer = admin.post(EDIT, **second | {"timeout": "5m", "retries": "2"})
    assert answer.status_code == 409
    assert "admin changed this schedule" in text(answer)
    assert text(answer).count("Stored now") == 1
    form = Document(answer.text).forms[-1].fields
    assert (form["args"], form["timeout"], form["retries"]) == ("[1, 1]", "5m", "2")
    assert admin.post(EDIT, **form | {"take.timeout": "mine"}).status_code == 200
    assert store.get("nightly").fields["timeout"] == "5m"


def test_each_field_that_both_changed_has_a_choice_of_its_own(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.submit(EDIT, timeout="9m")
    second = Document(admin.get(EDIT).text).forms[-1].fields
    admin.submit(EDIT, args="[1, 1]", timeout="1m", queue="theirs", timing="1h")
    changed = {"args": "[2, 2]", "timeout": "5m", "queue": "mine", "retries": "2"}
    page = Document(admin.post(EDIT, **second | changed).text)
    chosen = {it["name"] for it in page.all("input") if it.get("type") == "radio"}
    assert chosen == {"take.args", "take.timeout", "take.queue"}
    assert "You both changed this. It was 9m ." in page.text
    form = page.forms[-1].fields | {"take.timeout": "theirs", "take.queue": "mine", "take.args": "theirs"}
    admin.submit(EDIT, timeout="3m")  # and once more, before the choice is made
    assert "Saved, and merged with the change made meanwhile" in text(admin.post(EDIT, **form))
    fields = store.get("nightly").fields
    assert {key: fields.get(key) for key in ("args", "timeout", "queue", "retries", "every")} == {
        "args": [1, 1],
        "timeout": "3m",
        "queue": "mine",
        "retries": 2,
        "every": "1h",
    }


@pytest.mark.parametrize("revision", ["", "0", "-1", "1e3", "9" * 400, "x"])
def test_a_form_without_its_revision_overwrites_nothing(
    admin: Browser, store: Store, nightly: Entry, revision: str
) -> None:
    fields = Document(admin.get(EDIT).text).forms[-1].fields
    assert admin.post(EDIT, **fields | {"args": "[2, 2]", "revision": revision, "opened": ""}).status_code == 409
    assert store.get("nightly") == nightly


def test_a_run_in_between_is_no_conflict(admin: Browser, service: Service, store: Store, nightly: Entry) -> None:
    form = Document(admin.get(EDIT).text).forms[-1].fields
    admin.post("/schedules/nightly/runs")
    assert admin.post(EDIT, **form | {"args": "[2, 2]"}).status_code == 200
    assert store.get("nightly").fields["args"] == [2, 2]


@pytest.mark.parametrize("path", ["/schedules/nightly/edit", EDIT])
def test_a_choice_that_is_not_made_is_asked_for_until_it_is(
    admin: Browser, service: Service, nightly: Entry, path: str
) -> None:
    mine = form_at(admin) | {"timeout": "5m", "queue": "mine"}
    save(service, "ben", timeout="1m", queue="theirs")
    form = Document(admin.post(EDIT, **mine).text).forms[-1].fields
    other = Document(admin.post(path, **form | {"act": "check", "take.queue": "theirs"}).text)
    assert {it["name"] for it in other.all("input") if it.get("type") == "radio"} == {"take.timeout"}
    refused = admin.post(path, **other.forms[-1].fields)
    assert refused.status_code == 409
    assert "Stored now: 1m" in text(refused)
    assert service.store.get("nightly").fields["timeout"] == "1m"
    admin.post(path, **Document(refused.text).forms[-1].fields | {"take.timeout": "mine"})
    fields = service.store.get("nightly").fields
    assert (fields["timeout"], fields["queue"]) == ("5m", "theirs")


def test_the_choice_for_an_argument_stays_in_the_way_it_was_asked(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    path = EDIT.partition("?")[0]
    mine = form_at(admin, path) | {"arg.a": "5"}
    save(service, "ben", args=[1, 20])
    form = Document(admin.post(path, **mine).text).forms[-1].fields
    page = Document(admin.post(EDIT, **form | {"act": "check"}).text)
    assert "Stored now: 1" in page.text
    assert "As JSON" not in page.text, "would hide the choice"
    assert page.forms[-1].fields["arg.a"] == "5"


def test_two_changes_that_are_wrong_together_are_told_with_their_reason(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    save(service, "ben", retries=3)
    mine = form_at(admin) | {"retry_delay": "5m"}
    save(service, "ben", retries=None, timeout="1m")
    answer = admin.post(EDIT, **mine)
    assert answer.status_code == 409
    assert "ben changed this schedule" in text(answer)
    assert "Not saved: correct these errors" in text(answer)
    again = Document(answer.text).forms[-1].fields | {"retries": "2"}
    assert "Saved" in text(admin.post(EDIT, **again))
    fields = service.store.get("nightly").fields
    assert (fields["retries"], fields["retry_delay"], fields["timeout"]) == (2, "5m", "1m")


@pytest.mark.parametrize("times", [2, 9])
def test_who_saves_while_others_save_again_and_again_undoes_none_of_it(
    admin: Browser, service: Service, nightly: Entry, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    mine = form_at(admin) | {"timeout": "5m"}
    save(service, "ben", queue="theirs")
    numbers, edit = iter(range(1, times + 1)), changes.edit

    def edit_after_another(*given: Any, **named: Any) -> Entry:
        if number := next(numbers, 0):
            fields = service.store.get("nightly").fields | {"retries": number}
            edit(service.store, "nightly", fields, tasks=None, by="carl")
        return edit(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(changes, "edit", edit_after_another)
        answer = admin.post(EDIT, **mine)
    stored = service.store.get("nightly").fields["retries"]
    if times == 9:
        assert answer.status_code == 409
        assert "carl changed this schedule" in text(answer)
        answer = admin.post(EDIT, **Document(answer.text).forms[-1].fields)
    assert "Saved" in text(answer)
    fields = service.store.get("nightly").fields
    assert (fields["timeout"], fields["queue"]) == ("5m", "theirs")
    assert fields["retries"] == stored == min(times, 4)


def test_the_notice_names_who_changed_the_schedule_and_not_who_ran_it(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    mine = form_at(admin) | {"timeout": "5m"}
    save(service, "ben", timeout="1m")
    admin.post("/schedules/nightly/runs")
    assert "ben changed this schedule" in text(admin.post(EDIT, **mine))
