"""Pausing and resuming."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from scheduler.changes import clock
from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare

SHOWN = "/schedules/nightly"
PAUSE = f"{SHOWN}/pause"


def pause_form(page: TestResponse) -> dict[str, str]:
    """What the form of a pause on this page would send."""
    return next(form.fields for form in Document(page.text).forms if form.action == PAUSE)


def changes_of(admin: Browser) -> list[str]:
    return [line["change"] for line in admin.json("/audit?schedule=nightly")["changes"]]


def test_a_pause_has_a_note_and_shows_who_and_until_when(admin: Browser, store: Store, nightly: Entry) -> None:
    page = admin.post(PAUSE, note="Printer is being repaired")
    pause = store.get("nightly").pause
    assert pause is not None
    assert (pause.by, pause.note, pause.until) == ("admin", "Printer is being repaired", None)
    assert "Paused by admin" in text(page)
    assert "Printer is being repaired" in text(page)
    assert "No run is sent until someone resumes it" in text(page)
    assert "paused" in text(admin.get("/schedules"))
    assert admin.json("/schedules/nightly")["upcoming"] == []


def test_a_pause_may_end_by_itself_at_a_time_in_the_schedules_zone(
    admin: Browser, store: Store, nightly: Entry
) -> None:
    page = admin.post(PAUSE, until="2030-07-01T08:00")
    pause = store.get("nightly").pause
    assert pause is not None
    assert pause.until == datetime(2030, 7, 1, 12, tzinfo=UTC).timestamp(), "08:00 in New York, in summer"
    assert "Mon 01 Jul 2030 08:00 EDT" in text(page)
    assert "until 1 Jul 2030, by admin" in text(admin.get("/schedules"))


@pytest.mark.parametrize(
    "until", ["yesterday", "2020-01-01T00:00", "2030-02-30T08:00", "99999-01-01T00:00", "2030-03-10T02:30:00x"]
)
def test_an_end_that_is_none_is_told_beside_the_field(admin: Browser, store: Store, nightly: Entry, until: str) -> None:
    answer = admin.post(PAUSE, note="why not", until=until)
    page = Document(answer.text)
    assert answer.status_code == 422
    fields = next(form.fields for form in page.forms if "until" in form.fields)
    assert fields == {"seen": "", "note": "why not", "until": until}
    assert [found for _, found in page.elements if found.get("id") == "until-wrong-1"]
    assert store.get("nightly") == nightly


def test_resuming_ends_the_pause(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.post(PAUSE, note="x")
    page = admin.post(f"{PAUSE}/delete")
    assert "Resumed" in text(page)
    pause = store.get("nightly").pause
    assert pause is not None
    assert pause.until is not None
    assert pause.until <= clock().timestamp()
    assert "Paused by" not in text(page)


def test_a_page_from_before_anns_pause_shows_it_and_replaces_it_only_when_the_form_is_sent_again(
    app: Flask, admin: Browser, store: Store, nightly: Entry
) -> None:
    ann = Browser(app, "192.0.2.2")
    ann.log_in()
    first, second = pause_form(ann.get(SHOWN)), pause_form(admin.get(SHOWN))
    ann.post(PAUSE, **first | {"note": "the disk is full", "until": "2030-07-01T08:00"})
    kept = store.get("nightly")
    late = admin.post(PAUSE, **second | {"note": "too loud"})
    assert late.status_code == 409
    assert (
        "Nothing was changed: 'nightly' is paused already by admin until 2030-07-01 12:00 UTC (the disk is full)"
        in (text(late))
    )
    assert store.get("nightly") == kept
    assert changes_of(admin) == ["pause", "add"]
    assert pause_form(late)["note"] == "too loud", "what was typed is not lost"
    admin.post(PAUSE, **pause_form(late))
    replaced = store.get("nightly").pause
    assert replaced is not None
    assert (replaced.note, replaced.until) == ("too loud", None)


def test_whoever_sees_the_pause_may_change_it(admin: Browser, store: Store, nightly: Entry) -> None:
    admin.post(PAUSE, note="the disk is full", until="2030-07-01T08:00")
    seen = pause_form(admin.get(SHOWN))
    assert (seen["note"], seen["until"]) == ("the disk is full", "2030-07-01T08:00")
    assert admin.post(PAUSE, **seen | {"until": "2031-07-01T08:00"}).status_code == 200
    held = store.get("nightly").pause
    assert held is not None
    assert (held.note, held.until) == ("the disk is full", datetime(2031, 7, 1, 12, tzinfo=UTC).timestamp())


def test_a_second_press_of_the_same_button_is_no_conflict(admin: Browser, store: Store, nightly: Entry) -> None:
    form = pause_form(admin.get(SHOWN)) | {"note": "too loud"}
    assert [admin.post(PAUSE, **form).status_code for _ in range(2)] == [200, 200]


def test_what_is_not_paused_cannot_be_resumed(admin: Browser, nightly: Entry) -> None:
    answer = admin.post(f"{PAUSE}/delete")
    assert answer.status_code == 404
    assert "'nightly' is not paused" in text(answer)


def test_a_pause_survives_a_reload_of_the_file_and_an_edit(
    admin: Browser, store: Store, load: Callable[[str], None]
) -> None:
    load("schedules: {adder: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}")
    admin.post("/schedules/adder/pause", note="stay")
    load("schedules: {adder: {task: scheduler.tasks.log_it, every: 2h, args: [1, 2]}}")
    admin.submit("/schedules/adder/edit?arguments=json", args="[3, 4]")
    pause = store.get("adder").pause
    assert pause is not None
    assert pause.note == "stay"


def test_both_stand_in_the_audit_log(admin: Browser, make: Declare) -> None:
    make("mine")
    admin.post("/schedules/mine/pause", note="too loud")
    admin.post("/schedules/mine/pause/delete")
    changes = [line["change"] for line in admin.json("/audit?schedule=mine")["changes"]]
    assert changes == ["resume", "pause", "create"]
    assert "pause : too loud" in text(admin.get("/audit"))


def test_an_end_in_seconds_from_now_is_a_time_like_any_other(admin: Browser, store: Store, make: Declare) -> None:
    make("mine")
    soon = (clock() + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
    assert admin.post("/schedules/mine/pause", until=soon).status_code == 200
    assert store.get("mine").pause is not None
