"""Log in and out."""

from __future__ import annotations

import threading
from contextlib import suppress
from ipaddress import ip_address, ip_network

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.accounts import NO_PASSWORD, OWNER, Account
from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.people import begin_session, end_session, is_logged_in
from scheduler.admin.service import service
from scheduler.storage import sign_in
from scheduler.storage.audit import audit_line
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.instants import clock

pages = Blueprint("login", __name__)
TYPED = "typed."  #: what the names of such fields begin with in the login form
one_at_a_time = threading.Lock()  # each check takes 32 MB
NOBODYS_HASH = f"scrypt:32768:8:1$nobody${'0' * 128}"  # takes as long as a real one: time tells no names


@pages.get("/login")
def show() -> AnyResponse:
    """The login form."""
    return redirect(destination()) if is_logged_in() else form()


@pages.post("/login")
def enter() -> AnyResponse:
    """Check the password, in its turn where many were wrong; 429 while too many wait for theirs."""
    address, throttle = client_address(), service().throttle
    if not throttle.admit(address):
        response = form("Many wrong passwords come in, and others wait before you. Try again in a few seconds.", 429)
        response.headers["Retry-After"] = "3"
        return response
    once = request.form.get("once", "")
    name, password = request.form.get("username", OWNER), request.form.get("password", "")
    account = of_link(once) if once else account_of(name, password)
    if account is None:
        throttle.failed(address)
        if once:
            return form("This link was used already, or is older than 10 minutes: log in with your password.", 401)
        return form("Wrong name or password." if service().accounts.people else "Wrong password.", 401)
    throttle.succeeded(address)
    begin_session(account, address)
    if once:
        with suppress(*AWAY, *REFUSED):  # the login works without it
            service().store.audit.add(audit_line(account.name, clock(), "sign in", None, None, "by a link"))
    if kept := typed_before():
        return page("go_on.html", action=destination(), typed=kept)
    return as_json({"ok": True}) if wants_json() else redirect(destination(), 303)


def typed_before() -> list[tuple[str, str]]:
    """What was typed into a form whose session had ended when it was sent."""
    sent = request.form.items(multi=True)
    return [(key.removeprefix(TYPED), value) for key, value in sent if key.startswith(TYPED)]


@pages.post("/logout")
def leave() -> AnyResponse:
    """End the session, for every copy of its cookie too."""
    end_session()
    return redirect(url_for("login.show"), 303)


def client_address() -> str:
    """The address of who asks; a proxy's header is believed only where SCHEDULER_PROXIES names that proxy."""
    proxies = service().settings.proxies
    named = (part.strip() for part in request.headers.get("X-Forwarded-For", "").split(","))
    hops = [*filter(None, named), request.remote_addr or ""]
    while len(hops) > 1 and is_in(hops[-1], proxies):
        hops.pop()
    return hops[-1]


def is_in(address: str, networks: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in ip_network(network) for network in networks)
    except ValueError:  # whoever wrote the header may have written anything
        return False


def account_of(name: str, password: str) -> Account | None:
    """The account with this name and password; the hash is slow on purpose, so one check runs at a time."""
    account = service().accounts.find(name)
    secret = account.secret if account and account.secret != NO_PASSWORD else NOBODYS_HASH
    with one_at_a_time:
        right = len(password) <= 1024 and check_password_hash(secret, password)
    return account if right else None


def of_link(secret: str) -> Account | None:
    """The account that a link logs in, which works once."""
    store = service().store
    return service().accounts.find(sign_in.take(store.client, store.keys, secret))


def form(error: str = "", status: int = 200) -> Response:
    """The login page, or the error as JSON."""
    if error and wants_json():
        return as_json({"error": error}, status)
    values = {"username": request.form.get("username", ""), "next": request.values.get("next", "")}
    values["once"] = "" if error else request.args.get("once", "")
    return login_page(error, status, typed_before(), **values)


def keep(kept: list[tuple[str, str]]) -> Response:
    """The login page in place of a form that came too late, with what was typed into it."""
    words = "Your session has ended. Log in to continue: what you typed is kept."
    return login_page(words, 401, kept, username="", next=request.path, once="")


def login_page(error: str, status: int, kept: list[tuple[str, str]], **values: str) -> Response:
    fields = [(TYPED + name, value) for name, value in kept]
    return page("login.html", status, error=error, several=bool(service().accounts.people), typed=fields, **values)


def destination() -> str:
    """The page requested before the login, if it is a path on this host; else the list."""
    there = request.values.get("next", "")
    ours = there.startswith("/") and not there.startswith(("//", "/\\")) and there.isprintable()
    return there if ours else url_for("schedules.index")
