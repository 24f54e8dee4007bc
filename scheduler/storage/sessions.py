"""The sessions of the page in Redis: who is logged in, from where; and which of them have ended.

A session is a signed cookie. Redis only lists them, and remembers what ended before its cookie did.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, read_or

LIFETIME_S = 12 * 3600  #: seconds after which a session ends by itself
MAX_AGENT_CHARS = 200


class Opened(NamedTuple):
    """A session; ``at`` is in epoch seconds."""

    id: str
    name: str  #: of its person
    at: float
    address: str
    agent: str  #: the browser, as it calls itself


@dataclass(frozen=True)
class OpenSessions:
    """All of them."""

    client: Client
    keys: Keys

    def begin(self, opened: Opened) -> None:
        """List a session."""
        text = json.dumps(opened._replace(agent=opened.agent[:MAX_AGENT_CHARS])[1:])
        self.client.hset(self.keys.sessions, opened.id, text)
        self.client.expire(self.keys.sessions, LIFETIME_S)

    def all(self) -> list[Opened]:
        """Those that have not ended, the newest first; what is over is forgotten."""
        stored = self.client.hgetall(self.keys.sessions)
        readable = [opened for pair in stored.items() if (opened := read_or(None, read, pair)) is not None]
        oldest = time.time() - LIFETIME_S
        kept = [opened for opened in readable if opened.at > oldest]
        if over := stored.keys() - {opened.id for opened in kept}:
            self.client.hdel(self.keys.sessions, *over)
        return sorted(kept, key=lambda opened: opened.at, reverse=True)

    def end(self, identity: str) -> None:
        """End a session; Redis remembers it until its cookie would have ended by itself."""
        self.client.set(self.keys.ended_session(identity), "1", ex=LIFETIME_S)
        self.client.hdel(self.keys.sessions, identity)

    def has_ended(self, identity: str) -> bool:
        return bool(self.client.exists(self.keys.ended_session(identity)))


def read(stored: tuple[str, str]) -> Opened:
    """Raises ValueError or TypeError for what is none."""
    name, at, address, agent = loads(stored[1])
    return Opened(stored[0], str(name), float(at), str(address), str(agent))
