"""Watch the schedule file and its included files for changes, by their stat data, without reading them."""

from __future__ import annotations

import time
from pathlib import Path

from scheduler.schedule_file import digest, included

SETTLE_S = 0.3  #: a change counts once the files have stayed the same for this long: an editor may still be writing
REMOVAL_SETTLE_S = 3.0  #: one that takes schedules away: the files may be written with pauses between two lines


class FileWatch:
    """Notices every kind of change: a rewrite, a rename over the file, a changed symlink, another mode or owner."""

    def __init__(self, path: Path, settled: float = SETTLE_S) -> None:
        self.path = path
        self.settled = settled  #: seconds
        self.settled_without = REMOVAL_SETTLE_S  #: seconds, where schedules are gone
        #: Of the schedules in the file when it was loaded last. One text, because many small ones, made amid a large
        #: load, would keep most of its memory from being given back.
        self.names = ""
        self.patterns: tuple[str, ...] = ()  #: from `include:`; a change of a matching file counts
        self._seen: str | None = None  #: what ``_look`` saw
        self._seen_before: str | None = None
        self._new: str | None = None
        self._new_since = 0.0
        self._wait = settled

    def has_changed(self, *, peek: bool = False) -> bool:
        """Whether the files have changed since the last True, and have settled.

        ``peek`` keeps the answer for the next call. The first call never waits for settling.
        """
        look = self._look()
        if look != self._new:
            self._new, self._new_since, self._wait = look, time.monotonic(), self.settled
        is_settled = self._seen is None or time.monotonic() - self._new_since >= self._wait
        changed = look != self._seen and is_settled
        if changed and not peek:
            self._seen_before, self._seen = self._seen, look
        return changed

    def has_settled_for(self, seconds: float) -> bool:
        """Whether the change that ``has_changed`` told of last has settled for so long; if not, it tells of it then.

        True if that change did not have to settle.
        """
        if self._seen_before is None or time.monotonic() - self._new_since >= seconds:
            return True
        self._seen, self._wait = self._seen_before, seconds
        return False

    def forget(self) -> None:
        """Make the next ``has_changed`` return True."""
        self._seen = None

    def follow(self, patterns: tuple[str, ...], *, certain: bool, read: str = "") -> None:
        """Watch these included files too; if they are different ones than before, that is a change.

        It is none if all files still have the text whose digest is ``read``. ``certain`` is False if the file has
        errors: an empty ``patterns`` then keeps the previous ones.
        """
        if patterns == self.patterns or not (patterns or certain):
            return
        self.patterns = patterns
        look = self._look()
        if read and digest(self.path, patterns) == read:
            self._seen = look

    def _look(self) -> str:
        """All files with their stat data; one text, for the reason that ``names`` is."""
        others = [file for pattern in self.patterns for file in included(self.path.parent, pattern)]
        return "".join(f"{file}\0{signature(file)}\0" for file in (self.path, *others))


def signature(path: Path) -> tuple[int, ...]:
    """The stat data that change with the file, or why there are none: another reason is a change too."""
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        return (getattr(error, "errno", None) or 0,)
    # With the time of the last change of its mode or owner, which decide whether it can be read.
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
