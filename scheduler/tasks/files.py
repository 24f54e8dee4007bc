"""Disk space: check it, and delete old files."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.utils.log import get_task_logger

from scheduler.tasks.errors import TaskFailed

log = get_task_logger(__name__)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SYSTEM_TREES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr")
SYSTEM_TOPS = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/var")
SYSTEM_STATE = ("/var/cache", "/var/lib", "/var/log", "/var/spool")
MAX_EXAMPLES = 20  #: file names in the result


@shared_task(name="scheduler.tasks.disk_usage")
def disk_usage(path: str = "/", warn_above_percent: float = 90) -> dict[str, Any]:
    """Report the disk usage of a path's file system, in bytes; fails above the threshold."""
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        raise TaskFailed(f"{path} cannot be read: {error.strerror}") from None
    # As df counts: space reserved for root is neither used nor free.
    percent = round(100 * usage.used / max(usage.used + usage.free, 1), 1)
    if percent > warn_above_percent:
        full = f"{path} is {percent} % full, above {warn_above_percent} %"
        raise TaskFailed(f"{full}: free some space, {usage.free / 2**30:.1f} GiB are left")
    return {"path": path, "used_percent": percent, "total": usage.total, "used": usage.used, "free": usage.free}


@shared_task(name="scheduler.tasks.clean_up", file_only=True)
def clean_up(directory: str, older_than: str = "7d", dry_run: bool = True) -> dict[str, Any]:
    """Delete the regular files below a directory that have not changed for ``older_than`` (such as 7d, 12h).

    With ``dry_run``, only lists them. Follows no symbolic links, enters no other file system, keeps directories.
    """
    top = safe_directory(directory)
    sweep = Sweep(time.time() - seconds(older_than), dry_run)
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        sweep.walk(descriptor)
    finally:
        os.close(descriptor)
    if sweep.kept:
        raise TaskFailed(f"{sweep.kept} files could not be deleted ({sweep.count} were): {sweep.reason}")
    log.info("%s %s files (%s bytes) in %s", "would delete" if dry_run else "deleted", sweep.count, sweep.bytes, top)
    return {"directory": top, "dry_run": dry_run, **sweep.summary()}


class Sweep:
    """One pass over a tree: finds old files, deletes and counts them."""

    def __init__(self, limit: float, dry_run: bool) -> None:
        self.limit = limit
        self.dry_run = dry_run
        self.count = self.bytes = self.kept = self.unreadable = 0
        self.reason = ""
        self.examples: list[str] = []

    def walk(self, top: int) -> None:
        """Walk an open directory, by descriptors, so that a path replaced meanwhile cannot lead elsewhere."""
        device = os.fstat(top).st_dev
        for parent, subdirectories, files, descriptor in os.fwalk(".", dir_fd=top, onerror=self.refused):
            if os.fstat(descriptor).st_dev != device:
                subdirectories.clear()
                continue
            for name in files:
                self.look_at(os.path.normpath(os.path.join(parent, name)), name, descriptor)

    def look_at(self, shown: str, name: str, descriptor: int) -> None:
        """Delete the file if it is old."""
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_mtime >= self.limit:
                return
            if not self.dry_run:
                os.unlink(name, dir_fd=descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            self.kept += 1
            self.reason = self.reason or f"{printable(shown)}: {error.strerror}"
            return
        self.count += 1
        self.bytes += status.st_size
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(printable(shown))

    def refused(self, error: OSError) -> None:
        """Count a directory that could not be read."""
        self.unreadable += 1

    def summary(self) -> dict[str, Any]:
        """The task's result: counts, bytes, and the first MAX_EXAMPLES paths."""
        return {"files": self.count, "bytes": self.bytes, "unreadable": self.unreadable, "examples": self.examples}


def safe_directory(directory: str) -> str:
    """The real path of a directory that may be cleaned; raises TaskFailed for any other."""
    if not os.path.isabs(directory):
        raise TaskFailed(f"'{directory}' is not an absolute path: start it with /")
    real = os.path.realpath(directory)
    if os.path.islink(directory.rstrip("/")):
        raise TaskFailed(f"{directory} is a symbolic link: use the directory itself, {real}")
    if not os.path.isdir(real):
        raise TaskFailed(f"{directory} is not a directory: create it, or use another one")
    if real in SYSTEM_TOPS + SYSTEM_STATE or any(real == tree or real.startswith(f"{tree}/") for tree in SYSTEM_TREES):
        raise TaskFailed(f"{real} belongs to the system: use a directory of your own")
    if os.path.dirname(real) == "/home" or real == os.path.realpath(Path.home()):
        raise TaskFailed(f"{real} is a home directory: use a directory below it")
    return real


def seconds(duration: str) -> int:
    """``1d12h`` in seconds."""
    parts = re.findall(r"([0-9]{1,9})([smhdw])", duration)
    if not parts or "".join(map("".join, parts)) != duration:
        raise TaskFailed(f"'{duration}' is not a duration: write it like 12h, 7d or 1d12h")
    return sum(int(count) * SECONDS[unit] for count, unit in parts)


def printable(path: str) -> str:
    """A path as valid UTF-8, whatever bytes it has on disk."""
    return os.fsencode(path).decode("utf-8", "replace")
