"""Every setting of Celery is kept, changed in the open, or named as unused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from celery.app.defaults import DEFAULTS

from scheduler import celeryapp
from scheduler.application import settings_table
from scheduler.application.settings_table import CHANGED, FILLED, UNUSED, YOURS
from scheduler.settings import Settings
from tests.support.documents import PAGES

SETTINGS = Settings(redis_url="unix:///nowhere/r.sock")


def test_every_setting_that_celery_documents_is_in_the_table_once() -> None:
    named = [*CHANGED, *FILLED, *UNUSED, *YOURS]
    assert len(named) == len({*named})
    assert {name for name in named if not name.startswith("redbeat_")} == {*DEFAULTS}


def test_what_the_service_sets_is_what_the_table_says_that_it_sets() -> None:
    ours: set[str] = set()
    for url, broker in (("unix:///r.sock", ""), ("rediss://h", ""), ("redis://h", "amqp://h")):
        ours |= {*celeryapp.configuration(Settings(redis_url=url, broker=broker))}
    assert ours == {*CHANGED, *FILLED}


def test_the_page_has_the_table() -> None:
    page = PAGES["docs/tasks.md"]
    assert page == settings_table.renewed(page), "python -m scheduler.application.settings_table docs/tasks.md"


THEIRS = {
    "result_backend": "file:///tmp",
    "result_expires": 5,
    "result_extended": False,
    "worker_redirect_stdouts": True,
    "task_default_queue": "theirs",
    "task_routes": {"a": {"queue": "b"}},
    "task_annotations": {"a": {"rate_limit": "1/s"}},
    "timezone": "Europe/Berlin",
}
OTHER = {
    "task_acks_late": False,
    "task_serializer": "pickle",
    "accept_content": ["pickle"],
    "broker_transport_options": {"password": "hunter2"},
    "beat_sync_every": 5,
}


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said of the application's settings; checks those that it keeps."""
    (tmp_path / "with_settings.py").write_text(
        f"from celery import Celery\napp = Celery('t', changes={THEIRS | OTHER})"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "with_settings", raising=False)
    app = celeryapp.build(Settings(redis_url="unix:///nowhere/r.sock", celery_app="with_settings:app"))
    assert {name: app.conf[name] for name in THEIRS} == THEIRS
    assert app.scheduler_keep_result is None  # its result_expires is for runs too, where keep_result says nothing
    assert (app.conf.task_acks_late, app.conf.task_serializer, app.conf.accept_content) == (True, "json", ["json"])
    return [*app.scheduler_differences, *settings_table.unused(app.conf)]


def test_a_setting_that_is_changed_is_said_with_both_values_and_the_reason_and_no_password(lines: list[str]) -> None:
    assert sorted(line.partition(": ")[0] for line in lines) == [
        "Celery's beat_sync_every is not used",
        "The application's accept_content is ['json'] here, not ['pickle']",
        "The application's broker_transport_options is set here",
        "The application's task_acks_late is True here, not False",
        "The application's task_serializer is 'json' here, not 'pickle'",
    ]
    assert "hunter2" not in str(lines)


def test_without_an_application_nothing_is_changed() -> None:
    app = celeryapp.build(SETTINGS)
    assert app.scheduler_differences == ()
    assert app.scheduler_keep_result == 3600
    assert (app.conf.timezone, app.conf.result_expires, app.conf.result_extended) == ("UTC", 86_400, True)
