"""What every request passes: a trusted host, no other site behind it, a login; and the headers of every answer."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, current_app, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, wants_json
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings

OPEN = frozenset({"login.show", "login.enter", "health.show", "static"})  #: endpoints that need no login
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SHORTEST_KEY = 32  #: bytes
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
    """Raise ConfigurationError unless the page can be closed to strangers."""
    if not settings.admin_password_hash:
        raise ConfigurationError(
            "the admin has no password, so it does not start: make a hash with `scheduler password` "
            "and set SCHEDULER_ADMIN_PASSWORD_HASH, or SCHEDULER_ADMIN_PASSWORD_HASH_FILE to a file that holds it"
        )
    if not re.fullmatch(r"(scrypt|pbkdf2)(:\w+)+\$[^$]+\$[0-9a-f]+", settings.admin_password_hash):
        raise ConfigurationError(
            "SCHEDULER_ADMIN_PASSWORD_HASH is not the hash of a password: make one with `scheduler password`"
        )
    if len(settings.secret_key.encode()) < SHORTEST_KEY or len(set(settings.secret_key)) < SHORTEST_KEY // 4:
        raise ConfigurationError(
            f"SCHEDULER_SECRET_KEY must be {SHORTEST_KEY} random bytes or more: make one with "
            "`python3 -c 'import secrets; print(secrets.token_hex(32))'`, "
            "or set SCHEDULER_SECRET_KEY_FILE to a file that holds it"
        )


class Sessions(SecureCookieSessionInterface):
    """The cookie is Secure exactly when the request came by https, so that plain http on loopback works too."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def install(app: Flask) -> None:
    """Every check before, every header after each request."""
    app.session_interface = Sessions()
    for check in (require_trusted_host, require_same_site, require_login):
        app.before_request(check)
    app.after_request(add_headers)


def require_trusted_host() -> None:
    """Another host name on our address may be a page of somebody else's (DNS rebinding)."""
    trusted = current_app.extensions["scheduler"].settings.trusted_hosts
    if not is_trusted(request.host, trusted):
        abort(400, "This host name is not trusted: name it in SCHEDULER_TRUSTED_HOSTS, or use one that is.")


def is_trusted(host: str, trusted: tuple[str, ...]) -> bool:
    """Whether the host, without its port, is one of these; ``.example.org`` stands for every name below it."""
    name = re.sub(r":\d+$", "", host).lower()
    return any(name == known.lower() or (known.startswith(".") and name.endswith(known.lower())) for known in trusted)


def require_same_site() -> None:
    """No other site may make a browser change anything here; see is_same_site."""
    if request.method not in SAFE_METHODS and not is_same_site(request):
        abort(403, "This request did not come from this page, so nothing was changed: open the page and repeat it.")


def is_same_site(asked: Request) -> bool:
    """Fetch metadata where the browser sends it (W3C), else the Origin header (RFC 6454); without both: no."""
    site = asked.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = urlsplit(asked.headers.get("Origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc.lower() == asked.host.lower()


def require_login() -> AnyResponse | None:
    """Closed: what is not open needs a session, unknown addresses included."""
    if request.endpoint in OPEN or is_logged_in():
        return None
    if wants_json() or request.endpoint == "runs.task":
        return as_json({"error": "log in first: POST the field `password` to /login"}, 401)
    there = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("login.show", next=None if there == "/" else there))


def is_logged_in() -> bool:
    """A session that is not too old, made with the password of today."""
    age = time.time() - float(session.get("since", 0))
    fresh = 0 <= age < current_app.permanent_session_lifetime.total_seconds()
    return fresh and hmac.compare_digest(str(session.get("seal", "")), seal())


def begin_session() -> None:
    """Log in the browser behind the current request."""
    session.clear()
    session.permanent = True
    session["since"] = time.time()
    session["seal"] = seal()


def seal() -> str:
    """Changes with the password, and so ends every session that was made with the former one."""
    password_hash = current_app.extensions["scheduler"].settings.admin_password_hash
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


def add_headers(response: Response) -> Response:
    """A strict policy on everything; pages are never stored."""
    response.headers.update(HEADERS)
    response.headers["Cache-Control"] = "no-store" if request.endpoint != "static" else "max-age=3600"
    return response
