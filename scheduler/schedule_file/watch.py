"""Has the schedule file, or one that it includes, changed? Answered from directory entries, without reading."""

from __future__ import annotations

import time
from pathlib import Path

from scheduler.schedule_file import included

Signature = tuple[int, int, int] | None
Look = tuple[tuple[Path, Signature], ...]
SETTLED = 0.3  #: seconds for which a file must look the same before what was saved counts as whole


class FileWatch:
    """Remembers what a file looked like; a rename, a swapped symlink and a rewrite all look different."""

    def __init__(self, path: Path, settled: float = SETTLED) -> None:
        self.path = path
        self.settled = settled
        self.patterns: tuple[str, ...] = ()  #: what the file includes; a change here counts as one of the file
        self._seen: Look | None = None
        self._new: Look | None = None
        self._new_since = 0.0

    def has_changed(self, *, peek: bool = False) -> bool:
        """Whether it looks different from the last time, and is not being written any more.

        ``peek`` leaves the answer for the next call. The first look never waits.
        """
        look = self._look()
        if look != self._new:
            self._new, self._new_since = look, time.monotonic()
        is_settled = self._seen is None or time.monotonic() - self._new_since >= self.settled
        changed = look != self._seen and is_settled
        if changed and not peek:
            self._seen = look
        return changed

    def forget(self) -> None:
        """Count the file as changed at the next look."""
        self._seen = None

    def follow(self, patterns: tuple[str, ...], *, certain: bool) -> None:
        """From now on, look at these included files too; the next look tells a change if they are others than before.

        Not ``certain`` when the file is wrong: what it included before may still belong to it.
        """
        if patterns or certain:
            self.patterns = patterns

    def _look(self) -> Look:
        others = [file for pattern in self.patterns for file in included(self.path.parent, pattern)]
        return tuple((file, signature(file)) for file in (self.path, *others))


def signature(path: Path) -> Signature:
    """None for a file that cannot be found."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
