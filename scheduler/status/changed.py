"""What changed about a schedule between its last run that succeeded and its first one that did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from redis import ResponseError

from scheduler.storage.health import read_well
from scheduler.storage.store import Store
from scheduler.storage.workers import workers

MAX_LINES = 3
MAX_LOOKED_AT = 20  #: lines of the schedule's history
MAX_WHY = 80  #: characters
TOLD = ("pause", "resume")  #: acts that count besides changes of a field


class Change(NamedTuple):
    """``at`` is in epoch seconds."""

    at: float
    what: str


def changed(store: Store, name: str, failed_at: float) -> tuple[Change, ...]:
    """The newest MAX_LINES changes before the first failure ended (epoch seconds), oldest first.

    Nothing if the schedule never succeeded. No edits if another program wrote a key of another kind in the place of its
    history: an alert without them is better than none. Takes three round trips, whatever is stored.
    """
    well, _ = read_well(store.client.hget(store.keys.ledger(name), ":health"))
    if not 0 < well < failed_at:
        return ()
    lines: list[dict[str, Any]] = []
    with suppress(ResponseError):
        lines = store.audit.of(name, well, failed_at, MAX_LOOKED_AT)
    edits = [Change(line["at"], what) for line in lines if (what := sentence(line))]
    return tuple(sorted([*edits, *started(store, well, failed_at)])[-MAX_LINES:])


def sentence(line: Mapping[str, Any]) -> str:
    """What a line of the audit log says of the definition; empty if nothing. Values may be long, so it names fields."""
    before, after = line["before"] or {}, line["after"] or {}
    differing = sorted(field for field in before.keys() | after.keys() if before.get(field) != after.get(field))
    if not differing and line["change"] not in TOLD:
        return ""
    fields = f" {', '.join(differing)}" if before and after and differing else ""
    why = f" ({' '.join(line['why'].split())[:MAX_WHY]})" if line["why"] else ""
    return f"{line['by']}: {line['change']}{fields}{why}"


def started(store: Store, after: float, before: float) -> Iterator[Change]:
    """The workers that started then and live, in one line."""
    found = [it for it in workers(store.client, store.keys) if after < it.started <= before]
    if found:
        last = max(found, key=lambda it: (it.started, it.name))
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        release = f", release {last.version}" if last.version else ""
        yield Change(last.started, f"worker {last.name}{others} started{release}")
