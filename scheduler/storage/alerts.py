"""What alerts need of Redis: changes of health, what was said already, and an outbox for each sink."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.lock import LostLock
from scheduler.storage.records import loads, read_or, record
from scheduler.storage.scripts import script

POSITION = ":position"  #: in what was said: the last change of health that was read
GAP = ":gap"  #: there too: a time without a leader that the leader has not told yet, see beat/lease.py
SINK = "sink "  #: what the subject of a problem of a sink begins with; its name follows
SINKS_TTL_S = 7 * 86_400


@dataclass(frozen=True)
class HealthChange:
    """A schedule began to fail, failed once more, is well again, or a due instant was missed or a run slow.

    Times are epoch seconds.
    """

    name: str
    event: str  #: ``failing``, ``lost``, ``recovered``, ``missed``, ``slow`` or ``in time``
    since: float  #: when it began to fail or the slow run started; the first missed due instant
    count: int  #: how many failed or were lost in a row; how many were missed
    due: float  #: of the run that made the change; the last missed due instant
    reason: str = ""  #: a word of model/reasons.py
    detail: str = ""  #: of a slow run: after how many seconds it counts as slow
    output: str = ""  #: the last lines
    manual: str = ""  #: ``1`` if that run was a manual one


@dataclass(frozen=True)
class SinkState:
    """How deliveries to a sink go."""

    since: float = 0.0  #: epoch seconds: it has failed since then; 0 if the last delivery succeeded
    error: str = ""
    sent: int = 0
    failed: int = 0  #: attempts
    given_up: int = 0  #: alerts


def read_change(fields: Mapping[str, str]) -> HealthChange:
    """A change from its fields; raises ValueError or KeyError."""
    texts = (fields.get(name, "") for name in ("reason", "detail", "output", "manual"))
    numbers = float(fields["since"]), int(fields["count"]), float(fields["due"] or 0)
    return HealthChange(fields["name"], fields["event"], *numbers, *texts)


def changes_after(client: Client, keys: Keys, position: str, limit: int) -> list[tuple[str, HealthChange | None]]:
    """The changes after this position, oldest first, each with its own; None for one that cannot be read."""
    rows = client.xrange(keys.health_changes, min=f"({position}", count=limit)
    return [(str(at), read_or(None, read_change, change)) for at, change in rows]


def note_slow(client: Client, keys: Keys, token: str, now: float) -> None:
    """Make a change of each run that has become slow by now (epoch seconds); raises LostLock."""
    if not script(client, "slow")(keys=[keys.lock, keys.slow], args=[token, now, keys.prefix]):
        raise LostLock


def told(client: Client, keys: Keys) -> dict[str, str]:
    """What alerts said last, and POSITION."""
    stored: dict[str, str] = client.hgetall(keys.told)
    return stored


def tell(client: Client, keys: Keys, token: str, said: Mapping[str, str], alerts: Iterable[tuple[str, str]]) -> None:
    """Store what was said (empty: forget it) and add to the outboxes of sinks, in one step; raises LostLock."""
    pairs = [text for pair in said.items() for text in pair]
    waiting = [text for pair in alerts for text in pair]
    if not script(client, "tell")(keys=[keys.lock], args=[token, keys.prefix, len(pairs), *pairs, *waiting]):
        raise LostLock


def waiting(client: Client, keys: Keys, sink: str) -> str | None:
    """The alert that this sink gets next."""
    text: str | None = client.lindex(keys.alert_outbox(sink), 0)
    return text


def settle(client: Client, keys: Keys, sink: str, alert: str | None, state: SinkState) -> None:
    """Store how a delivery ended; ``alert`` leaves the outbox, unless it is None."""
    with client.pipeline() as pipe:
        if alert is not None:
            pipe.lrem(keys.alert_outbox(sink), 1, alert)
        pipe.hset(keys.sinks, sink, json.dumps(asdict(state)))
        pipe.expire(keys.sinks, SINKS_TTL_S)
        pipe.execute()


def sink_states(client: Client, keys: Keys) -> dict[str, SinkState]:
    """How deliveries go, by sink."""
    stored: dict[str, str] = client.hgetall(keys.sinks)
    return {name: read_or(SinkState(), read_state, text) for name, text in stored.items()}


def read_state(text: str) -> SinkState:
    """Raises ValueError or TypeError."""
    return record(SinkState, loads(text))
