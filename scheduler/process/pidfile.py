"""A pidfile that is a lock: the process that holds the file's flock is the one that runs, whatever number it contains.

Celery's own looks for a process of that number. Numbers are reused, and a process of another user looks dead, so its
pidfile can keep a service down, or let a second one start.
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from typing import NoReturn

from celery import platforms

from scheduler.errors import Exit

held = ""  #: path of the pidfile that this process holds; empty if it holds none


class PidFile:
    """Celery's ``--pidfile``: held from ``acquire`` until ``release`` or the end of this process."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._held: int | None = None

    def is_locked(self) -> bool:
        """False for Celery, which would look at the number in it."""
        return False

    def acquire(self) -> PidFile:
        """Write our number; ends this process with one line while another one holds the lock."""
        try:
            while self._held is None:
                self._held = self._lock()
            os.fchmod(self._held, 0o644)  # monitoring reads it too, whatever the umask
            os.ftruncate(self._held, 0)
            os.pwrite(self._held, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            refuse(f"another process holds {self.path}: stop that one, or name another --pidfile", Exit.TEMPORARY)
        except OSError as error:
            refuse(f"cannot write {self.path}: {error.strerror}; see to its directory and free space", Exit.CANT_CREATE)
        os.register_at_fork(after_in_child=self._let_go)
        global held
        held = self.path
        return self

    def release(self) -> None:
        """Remove the file while the lock is still ours."""
        if self._held is not None:
            with suppress(OSError):
                os.unlink(self.path)
            self._let_go()

    def _lock(self) -> int | None:
        """The locked file; None for one that its former holder removed meanwhile."""
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(opened), os.stat(self.path)):
                return opened
        except FileNotFoundError:
            pass
        except OSError:
            os.close(opened)
            raise
        os.close(opened)
        return None

    def _let_go(self) -> None:
        # A child of the pool that outlives us must not hold the lock, and must not remove the file.
        if self._held is not None:
            os.close(self._held)
            self._held = None


def refuse(message: str, code: Exit) -> NoReturn:
    """End this process with one line on stderr."""
    sys.stderr.write(f"scheduler: {message}\n")
    raise SystemExit(int(code))


def replace_celerys_pidfile() -> None:
    """Let every ``--pidfile`` of Celery be one of these."""
    platforms.Pidfile = PidFile
