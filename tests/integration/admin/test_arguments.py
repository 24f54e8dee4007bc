"""Arguments in the forms: a field for each parameter of the task, or JSON."""

from __future__ import annotations

import json

import pytest
from celery import Celery

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.integration.admin.conftest import Declare

EDIT = "/schedules/nightly/edit"
NEW = {"name": "letter", "timing": "@daily"}


@pytest.fixture(autouse=True)
def own_tasks(celery: Celery) -> None:
    @celery.task(name="shop.write", shared=False)
    def write(to: str, copies: int = 1, draft: bool = False, options=None) -> None:  # type: ignore[no-untyped-def]
        """Write a letter."""

    @celery.task(name="shop.any", shared=False)
    def take_any(*items: object, **options: object) -> None:
        """Take anything."""


def form_of(browser: Browser, path: str, **sent: str) -> dict[str, str]:
    """The fields of the form after a check."""
    form = Document(browser.get(path).text).forms[-1].fields
    return Document(browser.post(path, **form | sent | {"act": "check"}).text).forms[-1].fields


def arguments(form: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in form.items() if key.startswith("arg.") or key in ("args", "kwargs")}


def test_a_schedule_of_a_task_with_forgotten_arguments_is_made_without_its_source(admin: Browser, store: Store) -> None:
    form = form_of(admin, "/schedules/new", **NEW, task="shop.write")
    assert arguments(form) == {"arg.to": "", "arg.copies": "", "arg.draft": "", "arg.options": ""}
    refused = admin.post("/schedules/new", **form)
    assert refused.status_code == 422
    page = Document(refused.text)
    assert "to is required: the task has no default for it" in page.text
    assert "Write a letter." in page.text
    assert "int , 1 if left empty" in page.text
    [field] = [found for found in page.all("input") if found.get("id") == "arg.to"]
    assert field["aria-invalid"] == "true"
    typed = {"arg.to": "007", "arg.copies": "3", "arg.draft": "true", "arg.options": '{"paper": [1, null]}'}
    admin.post("/schedules/new", **page.forms[-1].fields | typed)
    kwargs = {"to": "007", "copies": 3, "draft": True, "options": {"paper": [1, None]}}
    assert store.get("letter").fields["kwargs"] == kwargs
    assert "args" not in store.get("letter").fields
    again = Document(admin.get("/schedules/letter/edit").text).forms[-1].fields
    assert arguments(again) == typed


@pytest.mark.parametrize(
    ("kwargs", "shown"),
    [
        ({"to": "7"}, {"arg.to": "7"}),
        ({"to": '"quoted"', "options": "7"}, {"arg.to": r'"\"quoted\""', "arg.options": '"7"'}),
        ({"to": "", "options": " padded "}, {"arg.to": '""', "arg.options": '" padded "'}),
        ({"to": "null", "options": "two\nlines"}, {"arg.to": "null", "arg.options": r'"two\nlines"'}),
        ({"to": "x", "options": 1.0, "copies": "[1"}, {"arg.to": "x", "arg.options": "1.0", "arg.copies": '"[1"'}),
        ({"to": 7}, {"args": "", "kwargs": '{"to": 7}'}),
    ],
)
def test_values_keep_their_kind_through_the_form_and_what_no_field_can_say_is_json(
    admin: Browser, store: Store, make: Declare, kwargs: dict[str, object], shown: dict[str, str]
) -> None:
    made = make("letter", task="shop.write", args=[], kwargs=kwargs)
    form = Document(admin.get("/schedules/letter/edit").text).forms[-1].fields
    assert {key: value for key, value in arguments(form).items() if value or key in shown} == shown
    admin.post("/schedules/letter/edit", **form | {"description": "the same"})
    assert store.get("letter").fields == made.fields | {"description": "the same"}


def test_an_argument_that_is_changed_leaves_the_others_where_they_were(
    admin: Browser, store: Store, nightly: Entry
) -> None:
    assert arguments(Document(admin.get(EDIT).text).forms[-1].fields) == {"arg.a": "10", "arg.b": "20"}
    admin.submit(EDIT, **{"arg.b": "2.5"})
    entry = store.get("nightly")
    assert (entry.fields["args"], set(entry.overlay)) == ([10, 2.5], {"args"})


def test_what_is_typed_goes_over_into_the_other_way_and_back(admin: Browser, nightly: Entry) -> None:
    form = form_of(admin, EDIT, **{"arg.a": "7", "arg.b": "seven"})
    other = Document(admin.post(f"{EDIT}?arguments=json", **form | {"act": "check"}).text)
    assert arguments(other.forms[-1].fields) == {"args": '[7, "seven"]', "kwargs": ""}
    assert {"formaction": EDIT} in [{"formaction": it.get("formaction", "")} for it in other.all("button")]
    back = admin.post(EDIT, **other.forms[-1].fields | {"kwargs": '{"c": 1}', "act": "check"})
    assert arguments(Document(back.text).forms[-1].fields) == {"args": '[7, "seven"]', "kwargs": '{"c": 1}'}
    back = admin.post(EDIT, **other.forms[-1].fields | {"act": "check"})
    assert arguments(Document(back.text).forms[-1].fields) == {"arg.a": "7", "arg.b": "seven"}


def test_what_begins_like_json_and_is_none_is_told_beside_its_field(
    admin: Browser, store: Store, nightly: Entry
) -> None:
    answer = admin.submit(EDIT, **{"arg.a": "[1, 2", "arg.b": "NaN"})
    assert answer.status_code == 422
    assert "a: invalid JSON at line 1, column" in text(answer)
    assert arguments(Document(answer.text).forms[-1].fields) == {"arg.a": "[1, 2", "arg.b": "NaN"}
    assert store.get("nightly") == nightly


def test_another_task_loses_nothing_that_was_typed_for_the_one_before(admin: Browser) -> None:
    form = form_of(admin, "/schedules/new", **NEW, task="shop.write") | {"arg.to": "ann", "arg.copies": "2"}
    other = Document(admin.post("/schedules/new", **form | {"task": "scheduler.tasks.log_it", "act": "check"}).text)
    assert arguments(other.forms[-1].fields) == {"args": "", "kwargs": '{"to": "ann", "copies": 2}'}
    for task in ("shop.any", "shop.unknown"):
        form = form_of(admin, "/schedules/new", **NEW, task=task, args="[1]")
        assert arguments(form) == {"args": "[1]", "kwargs": ""}


def test_two_who_change_different_arguments_both_keep_theirs(admin: Browser, store: Store, nightly: Entry) -> None:
    second = Document(admin.get(EDIT).text).forms[-1].fields
    admin.submit(EDIT, **{"arg.a": "1"})
    assert "Saved, and merged with the change made meanwhile" in text(admin.post(EDIT, **second | {"arg.b": "2"}))
    assert store.get("nightly").fields["args"] == [1, 2]
    answer = admin.post(EDIT, **second | {"arg.a": "3"})
    assert answer.status_code == 409
    assert "Stored now: 1" in text(answer)
    assert text(answer).count("Stored now") == 1


@pytest.mark.parametrize("number", [7, None])
def test_an_argument_that_someone_else_saved_and_no_field_can_hold_is_kept_or_chosen(
    admin: Browser, service: Service, make: Declare, number: int | None
) -> None:
    make("letter", task="shop.write", args=[], kwargs={"to": "ann"})
    second = Document(admin.get("/schedules/letter/edit").text).forms[-1].fields
    fields = service.store.get("letter").fields | {"kwargs": {"to": number}}
    changes.edit(service.store, "letter", fields, tasks=service.tasks, by="ben")
    assert "Saved, and merged" in text(admin.post("/schedules/letter/edit", **second | {"timeout": "5m"}))
    both = service.store.get("letter").fields
    assert (both["kwargs"], both["timeout"]) == ({"to": number}, "5m")
    page = Document(admin.post("/schedules/letter/edit", **second | {"arg.copies": "2"}).text)
    assert f'Stored now: {{"to": {json.dumps(number)}}}' in page.text
    assert arguments(page.forms[-1].fields)["kwargs"] == '{"to": "ann", "copies": 2}'
    admin.post("/schedules/letter/edit", **page.forms[-1].fields | {"take.kwargs": "theirs"})
    assert service.store.get("letter").fields == both


@pytest.mark.parametrize("runs", ["command: [/bin/true]", "shell: /bin/true", "http: {url: 'https://example.com/'}"])
def test_a_program_is_not_offered_a_run_with_other_arguments(
    admin: Browser, service: Service, load: object, runs: str
) -> None:
    load(f"schedules: {{sync: {{{runs}, every: 1h}}}}")  # type: ignore[operator]
    assert "/schedules/sync/run" not in [it.get("href") for it in Document(admin.get("/schedules/sync").text).all("a")]
    for answer in (admin.get("/schedules/sync/run"), admin.post("/schedules/sync/run", kwargs="{}")):
        assert answer.status_code == 409
        assert "acts on the machine by its arguments" in text(answer)
        assert "Run now" in text(answer), "the way on"
    sent = admin.post("/schedules/sync/runs")
    [identity] = [it.id for it in service.ledger.runs("sync")]
    service.ledger.claim(service.ledger.get(identity), "worker@host:1", "token")
    service.ledger.close(identity, "failed", token="token", result="exit code 1")
    page = Document(admin.get(sent.request.path).text)
    assert "Run again with…" not in page.text
    assert "Run sync now" in page.text


def test_arguments_that_were_typed_outlive_the_session_and_nothing_runs_by_a_login(
    stranger: Browser, service: Service, nightly: Entry
) -> None:
    late = stranger.post("/schedules/nightly/run", **{"arg.a": "7", "arg.b": "<b>"})
    assert late.status_code == 401
    welcome = stranger.post("/login", **Document(late.text).forms[-1].fields | {"password": PASSWORD})
    form = Document(welcome.text).forms[-1]
    page = Document(stranger.post(form.action, **form.fields | {"act": "check"}).text)
    assert arguments(page.forms[-1].fields) == {"arg.a": "7", "arg.b": "<b>"}
    assert service.ledger.runs("nightly") == []
    stranger.post("/schedules/nightly/run", **page.forms[-1].fields)
    assert json.loads(service.ledger.runs("nightly")[0].arguments) == [[7, "<b>"], {}]
