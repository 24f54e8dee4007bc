"""Accounts: what their file may say, what a change of it does, and the commands that write it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask
from werkzeug.security import generate_password_hash

from scheduler.admin import create_app
from scheduler.admin.accounts import Account, read, write
from scheduler.errors import ConfigurationError, Exit
from scheduler.model import Entry
from scheduler.settings import Settings
from tests.integration.admin.browser import PASSWORD, Browser, text
from tests.support.shell import Shell

WEAK = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
OTHER = generate_password_hash("another", method="pbkdf2:sha256:1")


@pytest.fixture
def file(settings: Settings) -> Path:
    settings.accounts.parent.mkdir(exist_ok=True)
    return settings.accounts


def logged_in(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    assert browser.log_in(username=name).status_code == 303
    return browser


def test_the_login_asks_for_a_name_as_soon_as_there_are_people(stranger: Browser, file: Path) -> None:
    assert "Password for admin" in text(stranger.get("/login"))
    write(file, [Account("ann", "viewer", WEAK)])
    assert "Password for admin" not in text(stranger.get("/login"))
    assert "Wrong name or password" in text(stranger.log_in("wrong", username="ann"))
    assert stranger.log_in(username="nobody").status_code == 401
    assert stranger.log_in().status_code == 303, "without a name, the page's own password opens as before"
    assert logged_in(stranger.client.application, "ann").get("/schedules", False).status_code == 200


def test_a_new_password_or_a_removal_ends_the_sessions_and_a_new_role_counts_at_once(app: Flask, file: Path) -> None:
    write(file, [Account("ann", "viewer", WEAK), Account("bea", "viewer", WEAK)])
    ann, bea = logged_in(app, "ann"), logged_in(app, "bea")
    assert ann.get("/schedules/new", False).status_code == 403
    write(file, [Account("ann", "editor", WEAK), Account("bea", "viewer", OTHER)])
    assert ann.get("/schedules/new", False).status_code == 200
    assert bea.get("/schedules", False).status_code == 302
    file.unlink()
    assert ann.get("/schedules", False).status_code == 302


def test_a_file_that_breaks_lets_nobody_in_until_it_is_mended(
    app: Flask, admin: Browser, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, [Account("ann", "viewer", WEAK)])
    ann = logged_in(app, "ann")
    good = file.read_text()
    file.write_text(f"{good}bea:boss:{WEAK}\n")
    for browser in (ann, admin):
        answer = browser.get("/schedules", False)
        assert answer.status_code == 503
        assert "the page refuses everyone" in text(answer)
    assert Browser(app).log_in().status_code == 503
    assert Browser(app).get("/healthz").status_code == 200
    [line] = [record.getMessage() for record in caplog.records if "accounts" in record.name]
    assert line.endswith(f"{file}:3: the role of 'bea' is not one of viewer, operator, editor, admin")
    file.write_text(good)
    assert ann.get("/schedules", False).status_code == 200


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ann", ":2: the role of 'ann' is not one of"),
        ("ann:viewer:secret", ":2: 'ann' has no hash"),
        (f"an n:viewer:{WEAK}", ":2: this name is not valid"),
        (f"admin:viewer:{WEAK}", ":2: 'admin' is the account of SCHEDULER_ADMIN_PASSWORD_HASH"),
        (f"bea:viewer:{WEAK}", ":2: 'bea' is there twice"),
    ],
    ids=["no role", "no hash", "a wrong name", "admin", "twice"],  # a hash differs in each process
)
def test_the_page_does_not_start_with_a_wrong_line_and_names_it(
    celery: Celery, file: Path, line: str, words: str
) -> None:
    file.touch(mode=0o600)
    file.write_text(f"bea:viewer:{WEAK}\n{line}\n")
    with pytest.raises(ConfigurationError) as error:
        create_app(celery)
    assert f"{file}{words}" in str(error.value)
    assert WEAK not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_file_that_others_may_read_is_refused(file: Path) -> None:
    write(file, [Account("ann", "viewer", WEAK)])
    assert file.stat().st_mode & 0o777 == 0o600
    for mode in (0o644, 0o620, 0o604):
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            read(file)
    file.chmod(0o640)
    assert list(read(file)) == ["ann"]


def test_the_page_needs_no_password_of_its_own_if_a_person_has_one(celery: Celery, file: Path) -> None:
    celery.scheduler_settings = replace(celery.scheduler_settings, admin_password_hash="")
    with pytest.raises(ConfigurationError, match="no password is set"):
        create_app(celery)
    write(file, [Account("ann", "viewer", WEAK)])
    app = create_app(celery)
    logged_in(app, "ann")
    assert Browser(app).log_in("").status_code == 401


def test_a_read_only_page_lets_nobody_change_anything(celery: Celery, nightly: Entry) -> None:
    celery.scheduler_settings = replace(celery.scheduler_settings, read_only=True)
    admin = logged_in(create_app(celery), "admin")
    assert "Run now" not in admin.get("/schedules/nightly").text
    answer = admin.post("/schedules/nightly/pause")
    assert answer.status_code == 403
    assert "the page is read-only, as SCHEDULER_READ_ONLY says" in text(answer)


def test_the_commands_write_the_file(shell: Shell, file: Path, app: Flask) -> None:
    added = shell("user", "add", "ann", "--role", "operator", "--generate")
    assert added.out.splitlines()[0] == "ann is operator"
    password = added.out.split()[-1]
    assert password not in file.read_text()
    assert Browser(app).log_in(password, username="ann").status_code == 303
    assert shell("user", "add", "ann", "--generate").out.startswith("ann is operator\n"), "a role stays"
    assert shell("user", "list").out.splitlines()[1].split() == ["ann", "operator"]
    assert Browser(app).log_in(password, username="ann").status_code == 401
    assert shell("user", "remove", "ann").out == "ann is removed\n"
    assert shell("user", "remove", "ann").code == Exit.NO_INPUT
    assert shell("user", "add", "admin", "--generate").code == Exit.PROBLEMS
