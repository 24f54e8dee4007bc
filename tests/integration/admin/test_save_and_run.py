"""Saving a form and running its schedule once, with one button."""

from __future__ import annotations

import pytest
from flask import Flask

from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.client import AWAY
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text

EDIT = "/schedules/nightly/edit"
NEW = {"name": "adder", "task": "scheduler.tasks.log_it", "args": "[1, 2]", "timing": "1h"}


def submit(browser: Browser, path: str, **changed: str) -> str:
    """Fill in the form and press the button that also runs; returns the text of the next page."""
    form = Document(browser.get(path).text).forms[-1]
    return text(browser.post(path, **form.fields | changed | {"act": "run"}))


def audit(browser: Browser, name: str) -> list[tuple[str, str]]:
    return [(it["change"], it["by"]) for it in browser.json(f"/audit?schedule={name}")["changes"]]


def test_a_new_schedule_is_created_and_run_once_and_the_audit_log_has_both(admin: Browser, service: Service) -> None:
    page = submit(admin, "/schedules/new", **NEW)
    assert "Created; sent to run once." in page
    assert "Manual run, " in page
    [run] = service.ledger.runs("adder")
    assert (run.manual, run.by, run.outcome) == (True, "admin", "queued")
    assert audit(admin, "adder") == [("run", "admin"), ("create", "admin")]


def test_a_change_is_saved_before_the_run_so_that_the_run_has_it(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    assert "Saved; sent to run once." in submit(admin, EDIT, queue="celery", why="try it")
    assert service.store.get("nightly").fields["queue"] == "celery"
    assert service.store.client.llen("celery") == 1
    assert audit(admin, "nightly")[:2] == [("run", "admin"), ("edit", "admin")]


def test_without_a_change_it_runs_all_the_same(admin: Browser, service: Service, nightly: Entry) -> None:
    assert "No changes to save; sent to run once." in submit(admin, EDIT)
    assert len(service.ledger.runs("nightly")) == 1
    assert service.store.get("nightly") == nightly


@pytest.mark.parametrize(
    ("changed", "words"), [({"timing": "90"}, "Not saved: correct these errors"), ({"revision": "0"}, "Not saved")]
)
def test_what_is_not_saved_is_not_run(
    admin: Browser, service: Service, nightly: Entry, changed: dict[str, str], words: str
) -> None:
    assert words in submit(admin, EDIT, opened="", description="new", **changed)
    assert service.ledger.runs("nightly") == []
    assert service.store.get("nightly") == nightly


def test_a_refused_run_and_what_was_saved_are_in_one_message(admin: Browser, service: Service, nightly: Entry) -> None:
    admin.post("/schedules/nightly/runs")
    page = submit(admin, EDIT, description="new words")
    assert (
        "Saved; not run: the run before of 'nightly' is still queued or running: wait for it, or set overlap: allow."
        in page
    )
    assert service.store.get("nightly").fields["description"] == "new words"
    assert len(service.ledger.runs("nightly")) == 1


def test_a_redis_that_goes_away_after_the_save_is_named_when_it_is_back(
    admin: Browser, store: Store, nightly: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> str:
        raise AWAY[0]("gone")

    with monkeypatch.context() as patched:
        patched.setattr(Dispatcher, "run_now", away)
        page = submit(admin, EDIT, description="new words")
    assert "Saved; not run: Redis at " in page
    assert store.get("nightly").fields["description"] == "new words"


def test_who_may_not_run_has_no_such_button_and_cannot_do_it_without(
    app: Flask, service: Service, nightly: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = Browser(app)
    admin.log_in()
    assert "Save and run once" in text(admin.get(EDIT))
    monkeypatch.setattr("scheduler.admin.people.allows", lambda role, endpoint: endpoint != "runs.run_now")
    assert "Save and run once" not in text(admin.get(EDIT))
    assert "Saved; not run: your role may change schedules but not run them." in submit(admin, EDIT, description="x")
    assert service.ledger.runs("nightly") == []
