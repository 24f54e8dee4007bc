"""Debian's browsers before the page as gunicorn serves it, over a real Redis."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from celery import Celery
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from werkzeug.security import generate_password_hash

from scheduler import celeryapp
from scheduler.admin.service import Service
from scheduler.settings import Settings
from scheduler.storage.keys import Keys
from tests.browser.browsers import CHROMIUM, Browsers, check
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.redis_server import redis_server as run_redis

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Site:
    """A running page, its Redis and the settings of both."""

    url: str
    redis: RedisServer
    settings: Settings


@pytest.fixture(scope="session")
def browsers() -> Iterator[Browsers]:
    check()
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright, TemporaryDirectory(prefix="browsers-") as directory:
        started = Browsers(playwright, Path(directory))
        yield started
        started.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """gunicorn over app.py, as the unit starts it."""
    directory = Path(tempfile.mkdtemp(prefix="page-"))
    with run_redis() as redis, socket.create_server(("127.0.0.1", 0)) as listener:
        settings = Settings(
            redis_url=redis.url,
            file=directory / "schedules.yaml",
            state_dir=directory / ".scheduler",
            admin_password_hash=generate_password_hash(PASSWORD, method="pbkdf2:sha256:1"),
            secret_key="0123456789abcdef" * 4,
        )
        process = serve(settings, listener, directory / "log")
        try:
            yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", redis, settings)
        finally:
            process.terminate()
            process.wait(60)
    shutil.rmtree(directory)


def serve(settings: Settings, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    """Start gunicorn on the open socket; it is ready when it says so in its log."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SCHEDULER_")}
    environ = kept | {
        "SCHEDULER_REDIS_URL": settings.redis_url,
        "SCHEDULER_FILE": str(settings.file),
        "SCHEDULER_STATE_DIR": str(settings.state_dir),
        "SCHEDULER_ADMIN_PASSWORD_HASH": settings.admin_password_hash,
        "SCHEDULER_SECRET_KEY": settings.secret_key,
    }
    command = [sys.executable, "-m", "gunicorn", "--preload", "app:app", "--bind", f"fd://{listener.fileno()}"]
    command += ["--worker-class", "gthread", "--threads", "8", "--no-control-socket"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=file, stderr=file, pass_fds=[listener.fileno()]
        )

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        return "Booting worker" in log.read_text()

    until(ready, 60, "gunicorn serves the page")
    return process


@pytest.fixture
def service(site: Site) -> Iterator[Service]:
    """Beat's and the workers' part, on an empty Redis."""
    with site.redis.client() as client:
        client.flushall()
        # The page keeps the schedules of a revision: without this, the test before may have had the same one.
        client.set(Keys(site.settings.key_prefix).revision, time.time_ns() // 1_000_000)
    with celeryapp.build(site.settings) as celery:
        made = parts(celery)
        yield made
        made.store.client.close()


def parts(celery: Celery) -> Service:
    return Service.over(celery)


@pytest.fixture
def appending(service: Service) -> Iterator[None]:
    """A Redis that keeps what it is given, as on a server."""
    client = service.store.client
    client.config_set("appendonly", "yes")
    until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], 30, "its first file is written")
    yield
    client.config_set("appendonly", "no")


Open = Callable[..., Page]


@pytest.fixture
def open_page(request: pytest.FixtureRequest, browsers: Browsers, site: Site, service: Service) -> Iterator[Open]:
    """Open a page of the site in a browser that has logged in; afterwards nothing was refused or thrown in it.

    The fixture's parameter is the browser's name.
    """
    name = getattr(request, "param", CHROMIUM)
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_(path: str = "/schedules", *, log_in: bool = True, answers: int = 0, **options: object) -> Page:
        browser = browsers.start(name, str(options.get("color_scheme")))
        context = browser.new_context(base_url=site.url, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: note(complaints, message, answers))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if log_in:
            page.goto("/login")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/schedules")
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def note(complaints: list[str], message: ConsoleMessage, answers: int) -> None:
    """Every error and warning but what a test brought about: the status of a page, or a server that is gone."""
    known = rf"status of (4(0[349]|22)|{answers})|net::ERR_"
    if message.type in ("error", "warning") and not re.search(known, message.text):
        complaints.append(message.text)
