"""What the edit form shows before it saves, and that nothing typed into it is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.integration.admin.conftest import Declare

EDIT = "/schedules/nightly/edit"
NEW = {"name": "adder", "task": "scheduler.tasks.log_it", "args": "[1, 2]", "timing": "every weekday at 9"}


@pytest.fixture
def of_the_file(store: Store) -> Iterator[Store]:
    """A file that gives its schedules a zone, policies and a group."""
    inherited = {"timezone": "Europe/Berlin", "timeout": "10m", "expires": "1h"}
    facts = {"inherited": json.dumps(inherited), "groups": json.dumps({"warehouse": 1})}
    store.client.hset(store.keys.file, mapping=facts)
    yield store
    store.client.delete(store.keys.file)


def check(browser: Browser, path: str, **changed: str) -> Document:
    form = Document(browser.get(path).text).forms[-1]
    answer = browser.post(path, **form.fields | changed | {"act": "check"})
    assert answer.status_code == 200
    return Document(answer.text)


def test_a_check_shows_when_it_runs_what_the_task_takes_and_what_changes_and_saves_nothing(
    admin: Browser, store: Store, nightly: Entry
) -> None:
    page = check(admin, EDIT, timing="every weekday at 9", group="", zone="Asia/Tokyo").text
    assert "At 09:00 on weekdays, New York time" in page
    assert 'cron: "0 9 * * 1-5"' in page
    assert "America/New_York Asia/Tokyo UTC" in page
    assert "log_it(a: float, b: float) -> float" in page
    assert "Log the sum of two numbers" in page
    assert '- cron: "30 2 * * *" + cron: "0 9 * * 1-5"' in page
    assert store.get("nightly") == nightly


def test_the_box_takes_sunrise_with_its_sentence_and_five_runs_and_says_what_is_missing_without_a_place(
    admin: Browser, nightly: Entry
) -> None:
    pytest.importorskip("ephem", reason="pip install ephem to test solar timings")
    page = check(admin, EDIT, timing="Sunrise 52.52 13.40", timezone="Europe/Berlin")
    assert "At sunrise at latitude 52.52, longitude 13.4" in page.text
    assert 'solar: "Sunrise 52.52 13.40"' in page.text
    runs = page.text.partition("Europe/Berlin UTC")[2].partition("Task")[0]
    assert len(re.findall(r"\d\d:\d\d:\d\d UTC", runs)) == 5, "exactly when, not only the minute"
    page = check(admin, EDIT, timing="sunrise")
    assert "write an event, a latitude and a longitude: sunset 52.52 13.40" in page.text


def test_a_check_of_a_mistake_says_what_is_wrong_and_still_when_it_would_run(admin: Browser, nightly: Entry) -> None:
    page = check(admin, EDIT, timing="30m", retries="many").text
    assert "retries must be a whole number" in page
    assert "every: 30m" in page
    assert "First correct: retries must be a whole number" in page


def test_what_a_form_still_needs_is_named_and_not_called_wrong(admin: Browser) -> None:
    page = check(admin, "/schedules/new", task="scheduler.tasks.log_it", timing="1h").text
    assert "Still needed: name , a , b ." in page, page[page.find("What saving") :][:120]
    assert "First correct" not in page


def test_a_new_schedule_starts_with_what_the_file_gives_to_its_own(admin: Browser, of_the_file: Store) -> None:
    form = Document(admin.get("/schedules/new").text).forms[-1].fields
    assert (form["timezone"], form["timeout"], form["expires"]) == ("Europe/Berlin", "10m", "1h")
    admin.submit("/schedules/new", **NEW, expires="", retries="2", tags="etl, night")
    assert of_the_file.get("adder").fields == {
        "task": "scheduler.tasks.log_it",
        "cron": "0 9 * * 1-5",
        "timezone": "Europe/Berlin",
        "args": [1, 2],
        "timeout": "10m",
        "retries": 2,
        "tags": ["etl", "night"],
    }


def test_many_schedules_at_the_same_moment_are_told(admin: Browser, make: Declare) -> None:
    for name in ("one", "two"):
        make(name, cron="0 9 * * 1-5", timezone="UTC")
    assert "2 other schedules are due at the first of these moments" in check(admin, "/schedules/new", **NEW).text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"group": "warehous"}, "unknown group 'warehous'"),
        ({"then": "gone"}, "unknown schedule 'gone'"),
        ({"then": "nightly"}, "then leads back to 'nightly'"),
        ({"then": '{"failure": ["second"]}'}, "then leads back to 'nightly'"),
        ({"then": "[1"}, "then: invalid JSON"),
        ({"timeout": "10"}, "timeout"),
    ],
)
def test_a_wrong_name_is_told_beside_its_field(
    admin: Browser, of_the_file: Store, nightly: Entry, make: Declare, changed: dict[str, str], words: str
) -> None:
    make("second", then={"success": ["nightly"]})
    answer = admin.submit(EDIT, **changed)
    assert answer.status_code == 422
    assert words in text(answer)
    [field] = changed
    assert [found for _, found in Document(answer.text).elements if found.get("id") == f"{field}-wrong-1"]
    assert of_the_file.get("nightly") == nightly


def test_what_was_typed_outlives_the_session(stranger: Browser, store: Store, nightly: Entry) -> None:
    late = stranger.post(EDIT, revision=str(nightly.revision), timing="15 3 * * *", why="<b>moved</b>")
    assert late.status_code == 401
    assert "what you typed is kept" in text(late)
    wrong = stranger.post("/login", **Document(late.text).forms[-1].fields | {"password": "wrong"})
    welcome = stranger.post("/login", **Document(wrong.text).forms[-1].fields | {"password": PASSWORD})
    form = Document(welcome.text).forms[-1]
    assert form.action == EDIT
    page = stranger.post(form.action, **form.fields | {"act": "check"})
    assert Document(page.text).forms[-1].fields["timing"] == "15 3 * * *"
    assert Document(page.text).forms[-1].fields["why"] == "<b>moved</b>"
    assert store.get("nightly") == nightly, "nothing is saved by a login"


def test_a_form_that_another_page_names_as_its_aim_is_not_sent_there(stranger: Browser) -> None:
    fields = {"typed.timing": "x", "next": "//evil.example/", "password": PASSWORD}
    assert Document(stranger.post("/login", **fields).text).forms[-1].action == "/schedules"


def test_the_tasks_of_the_page_are_offered_while_typing(admin: Browser, service: Service) -> None:
    page = Document(admin.get("/schedules/new").text)
    assert [found["list"] for found in page.all("input") if found.get("id") == "task"] == ["tasks"]
    assert {"value": "scheduler.tasks.log_it"} in page.all("option")
