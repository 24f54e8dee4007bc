"""Has the schedule file changed? Answered from its directory entry, without reading it."""

from __future__ import annotations

from pathlib import Path

Signature = tuple[int, int, int] | None


class FileWatch:
    """Remembers what a file looked like; a rename, a swapped symlink and a rewrite all look different."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: Signature | str = "never looked"

    def has_changed(self, *, peek: bool = False) -> bool:
        """Whether it looks different from the last time; ``peek`` leaves the answer for the next call."""
        signature = self._look()
        changed = signature != self._seen
        if not peek:
            self._seen = signature
        return changed

    def forget(self) -> None:
        """Count the file as changed at the next look."""
        self._seen = "never looked"

    def _look(self) -> Signature:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
