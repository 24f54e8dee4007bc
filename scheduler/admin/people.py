"""Who asks: the person of the session, or the program of the token, looked up once for each request."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from flask import current_app, g, request, session

from scheduler.admin.accounts import OWNER, TOKEN_START, Account
from scheduler.admin.roles import allows
from scheduler.admin.service import Service, service
from scheduler.model.roles import ROLES
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.sessions import Opened, OpenSessions

KEEP_USED_S = 400 * 86_400  #: seconds for which Redis remembers when a token was used last


@dataclass(frozen=True)
class Person:
    """Who asks, as named in the audit log, and the role."""

    name: str
    role: str


def person() -> Person | None:
    """Who asks; None for a stranger."""
    if "person" not in g:
        token = given_token()
        account = of_token(token) if token else of_proxy() or of_session()
        g.person = with_role(f"token {account.name}" if token else account.name, account) if account else None
    who: Person | None = g.person
    return who


def with_role(name: str, account: Account) -> Person:
    """The account under this name; a viewer while the whole page is read-only."""
    return Person(name, ROLES[0] if service().settings.read_only else account.role)


def user() -> str:
    """The name for the audit log. Only for routes that need a login."""
    who = person()
    if who is None:
        raise RuntimeError("a route without a login changes something")
    return who.name


def asking() -> Service:
    """The service for an operation that who asks may do."""
    return replace(service(), user=user())


def may(endpoint: str) -> bool:
    """Whether who asks may use this endpoint, so whether a page shows the button for it."""
    who = person()
    return who is not None and allows(who.role, endpoint)


def is_logged_in() -> bool:
    """Whether somebody is known who asks."""
    return person() is not None


def given_token() -> str:
    """The token of ours that a program sent; empty for a browser, and for what a web server in front adds of its own.

    A request with one is judged by it alone, whatever cookie comes along.
    """
    sent = request.authorization
    token = sent.token or "" if sent is not None and sent.type == "bearer" else ""
    return token if token.startswith(TOKEN_START) else ""


def of_token(token: str) -> Account | None:
    """The account of this token, and a note in Redis that it was used."""
    store, account = service().store, service().accounts.of_token(token)
    if account is not None:
        with suppress(*AWAY, *REFUSED):
            store.client.set(store.keys.token_used(account.mark), int(time.time()), ex=KEEP_USED_S)
    return account


def of_proxy() -> Account | None:
    """The account that the web server in front names in SCHEDULER_USER_HEADER.

    Believed only over a unix socket: whoever may connect to it is the web server. Over TCP, anyone could send it.
    It cannot name the page's own account: a directory of people may call somebody so too.
    """
    header, sock = service().settings.user_header, request.environ.get("gunicorn.socket")
    if not header or sock is None or sock.family != socket.AF_UNIX:
        return None
    name = request.headers.get(header, "")
    return service().accounts.find(name) if name != OWNER else None


def of_session() -> Account | None:
    """The account whose session this is, if it is recent enough and made with the account's present password."""
    age = time.time() - float(session.get("since", 0))
    if not 0 <= age < current_app.permanent_session_lifetime.total_seconds():
        return None
    account = service().accounts.find(str(session.get("user", OWNER)))
    sealed = account is not None and hmac.compare_digest(str(session.get("seal", "")), seal(account))
    return account if sealed and not has_ended() else None


def begin_session(account: Account, address: str) -> None:
    """Start a session of this account for the browser of the current request, which has this address."""
    session.clear()
    session.permanent = True
    session["user"] = account.name
    session["since"] = time.time()
    session["seal"] = seal(account)
    session["id"] = secrets.token_urlsafe(16)
    agent = request.headers.get("User-Agent", "")
    with suppress(*AWAY, *REFUSED):  # the list is for people to look at; the login works without it
        opened().begin(Opened(session["id"], account.name, session["since"], address, agent))


def end_session() -> None:
    """End the session of the current request, for every copy of its cookie."""
    if identity := session.get("id"):
        opened().end(str(identity))
    session.clear()


def has_ended() -> bool:
    """Whether somebody ended this session. While Redis is away, the page can show and change nothing anyway."""
    try:
        return opened().has_ended(str(session.get("id", "")))
    except (*AWAY, *REFUSED):
        return False


def opened() -> OpenSessions:
    return OpenSessions(service().store.client, service().store.keys)


def seal(account: Account) -> str:
    """A digest of the password hash: a new password ends every older session."""
    return hashlib.sha256(account.secret.encode()).hexdigest()[:32]
