"""The copy on disk of what no schedule file holds: schedules of the page and of other programs, overlays, pauses.

And of the last good schedule file's list of modules, which the file itself may not have any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.events import emit
from scheduler.settings import Settings

NAME = "snapshot.json"
FORMAT = 1
Stored = dict[str, str]  # an entry's hash


def is_worth_keeping(stored: Mapping[str, str]) -> bool:
    """Whether loading the schedule file would not make this entry again as it is.

    A schedule with ``max_runs`` is kept for the number of its runs.
    """
    if "definition" not in stored:
        return False
    overlaid = stored.get("pause") or stored.get("skip") or stored.get("overlay", "{}") != "{}"
    return bool(stored.get("origin") not in ("file", "app") or overlaid or '"max_runs"' in stored.get("fields", ""))


@dataclass
class Snapshot:
    """The file, readable only for its owner. ``entries`` are hashes by schedule name, as Redis stores them."""

    path: Path
    redis: str  #: the Redis and the prefix that it is a copy of
    marker: str = ""  #: which life of that Redis's data it is a copy of
    entries: dict[str, Stored] = field(default_factory=dict)
    imports: tuple[str, ...] = ()  #: the modules that the last good schedule file names

    @classmethod
    def of(cls, settings: Settings) -> Snapshot:
        """Read from the disk; empty where there is none. One of another Redis is moved aside."""
        made = cls(settings.state_dir / NAME, f"{settings.shown_redis_url} {settings.key_prefix}")
        try:
            body = json.loads(made.path.read_text("utf-8"))
            if body["format"] != FORMAT:
                raise ValueError(f"its format is {body['format']!r}")
            if body["redis"] != made.redis:
                made.move_aside(f"it is of {body['redis']}")
            else:
                made.marker, made.entries = str(body["marker"]), checked(body["entries"])
                made.imports = tuple(map(str, body.get("imports", ())))  # a version before this field wrote none
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            made.move_aside(f"it cannot be read: {error}")
        return made

    def move_aside(self, why: str) -> None:
        """Keep a copy that a person may still want."""
        aside = self.path.with_suffix(".aside.json")
        try:
            self.path.replace(aside)
        except OSError as error:
            why, aside = f"{why}; {error}", self.path
        emit("snapshot.set_aside", path=aside, reason=why)

    def write(self) -> None:
        """Write all of it or nothing, and to the disk; raises OSError."""
        body = {"format": FORMAT, "redis": self.redis, "marker": self.marker, "imports": self.imports}
        body["entries"] = self.entries
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        # The rename is on the disk only when its directory is.
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def checked(entries: Any) -> dict[str, Stored]:
    """The entries, if they are hashes of texts; raises ValueError."""
    for name, stored in entries.items():
        if not all(isinstance(text, str) for text in (name, *stored, *stored.values())) or "definition" not in stored:
            raise ValueError(f"schedule {name!r} is no hash of texts")
    return dict(entries)
