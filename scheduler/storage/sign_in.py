"""Links that log a person in to the page once; Redis keeps the hash of each, for some minutes."""

from __future__ import annotations

import hashlib
import secrets

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

LIFETIME_S = 600


def make(client: Client, keys: Keys, name: str) -> str:
    """A new secret, with which this person logs in once."""
    secret = secrets.token_urlsafe(24)
    client.set(keys.sign_in(digest(secret)), name, ex=LIFETIME_S)
    return secret


def take(client: Client, keys: Keys, secret: str) -> str:
    """The person of this secret, which then opens nothing; empty for one that is unknown or too old."""
    return client.getdel(keys.sign_in(digest(secret))) or ""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()[:32]
