"""Links that log a person in to the page once; Redis keeps the hash of each, for some minutes."""

from __future__ import annotations

import hashlib
import secrets

from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.client import Client
from scheduler.storage.instants import clock
from scheduler.storage.keys import Keys

LIFETIME_S = 600


def make(client: Client, keys: Keys, name: str, by: str) -> str:
    """A new secret, with which this person logs in once; the audit log says who made it."""
    secret = secrets.token_urlsafe(24)
    Audit(client, keys).add(audit_line(by, clock(), "sign-in link", None, None, f"for {name}"))
    client.set(keys.sign_in(digest(secret)), name, ex=LIFETIME_S)
    return secret


def take(client: Client, keys: Keys, secret: str) -> str:
    """The person of this secret, which then opens nothing; empty for one that is unknown or too old."""
    return client.getdel(keys.sign_in(digest(secret))) or ""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()[:32]
