"""Buttons of a page that is older than what they act on: the answer is on the page that one knows, with the way on."""

from __future__ import annotations

import json

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        ("pause/delete", 404, "'nightly' is not paused: there is nothing to resume."),
        ("skip", 409, "'nightly' already skips"),
        ("overlay/delete", 404, "'nightly' does not differ from the file: there is nothing to revert."),
        ("delete", 409, "'nightly' is declared in the schedule file: remove it there, or pause it."),
        ("file", 404, "nothing"),
    ],
)
def test_an_act_that_came_too_late_is_answered_on_the_page_of_its_schedule(
    admin: Browser, service: Service, nightly: Entry, act: str, status: int, words: str
) -> None:
    changes.skip(service.store, "nightly", by="ann")
    answer = admin.post(f"/schedules/nightly/{act}")
    page = Document(answer.text)
    assert answer.status_code == status
    assert "Nothing was changed: " in page.text
    assert words in page.text
    assert "<h1>nightly</h1>" in answer.text
    assert "Do not skip" in page.text, "the schedule as it is now, with what one can do"
    assert admin.client.post(
        f"/schedules/nightly/{act}", headers={"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    ).get_json()["error"], "a program gets the status and the sentence"


def test_an_act_on_a_schedule_that_was_deleted_meanwhile_leads_to_its_undo(
    admin: Browser, service: Service, make: Declare
) -> None:
    make("mine")
    admin.post("/schedules/mine/delete")
    answer = admin.post("/schedules/mine/skip")
    assert answer.status_code == 404
    assert "What became of mine : a deletion can be undone there." in text(answer)
    assert "/audit?schedule=mine" in [link.get("href") for link in Document(answer.text).all("a")]
    service.store.client.config_resetstat()
    assert "What became of" not in text(admin.post("/schedules/never/skip"))
    assert "cmdstat_xrevrange" not in service.store.client.info("commandstats"), "a wrong name reads no audit log"


def test_an_undo_that_came_too_late_is_answered_on_the_audit_log(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    admin.post("/schedules/nightly/runs")
    line = service.store.audit.lines()[0]["id"]
    for path in (f"/audit/{line}/undo", "/audit/1-1/undo", "/audit/groups/gone/undo"):
        page = admin.post(path)
        assert page.status_code == 200
        assert "<h1>Audit log</h1>" in page.text
        assert "Nothing was changed: " in text(page)
        assert [it for _, it in Document(page.text).elements if it.get("role") == "alert"]


def test_a_backfill_that_has_ended_and_a_session_that_has_ended_say_so_on_their_pages(
    admin: Browser, nightly: Entry
) -> None:
    answer = admin.post("/schedules/nightly/backfill/stop")
    assert answer.status_code == 422
    assert "Run past due instants of nightly" in text(answer)
    assert "This session has ended already." in text(admin.post("/sessions/end", id="gone"))


def again(stranger: Browser, late: str) -> Document:
    """Log in with what the login page kept, and press the button that goes on."""
    welcome = stranger.post("/login", **Document(late).forms[-1].fields | {"password": PASSWORD})
    form = Document(welcome.text).forms[-1]
    assert "nothing is saved yet" in text(welcome)
    return Document(stranger.post(form.action, **form.fields | {"act": "check"}).text)


def test_a_choice_of_many_schedules_outlives_the_session_and_a_login_does_nothing_to_them(
    stranger: Browser, service: Service, make: Declare
) -> None:
    for name in ("one", "two", "three"):
        make(name)
    before = service.store.all()
    names = json.dumps(["one", "two"])
    late = stranger.post("/bulk/pause/now", names=names, why="a move", until="2050-01-01T06:00")
    assert late.status_code == 401
    page = again(stranger, late.text)
    assert "These 2 schedules will be paused: one, two." in page.text
    fields = page.forms[-1].fields
    assert (json.loads(fields["names"]), fields["why"], fields["until"]) == (
        ["one", "two"],
        "a move",
        "2050-01-01T06:00",
    )
    assert service.store.all() == before
    stranger.post("/logout")
    late = stranger.client.post(
        "/bulk/disable", data={"name": ["one", "three"]}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    sent = [it for it in Document(late.text).all("input") if it.get("name") == "typed.name"]
    assert [it["value"] for it in sent] == ["one", "three"], "every box that was checked"


@pytest.mark.parametrize(("act", "field"), [("pause", "note"), ("skip", "note"), ("backfill", "from")])
def test_a_reason_that_was_typed_outlives_the_session_and_a_login_acts_on_nothing(
    stranger: Browser, service: Service, nightly: Entry, act: str, field: str
) -> None:
    typed = "2026-01-01T00:00" if field == "from" else "the printer is away"
    late = stranger.post(f"/schedules/nightly/{act}", **{field: typed})
    page = again(stranger, late.text)
    assert typed in [form.fields.get(field) for form in page.forms]
    assert service.store.get("nightly") == nightly
    assert service.ledger.runs("nightly") == []


def test_a_button_that_was_pressed_too_late_leads_back_to_its_page_after_the_login(
    stranger: Browser, service: Service, nightly: Entry
) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Referer": "http://localhost/schedules/nightly?x=1"}
    late = stranger.client.post("/schedules/nightly/runs", headers=headers)
    assert late.headers["Location"] == "/login?next=/schedules/nightly?x%3D1"
    for headers["Referer"] in ("http://evil.example/schedules", "http://["):
        assert stranger.client.post("/schedules/nightly/runs", headers=headers).headers["Location"] == "/login"
    assert service.ledger.runs("nightly") == []


def test_a_dry_run_says_in_words_what_will_happen(admin: Browser, service: Service, make: Declare) -> None:
    for name in ("one", "two"):
        make(name)
    run(service, "two", clock(), "running")
    for act, words in (
        ("run", "This schedule will run now: one."),
        ("skip", "These 2 schedules will skip the next run: one, two."),
        ("delete", "These 2 schedules will be deleted: one, two."),
        ("resume", "There is nothing to do."),
    ):
        assert words in text(admin.post(f"/bulk/{act}", names='["one", "two"]')), act


def test_what_an_act_has_to_say_waits_for_the_page_that_is_opened_next(admin: Browser, nightly: Entry) -> None:
    said = "Resumed. Next run:"
    admin.post("/schedules/nightly/pause")
    admin.post("/schedules/nightly/pause/delete", False)
    for accepted in ("text/html", "*/*"):
        of_a_script = admin.get("/schedules", Accept=accepted)
        assert said not in of_a_script.text
        assert "Set-Cookie" not in of_a_script.headers
    opened = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert said in admin.get("/schedules/nightly", Accept=opened).text
    assert said not in admin.get("/schedules/nightly", Accept=opened).text
