"""Who is logged in, from where, and how that ends; people whom a web server in front names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from scheduler.admin.accounts import NO_PASSWORD, Account, write
from scheduler.admin.service import Service
from scheduler.errors import Exit
from scheduler.settings import Settings
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.support.shell import Shell

WEAK = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
Visit = Callable[..., int]


@pytest.fixture
def settings(settings: Settings) -> Iterator[Settings]:
    """The service's, with people and a web server that names its visitor."""
    settings.accounts.parent.mkdir(exist_ok=True)
    people = [Account("ann", "operator", WEAK), Account("bob", "viewer", WEAK), Account("sue", "editor", NO_PASSWORD)]
    write(settings.accounts, people)
    yield replace(settings, user_header="X-Remote-User")
    settings.accounts.unlink()


def browser(app: Flask, name: str, agent: str) -> Browser:
    """A browser of this kind, in which somebody has logged in."""
    made = Browser(app)
    made.client.environ_base["HTTP_USER_AGENT"] = agent
    assert made.log_in(username=name).status_code == 303
    return made


def test_a_person_sees_where_they_are_logged_in_and_ends_what_they_forgot(app: Flask) -> None:
    phone, desk, other = (browser(app, *it) for it in (("ann", "Phone/1"), ("ann", "Desk/1"), ("bob", "Bob/1")))
    page = desk.get("/sessions").text
    assert "Phone/1" in page
    assert "Bob/1" not in page
    sessions = {it["agent"]: it for it in desk.json("/sessions")["sessions"]}
    assert (sessions["Desk/1"]["is_this"], sessions["Phone/1"]["is_this"]) == (True, False)
    assert other.post("/sessions/end", False, id=sessions["Phone/1"]["id"]).status_code == 403
    assert "Ended the session of ann." in text(desk.post("/sessions/end", id=sessions["Phone/1"]["id"]))
    assert phone.get("/schedules", False).status_code == 302
    assert desk.get("/schedules", False).status_code == 200
    assert "This session has ended already." in text(desk.post("/sessions/end", id=sessions["Phone/1"]["id"]))


def test_the_admin_ends_anyones_and_a_logout_leaves_the_list(app: Flask, admin: Browser) -> None:
    bob, ann = browser(app, "bob", "Bob/1"), browser(app, "ann", "<b>Ann</b>")
    assert "<b>Ann</b>" not in admin.get("/sessions").text
    forms = [form for form in Document(admin.get("/sessions").text).forms if form.action == "/sessions/end"]
    assert len(forms) == 3
    ann.post("/logout")
    listed = {it["name"]: it["id"] for it in admin.json("/sessions")["sessions"]}
    assert listed.keys() == {"admin", "bob"}
    admin.post("/sessions/end", id=listed["bob"])
    assert "of bob" in text(admin.get("/audit"))
    assert bob.get("/schedules", False).status_code == 302


@pytest.fixture
def visit(app: Flask) -> Iterator[Visit]:
    """The status of the list for a visitor whom the header names, over a socket of this family."""
    made = {family: socket.socket(family) for family in (socket.AF_UNIX, socket.AF_INET)}

    def status(name: str, family: socket.AddressFamily, role_of: str = "") -> int:
        environ = {"gunicorn.socket": made[family]}
        headers = {"X-Remote-User": name, "Sec-Fetch-Site": "same-origin"}
        client = app.test_client()
        if role_of:
            return client.post(f"/schedules/{role_of}/pause", headers=headers, environ_base=environ).status_code
        return client.get("/schedules", headers=headers, environ_base=environ).status_code

    yield status
    for it in made.values():
        it.close()


def test_a_web_server_names_its_visitor_over_the_unix_socket_only(visit: Visit) -> None:
    assert visit("sue", socket.AF_UNIX) == 200
    assert visit("ann", socket.AF_UNIX) == 200
    assert visit("sue", socket.AF_INET) == 302
    for name in ("", "nobody", "admin", "sue, ann"):
        assert visit(name, socket.AF_UNIX) == 302, name


def test_the_visitor_has_the_role_of_their_account(visit: Visit) -> None:
    assert visit("bob", socket.AF_UNIX, "gone") == 403
    assert visit("sue", socket.AF_UNIX, "gone") == 404


def test_a_person_without_a_password_logs_in_with_none(app: Flask) -> None:
    for password in ("", "!", PASSWORD):
        assert Browser(app).log_in(password, username="sue").status_code == 401


def test_a_link_logs_its_person_in_once(app: Flask, shell: Shell, service: Service) -> None:
    path = shell("user", "link", "sue").out.strip().removeprefix("http://127.0.0.1:8000")
    [key] = service.store.client.scan_iter(match="*:sign_in:*")
    assert 0 < service.store.client.ttl(key) <= 600, "it ends after ten minutes"
    assert path.partition("=")[2] not in key, "who reads Redis cannot use it"
    visitor, late = Browser(app), Browser(app)
    assert visitor.submit(path).status_code == 200
    assert [it["name"] for it in visitor.json("/sessions")["sessions"]] == ["sue"]
    used, made = service.store.audit.lines(2)
    assert (made["by"].split()[0], made["change"], made["why"]) == ("cli", "sign-in link", "for sue")
    assert (used["by"], used["change"], used["why"]) == ("sue", "sign in", "by a link")
    assert path.partition("=")[2] not in str([made, used])
    answer = late.post("/login", False, once=path.partition("=")[2])
    assert (answer.status_code, "was used already, or is older than 10 minutes" in text(answer)) == (401, True)
    assert late.get("/schedules", False).status_code == 302


def test_a_link_logs_in_also_where_redis_takes_no_writes(app: Flask, shell: Shell, service: Service) -> None:
    path = shell("user", "link", "sue").out.strip().removeprefix("http://127.0.0.1:8000")
    service.store.client.config_set("maxmemory", 1)
    try:
        answer = Browser(app).post("/login", False, once=path.partition("=")[2])
    finally:
        service.store.client.config_set("maxmemory", 0)
    assert answer.status_code == 303


def test_a_look_at_a_link_uses_nothing_up_and_a_made_up_one_opens_nothing(app: Flask, shell: Shell) -> None:
    path = shell("user", "link").out.strip().removeprefix("http://127.0.0.1:8000")
    for _ in range(3):  # as a chat that fetches a preview of each link does
        assert Browser(app).get(path).status_code == 200
    assert Browser(app).post("/login", False, once="made-up").status_code == 401
    admin = Browser(app)
    admin.submit(path)
    assert admin.json("/sessions")["sessions"][0]["name"] == "admin"
    assert shell("user", "link", "nobody").code == Exit.NO_INPUT
