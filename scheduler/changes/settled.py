"""A restart with nothing changed: no schedule is parsed, judged or compared, because that would change nothing.

A load stores what it depended on: the code, the zone data, the tasks, the texts of all files, the counter that every
change of an entry moves, and how many schedules are declared. If all of that is the same at the next start, so is the
answer. Anything else takes the whole road.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import celery
import pydantic

import scheduler
from scheduler import schedule_file
from scheduler.changes.followed import place_of
from scheduler.registry import Registered
from scheduler.storage.records import loads, mapping, read_or
from scheduler.storage.store import Store
from scheduler.storage.survey import Survey
from scheduler.timing.zones import fingerprint

#: What a load stores beside the entries, but for its time and for ``settled`` itself.
FACTS = (
    "alerts",
    "calendars",
    "digest",
    "expected_to_fail",
    "groups",
    "imports",
    "inherited",
    "problems",
    "queues",
    "state",
    "tasks",
)


@dataclass(frozen=True)
class Settled:
    """What was the same when the file was loaded last, and left nothing to do."""

    circumstances: str
    digest: str  #: of the file with the included ones
    patterns: tuple[str, ...]  #: from `include:`
    facts: str  #: digest of what the load stored beside the entries
    revision: int  #: the counter of all changes
    declared: int  #: schedules that the file declares

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def read(text: Any) -> Settled:
    """Raises ValueError or TypeError."""
    stored = mapping(loads(text))
    known = {name: stored.get(name) for name in Settled.__dataclass_fields__}
    return Settled(**known | {"patterns": tuple(map(str, stored.get("patterns")))})  # type: ignore[arg-type]


def circumstances(tasks: Registered, zone: str, path: Path, routes: Sequence[tuple[str, str]] = ()) -> str:
    """A digest of all that decides over a file beside its text; ``zone`` and ``routes`` are the application's."""
    known = sorted((name, str(signature)) for name, signature in tasks.items())
    wrong = sorted(tasks.refused.items()), sorted(tasks.failed.items())
    return digest_of([code(), zone, place_of(path), known, *wrong, routes])


@cache
def code() -> str:
    """A digest of this version; of a clone, which may be another one under the same number, of its files too."""
    root = Path(scheduler.__file__).parent
    stats = [(str(file), file.stat()) for file in sorted(root.rglob("*.py"))]
    versions = [scheduler.__version__, sys.version, celery.__version__, pydantic.VERSION, fingerprint()]
    return digest_of([versions, [(file, stat.st_mtime_ns, stat.st_size) for file, stat in stats]])


def facts_digest(facts: Mapping[str, str]) -> str:
    return digest_of([facts.get(name, "") for name in FACTS])


def digest_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode("utf-8", "surrogatepass")).hexdigest()


def last(store: Store) -> Settled | None:
    """What the last load stored; None if it stored nothing, or another program wrote there."""
    return read_or(None, read, store.file_facts().get("settled"))


def is_unchanged(store: Store, path: Path, before: Settled, now: str, survey: Survey) -> bool:
    """Whether a load would leave everything as it is since ``before``; ``now`` are the present circumstances."""
    return (
        survey.is_sound
        and (before.circumstances, before.facts) == (now, facts_digest(store.file_facts()))
        and (before.declared, before.revision) == (survey.declared, store.revision())
        and before.digest == schedule_file.digest(path, before.patterns)
    )
