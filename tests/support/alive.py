"""What a process does now."""

from __future__ import annotations

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Not if it is gone, nor if it ended and only waits for its parent, who may never ask."""
    return state(pid) not in "Z?"


def state(pid: int) -> str:
    """The process's state as ps shows it; ? if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "?"
