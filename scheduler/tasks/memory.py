"""How much memory a process takes, with all that descends from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scheduler.tasks.supervisor import processes

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1_000_000


def resident(pid: int) -> int:
    """Bytes of memory that the process takes now (its resident set); 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def descendants(pid: int) -> Iterator[int]:
    """The processes that this one started, and those that they started."""
    children, _ = processes()
    waiting = [pid]
    while waiting:
        fresh = children.get(waiting.pop(), set())
        yield from fresh
        waiting += fresh


def of_family(pid: int) -> int:
    """Bytes that all descendants of a process take together."""
    return sum(map(resident, descendants(pid)))


def shown(size: float) -> str:
    """``512 MB``."""
    return f"{size / MEGABYTE:,.0f} MB"
