"""Programs that use the page with a token of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from scheduler.admin.accounts import Account, hash_token, make_token, write
from scheduler.admin.service import Service
from scheduler.errors import Exit
from scheduler.model import Entry
from scheduler.settings import Settings
from tests.integration.admin.browser import Browser
from tests.support.shell import Shell

Ask = Callable[..., TestResponse]


@pytest.fixture
def file(settings: Settings) -> Path:
    settings.accounts.parent.mkdir(exist_ok=True)
    return settings.accounts


@pytest.fixture
def program(app: Flask, file: Path) -> Ask:
    """Ask as a program with a token of this role does: without a cookie, and without a browser's headers."""
    tokens = {role: make_token() for role in ("viewer", "operator")}
    write(file, [Account(f"the-{role}", role, hash_token(token)) for role, token in tokens.items()])

    def ask(role: str, path: str, method: str = "GET", token: str = "", **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token or tokens[role]}"} | more.pop("headers", {})
        return app.test_client().open(path, method=method, headers=headers, buffered=True, **more)

    return ask


def test_a_program_reads_and_acts_as_its_role_allows_and_the_audit_log_names_it(
    program: Ask, nightly: Entry, service: Service
) -> None:
    assert program("viewer", "/schedules/nightly").get_json()["name"] == "nightly"
    refused = program("viewer", "/schedules/nightly/pause", "POST")
    assert refused.status_code == 403
    assert "this needs the role operator, and token the-viewer is viewer" in refused.get_json()["error"]
    done = program("operator", "/schedules/nightly/pause", "POST", data={"note": "deploy"})
    assert (done.status_code, done.location) == (303, "/schedules/nightly")
    assert "Set-Cookie" not in done.headers
    line = service.store.audit.lines(1)[0]
    assert (line["by"], line["why"]) == ("token the-operator", "deploy")
    assert program("viewer", "/metrics").status_code == 200


def test_a_page_is_html_for_a_program_that_asks_for_it(program: Ask, nightly: Entry) -> None:
    page = program("viewer", "/schedules/nightly", headers={"Accept": "text/html"})
    assert page.mimetype == "text/html"
    assert "token the-viewer" in page.text


def test_an_unknown_token_opens_nothing_even_beside_a_session(
    program: Ask, admin: Browser, nightly: Entry, service: Service
) -> None:
    unknown = {"Authorization": f"Bearer {make_token()}"}
    for method, path in (("GET", "/schedules"), ("POST", "/schedules/nightly/pause"), ("GET", "/metrics")):
        answer = admin.client.open(path, method=method, headers=unknown)
        assert answer.status_code == 401, path
        assert "this token is not known" in answer.get_json()["error"]
    assert service.store.get("nightly").pause is None


def test_a_header_of_another_kind_neither_opens_nor_exempts_anything(
    program: Ask, admin: Browser, nightly: Entry
) -> None:
    for header in ("Bearer of-a-proxy", "Basic c2NoZWR1bGVyXzp4", "scheduler_x", "Bearer"):
        headers = {"Authorization": header}
        assert admin.client.get("/schedules", headers=headers).status_code == 200, "the session counts"
        assert admin.client.post("/schedules/nightly/pause", headers=headers).status_code == 403, "from another site"


def test_a_token_does_not_let_another_site_log_in(program: Ask) -> None:
    assert program("operator", "/login", "POST", data={"password": "correct horse"}).status_code == 403


def test_a_token_is_no_password_and_its_hash_is_no_token(program: Ask, app: Flask, file: Path) -> None:
    hashed = file.read_text().split(":")[-1].strip()
    assert Browser(app).log_in(hashed, username="the-viewer").status_code == 401
    assert program("viewer", "/schedules", token=f"scheduler_{hashed}").status_code == 401


def test_the_commands_make_list_and_remove_tokens(shell: Shell, file: Path, app: Flask) -> None:
    made = shell("token", "add", "ci", "--role", "operator")
    token = made.out.split()[-1]
    assert made.out.splitlines()[0] == "ci is operator; the token is shown only now"
    assert token not in file.read_text()
    assert shell("token", "list").out.splitlines()[1].split() == ["ci", "operator", "never"]
    headers = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/schedules", headers=headers).status_code == 200
    [listed] = shell("token", "list").out.splitlines()[1:]
    assert listed.endswith(" UTC")
    assert shell("user", "add", "ci", "--generate").code == Exit.PROBLEMS, "the name is taken"
    assert shell("user", "remove", "ci").code == Exit.NO_INPUT
    assert shell("token", "remove", "ci").code == 0
    assert app.test_client().get("/schedules", headers=headers).status_code == 401
