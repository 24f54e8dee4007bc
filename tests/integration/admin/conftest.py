"""The page over a real Redis, a stranger and the admin who look at it, and schedules to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from werkzeug.security import generate_password_hash

from scheduler import celeryapp, changes
from scheduler.admin import create_app
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.settings import Settings
from scheduler.storage.store import Store
from tests.integration.admin.browser import PASSWORD, Browser
from tests.support.polling import until

HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")  # as weak as it is fast

Declare = Callable[..., Entry]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The service's, with credentials for the page."""
    return replace(settings, admin_password_hash=HASH, secret_key="0123456789abcdef" * 4)


@pytest.fixture
def celery(settings: Settings) -> Iterator[Celery]:
    with celeryapp.build(settings) as app:
        yield app


@pytest.fixture
def app(celery: Celery) -> Iterator[Flask]:
    made = create_app(celery)
    yield made
    parts: Service = made.extensions["scheduler"]
    # The last request may have begun a look at the busy minutes, which still uses this connection.
    until(lambda: not parts.pile_ups._look.is_alive(), 30, "no look is under way")
    parts.store.client.close()


@pytest.fixture
def service(app: Flask) -> Service:
    found: Service = app.extensions["scheduler"]
    return found


@pytest.fixture
def stranger(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def admin(app: Flask) -> Browser:
    """A browser in which the admin has logged in."""
    browser = Browser(app)
    browser.log_in()
    return browser


@pytest.fixture
def load(service: Service, settings: Settings) -> Callable[[str], None]:
    """Load this text as the schedule file."""

    def write_and_apply(text: str) -> None:
        settings.file.write_text(textwrap.dedent(text), encoding="utf-8")
        changes.apply(
            service.store, changes.check(settings.file, service.tasks), by="file schedules.yaml", allow_remove=True
        )

    return write_and_apply


@pytest.fixture
def make(service: Service) -> Declare:
    """A schedule that was made on the page."""

    def create(name: str, **fields: Any) -> Entry:
        if not {"cron", "every", "at", "rrule", "solar"} & fields.keys():
            fields["every"] = "1h"
        fields = {"task": "scheduler.tasks.log_it", "args": [1, 2]} | fields
        return changes.create(service.store, name, fields, tasks=service.tasks, by="admin")

    return create


@pytest.fixture
def nightly(load: Callable[[str], None], store: Store) -> Entry:
    """A schedule of the file."""
    load(
        """
        schedules:
          nightly:
            description: Adds two numbers every night
            task: scheduler.tasks.log_it
            cron: "30 2 * * *"
            timezone: America/New_York
            args: [10, 20]
            queue: reports
            tags: [reports, night]
        """
    )
    return store.get("nightly")
