"""What a search needs of every schedule: kept once in each process, read again when the revision counter says so.

So the counts by tag and by mode need no index in Redis: both change only with an entry, and an entry that changed is
read again by the next look. Health and outcomes change with runs, so they have indexes.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from sys import intern
from typing import Any

from scheduler.model import TIMING_FIELDS, Pause
from scheduler.model.accounts import queue_of
from scheduler.model.entry import expected_to_fail
from scheduler.model.what_runs import task_of
from scheduler.storage.entries import ORIGINS
from scheduler.storage.records import loads, mapping, record
from scheduler.storage.revised import Position, position, revised_since
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

MAX_AGE_S = 3600.0  #: then everything is read again, for what other programs and older releases changed
MANY = 10_000  #: schedules that the garbage collector takes milliseconds to walk
NAMES_PER_STEP = 1000  #: that one command reads, which holds up Redis for some ms
FIELDS = ("definition", "fields", "origin", "pause", "error", "zone")
FOREVER = float("inf")
Route = Callable[[str], str]  #: from a task to the queue of its runs whose schedule names none


@dataclass(frozen=True, slots=True)
class Kept:
    """A schedule without what each run changes."""

    text: str  #: that a search looks in, casefolded
    tags: tuple[str, ...] = ()
    is_quarantined: bool = False
    paused_until: float = 0.0  #: epoch seconds; FOREVER until a person resumes it
    is_enabled: bool = True
    queue: str = ""  #: that it names; empty for its task's own
    task: str = ""  #: that its runs are, also of a program or a request
    is_expected_to_fail: bool = False
    zone: str = ""  #: IANA time zone of its timing
    timing: str = ""  #: what decides when it is due: schedules with the same text are due at the same instants

    def is_off(self, now: float) -> bool:
        """Whether a person paused it, or switched it off, at ``now`` in epoch seconds."""
        return self.paused_until > now or not self.is_enabled

    @property
    def is_held(self) -> bool:
        """Whether something other than its runs may decide its state."""
        return self.is_quarantined or self.paused_until > 0 or not self.is_enabled


def nowhere(_: str) -> str:
    """The route of a reader that does not know the application's."""
    return ""


@dataclass(frozen=True)
class View:
    """Every schedule at one moment; it is never changed, so that threads can share it."""

    names: tuple[str, ...] = ()  #: sorted
    kept: dict[str, Kept] = field(default_factory=dict)
    route: Route = nowhere

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The text of each name, in their order."""
        return tuple(self.kept[name].text for name in self.names)

    @cached_property
    def held(self) -> dict[str, Kept]:
        """Those that are quarantined, paused or off."""
        return {name: it for name, it in self.kept.items() if it.is_held}

    @cached_property
    def expected_to_fail(self) -> frozenset[str]:
        """Those whose failures are no problem."""
        return frozenset(name for name, it in self.kept.items() if it.is_expected_to_fail)

    @cached_property
    def switched_off(self) -> frozenset[str]:
        """Those that are never sent, though they have a due instant."""
        return frozenset(name for name, it in self.held.items() if not it.is_enabled)

    @cached_property
    def by_tag(self) -> dict[str, list[str]]:
        """The names of the schedules with each tag, sorted."""
        return self._by(lambda its: dict.fromkeys(its.tags))

    @cached_property
    def tags(self) -> dict[str, int]:
        """How many schedules have each tag, in the order of the tags."""
        return {tag: len(names) for tag, names in sorted(self.by_tag.items())}

    @cached_property
    def by_destination(self) -> dict[str, list[str]]:
        """The names of the schedules by the queue that their runs go to, sorted; an empty one if no router can say."""
        known = {task: self.route(task) for task in {it.task for it in self.kept.values() if not it.queue}}
        return self._by(lambda its: (its.queue or known[its.task],))

    @cached_property
    def by_task(self) -> dict[str, list[str]]:
        """The names of the schedules by the task that their runs are, sorted."""
        return self._by(lambda its: (its.task,))

    @cached_property
    def by_zone(self) -> dict[str, list[str]]:
        """The names of the schedules by the time zone of their timing, sorted."""
        return self._by(lambda its: (its.zone,))

    def _by(self, keys: Callable[[Kept], Iterable[str]]) -> dict[str, list[str]]:
        """The names by each key that theirs has, sorted."""
        names: dict[str, list[str]] = {}
        for name in self.names:
            for key in keys(self.kept[name]):
                names.setdefault(key, []).append(name)
        return names


class Catalogue:
    """One for each process; ``look`` costs two commands while no schedule changes."""

    def __init__(self, store: Store, route: Route = nowhere) -> None:
        self.store = store
        self.route = route
        self.view = View()
        self._lock = threading.Lock()
        self._position: Position | None = None
        self._read_at = 0.0
        self._strays = 0  # members of the index without an entry
        self._fields = script(store.client, "fields")

    def look(self) -> View:
        """Every schedule as it is now. What another program changed in one is seen when the leader takes it over."""
        with self._lock:
            now = position(self.store.client, self.store.keys)
            if now != self._position or self._is_old():
                self.view = self._renewed(now)
                self._position = now
            return self.view

    def _renewed(self, now: Position) -> View:
        """What is kept with the changes up to ``now``."""
        changed = self._changed(now)
        if changed is None:
            self._read_at = time.monotonic()
            made = self._with({}, self.store.names())
            if len(made.names) >= MANY:
                spare_the_collector()
        else:
            made = self._with({name: it for name, it in self.view.kept.items() if name not in changed}, changed)
            if len(made.names) + self._strays == now.total:
                return made
            names = set(self.store.names())  # another program added or removed some
            left = {name: it for name, it in made.kept.items() if name in names}
            made = self._with(left, names - left.keys())
        self._strays = now.total - len(made.names)
        return made

    def _changed(self, now: Position) -> set[str] | None:
        """The names that were changed since the last look; None if all have to be read."""
        before = self._position
        if before is None or now.revision < before.revision or self._is_old():
            return None
        return revised_since(self.store.client, self.store.keys, before.revision)

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_at > MAX_AGE_S

    def _with(self, kept: dict[str, Kept], names: Iterable[str]) -> View:
        """A view of ``kept`` and of those of these names that have an entry."""
        tags: dict[tuple[str, ...], tuple[str, ...]] = {}
        wanted = list(names)
        for start in range(0, len(wanted), NAMES_PER_STEP):
            step = wanted[start : start + NAMES_PER_STEP]
            rows = self._fields(args=[len(FIELDS), *FIELDS, *map(self.store.keys.entry, step)])
            for name, row in zip(step, rows, strict=True):
                if row and row[0] is not None:
                    kept[name] = read(name, dict(zip(FIELDS, row, strict=True)), tags)
        return View(tuple(sorted(kept)), kept, self.route)


def spare_the_collector() -> None:
    """Let the garbage collector walk nothing that lives now: with 100,000 schedules, it would hold up a request."""
    gc.unfreeze()  # what has become garbage since the last time goes now
    gc.collect()
    gc.freeze()


def read(name: str, stored: dict[str, Any], known_tags: dict[tuple[str, ...], tuple[str, ...]]) -> Kept:
    """What is kept of an entry. One whose frame cannot be read is quarantined, and found by its name."""
    try:
        origin = stored["origin"] or "redbeat"
        if origin not in ORIGINS:
            raise ValueError("no origin")
        fields = mapping(loads(stored["definition" if origin == "redbeat" else "fields"] or "{}"))
        pause = record(Pause, loads(stored["pause"])) if stored["pause"] else None
    except (ValueError, TypeError, OverflowError):
        return Kept(name.casefold(), is_quarantined=True)
    tags = fields.get("tags")
    tags = tuple(intern(str(tag)) for tag in tags) if isinstance(tags, list) else ()
    return Kept(
        searched(name, fields, tags),
        known_tags.setdefault(tags, tags),
        bool(stored["error"]),
        0.0 if pause is None else FOREVER if pause.until is None else pause.until,
        bool(fields.get("enabled", True)),
        named_queue(fields),
        intern(task_of(fields)),
        bool(expected_to_fail(fields)),
        intern(str((stored["zone"] if origin == "redbeat" else fields.get("timezone")) or "UTC")),
        timing_key(name, origin, fields),
    )


def timing_key(name: str, origin: str, fields: dict[str, Any]) -> str:
    """The same text for schedules that are due at the same instants; one of its own where the name decides."""
    if origin == "redbeat":
        return f"={name}"
    own = {key: fields[key] for key in sorted(TIMING_FIELDS & fields.keys())}
    text = json.dumps(own)
    return f"{text}={name}" if "jitter" in own or "~" in text else intern(text)


def named_queue(fields: dict[str, Any]) -> str:
    """The queue of its account, or the one that it names: in a field or, as RedBeat has it, among its options."""
    options, user = fields.get("options"), fields.get("user")
    if isinstance(user, str):
        return intern(queue_of(user))
    queue = fields.get("queue") or (options.get("queue") if isinstance(options, dict) else None)
    return intern(queue) if isinstance(queue, str) else ""


def searched(name: str, fields: dict[str, Any], tags: Iterable[str]) -> str:
    """The text that a search looks in."""
    texts = (name, fields.get("task"), fields.get("description"), *tags)
    return " ".join(str(text) for text in texts if text).casefold()
