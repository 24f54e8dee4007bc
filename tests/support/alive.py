"""Whether a process works."""

from __future__ import annotations


def is_alive(pid: int) -> bool:
    """Not if it is gone, nor if it ended and only waits for its parent, who may never ask."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
