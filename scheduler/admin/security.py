"""Checks on every request (its turn, trusted host, same site, role) and security headers on every response."""

from __future__ import annotations

import hmac
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask import Flask, Request, Response, abort, current_app, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin import accounts, login
from scheduler.admin.answers import as_error, is_api, typed, wants_json
from scheduler.admin.people import Person, given_token, person
from scheduler.admin.roles import PUBLIC, allows, needed
from scheduler.admin.service import service
from scheduler.admin.turns import require_turn
from scheduler.command_name import log_of
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings

METRICS = "metrics.show"
LOGIN = "login.enter"
NO_TOKEN = {"WWW-Authenticate": "Bearer", "Content-Type": "text/plain; charset=utf-8"}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MIN_KEY_BYTES = 32
MIN_TOKEN_LENGTH = 16
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it, browsers send `Origin: null`, and the check below could not tell sites apart.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def require_credentials(settings: Settings) -> None:
    """Raise ConfigurationError if nobody could log in, without a good secret key, and for a wrong file of accounts."""
    known = accounts.read(settings.accounts)
    can_log_in = settings.admin_password_hash or any(
        not it.is_token and (it.secret != accounts.NO_PASSWORD or settings.user_header) for it in known.values()
    )
    if not can_log_in:
        raise ConfigurationError(
            "no password is set for the admin page: make a hash with `scheduler password` "
            "and set SCHEDULER_ADMIN_PASSWORD_HASH, or SCHEDULER_ADMIN_PASSWORD_HASH_FILE to a file that holds it"
        )
    if settings.admin_password_hash and not accounts.PASSWORD_HASH.fullmatch(settings.admin_password_hash):
        raise ConfigurationError(
            "SCHEDULER_ADMIN_PASSWORD_HASH is not a password hash: make one with `scheduler password`"
        )
    if len(settings.secret_key.encode()) < MIN_KEY_BYTES or len(set(settings.secret_key)) < MIN_KEY_BYTES // 4:
        raise ConfigurationError(
            f"SCHEDULER_SECRET_KEY must be at least {MIN_KEY_BYTES} random bytes: make one with "
            "`python3 -c 'import secrets; print(secrets.token_hex(32))'`, "
            "or set SCHEDULER_SECRET_KEY_FILE to a file that holds it"
        )
    if 0 < len(settings.metrics_token) < MIN_TOKEN_LENGTH:
        raise ConfigurationError(
            f"SCHEDULER_METRICS_TOKEN is shorter than {MIN_TOKEN_LENGTH} characters: make one with "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`, or leave it out"
        )


class Sessions(SecureCookieSessionInterface):
    """Session cookies, Secure if the request came by https, so that plain http on loopback works too."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Send no cookie to a program: its token is all that it needs."""
        if not given_token():
            super().save_session(app, session, response)


def add_checks(app: Flask) -> None:
    """Add the checks before and the headers after each request."""
    app.session_interface = Sessions()
    for check in (require_turn, require_trusted_host, require_same_site, require_right):
        app.before_request(check)
    app.after_request(add_headers)


def require_trusted_host() -> None:
    """Abort with 400 for an untrusted host name: it may be another site pointed at our address (DNS rebinding)."""
    trusted = current_app.extensions["scheduler"].settings.trusted_hosts
    if not is_trusted(request.host, trusted):
        abort(400, "This host name is not trusted: add it to SCHEDULER_TRUSTED_HOSTS, or use a trusted one.")


def is_trusted(host: str, trusted: tuple[str, ...]) -> bool:
    """Whether the host, without its port, is trusted; ``.example.org`` matches every name below it."""
    name = re.sub(r":\d+$", "", host).lower()
    return any(name == known.lower() or (known.startswith(".") and name.endswith(known.lower())) for known in trusted)


def require_same_site() -> None:
    """Abort with 403 for a change requested by another site (CSRF); see is_same_site.

    A site cannot send a token of ours: no browser adds one by itself, and none lets a script add it for another site
    without asking that site first, which gets no answer here.
    """
    if request.method in SAFE_METHODS or is_same_site(request):
        return
    lacks_token = is_api() and person() is None  # require_right tells the program
    if needed(request.endpoint) == PUBLIC or not (given_token() or lacks_token):
        abort(403, "Nothing was changed: the request came from another site. Open this page directly and repeat it.")


def is_same_site(asked: Request) -> bool:
    """Judge by Sec-Fetch-Site (W3C Fetch Metadata), else by Origin (RFC 6454); False without either."""
    site = asked.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = parts_of(asked.headers.get("Origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc.lower() == asked.host.lower()


def require_right() -> AnyResponse | None:
    """Send strangers to the login, and abort with 403 for a role that may not do this; see RIGHTS."""
    is_public = needed(request.endpoint) == PUBLIC
    if (is_public and request.endpoint != LOGIN) or (request.endpoint == METRICS and has_token()):
        return None
    if service().accounts.error:
        abort(503, f"The file of accounts has an error, so the page refuses everyone: {log_of('celery-admin')}.")
    if is_public:
        return None
    who = person()
    if who is None:
        return ask_for_login()
    if not allows(who.role, request.endpoint):
        abort(403, refusal(who))
    return None


def refusal(refused: Person) -> str:
    """Why this person may not do this, and what to do."""
    if service().settings.read_only:
        return "Not allowed: the page is read-only, as SCHEDULER_READ_ONLY says."
    return (
        f"Not allowed: this needs the role {needed(request.endpoint)}, and {refused.name} is "
        f"{refused.role}. Ask whoever runs the service for that role."
    )


def ask_for_login() -> AnyResponse:
    """The login page, or 401 for a program."""
    if given_token():
        refused = as_error("this token is not known: whoever runs the service can make a new one", 401)
        refused.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        return refused
    if request.endpoint == METRICS:
        return Response("log in, or send SCHEDULER_METRICS_TOKEN as a bearer token\n", 401, NO_TOKEN)
    if wants_json() or request.endpoint == "runs.task":
        return as_error("log in first: POST `username` and `password` to /login, or send a token", 401)
    if kept := typed():
        return login.keep(kept)
    there = request.full_path.rstrip("?") if request.method == "GET" else page_before()
    return redirect(url_for("login.show", next=None if there in ("", "/") else there))


def page_before() -> str:
    """The address on this host of the page whose button was pressed; empty if it is not known."""
    before = parts_of(request.referrer or "")
    query = f"?{before.query}" if before.query else ""
    return before.path + query if before.netloc == request.host else ""


def parts_of(address: str) -> SplitResult:
    """The parts of an address that a header names; all empty for what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def has_token() -> bool:
    """Whether the request carries SCHEDULER_METRICS_TOKEN, as Prometheus sends it."""
    token, given = service().settings.metrics_token, request.authorization
    if not token or given is None or given.type != "bearer":
        return False
    return hmac.compare_digest((given.token or "").encode(), token.encode())


def add_headers(response: Response) -> Response:
    """Add the security headers; browsers may cache static files only."""
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store" if request.endpoint != "static" else "max-age=3600"
    return response
