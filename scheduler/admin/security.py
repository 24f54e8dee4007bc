"""Checks on every request (trusted host, same site, login) and security headers on every response."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, wants_json
from scheduler.admin.service import service
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED

#: Endpoints that need no login.
PUBLIC = frozenset({"login.show", "login.enter", "health.lives", "health.ready", "static"})
METRICS = "metrics.show"
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
    """Raise ConfigurationError without a password hash or a good secret key."""
    if not settings.admin_password_hash:
        raise ConfigurationError(
            "no password is set for the admin page: make a hash with `scheduler password` "
            "and set SCHEDULER_ADMIN_PASSWORD_HASH, or SCHEDULER_ADMIN_PASSWORD_HASH_FILE to a file that holds it"
        )
    if not re.fullmatch(r"(scrypt|pbkdf2)(:\w+)+\$[^$]+\$[0-9a-f]+", settings.admin_password_hash):
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


def add_checks(app: Flask) -> None:
    """Add the checks before and the headers after each request."""
    app.session_interface = Sessions()
    for check in (require_trusted_host, require_same_site, require_login):
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
    """Abort with 403 for a change requested by another site (CSRF); see is_same_site."""
    if request.method not in SAFE_METHODS and not is_same_site(request):
        abort(403, "Nothing was changed: the request came from another site. Open this page directly and repeat it.")


def is_same_site(asked: Request) -> bool:
    """Judge by Sec-Fetch-Site (W3C Fetch Metadata), else by Origin (RFC 6454); False without either."""
    site = asked.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = urlsplit(asked.headers.get("Origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc.lower() == asked.host.lower()


def require_login() -> AnyResponse | None:
    """Send requests without a session to the login, except PUBLIC endpoints; unknown addresses need one too."""
    if request.endpoint in PUBLIC or (request.endpoint == METRICS and has_token()) or is_logged_in():
        return None
    if request.endpoint == METRICS:
        return Response("log in, or send SCHEDULER_METRICS_TOKEN as a bearer token\n", 401, NO_TOKEN)
    if wants_json() or request.endpoint == "runs.task":
        return as_json({"error": "log in first: POST the field `password` to /login"}, 401)
    there = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("login.show", next=None if there == "/" else there))


def has_token() -> bool:
    """Whether the request carries SCHEDULER_METRICS_TOKEN, as Prometheus sends it."""
    token, given = service().settings.metrics_token, request.authorization
    if not token or given is None or given.type != "bearer":
        return False
    return hmac.compare_digest((given.token or "").encode(), token.encode())


def is_logged_in() -> bool:
    """Whether the session is recent enough and made with the current password."""
    age = time.time() - float(session.get("since", 0))
    fresh = 0 <= age < current_app.permanent_session_lifetime.total_seconds()
    return fresh and hmac.compare_digest(str(session.get("seal", "")), seal()) and not has_ended()


def begin_session() -> None:
    """Start a session for the browser of the current request."""
    session.clear()
    session.permanent = True
    session["since"] = time.time()
    session["seal"] = seal()
    session["id"] = secrets.token_urlsafe(16)


def end_session() -> None:
    """End the session of the current request; Redis remembers it until its cookie would have ended by itself."""
    store = service().store
    if identity := session.get("id"):
        lifetime = int(current_app.permanent_session_lifetime.total_seconds())
        store.client.set(store.keys.ended_session(str(identity)), "1", ex=lifetime)
    session.clear()


def has_ended() -> bool:
    """Whether its user logged out of this session. While Redis is away, the page can show and change nothing anyway."""
    store = service().store
    try:
        return bool(store.client.exists(store.keys.ended_session(str(session.get("id", "")))))
    except (*AWAY, *REFUSED):
        return False


def seal() -> str:
    """A digest of the password hash: a new password ends every older session."""
    password_hash = current_app.extensions["scheduler"].settings.admin_password_hash
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


def add_headers(response: Response) -> Response:
    """Add the security headers; browsers may cache static files only."""
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store" if request.endpoint != "static" else "max-age=3600"
    return response
