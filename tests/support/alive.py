"""What a process does now."""

from __future__ import annotations

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Not if it is gone, nor if it ended and only waits for its parent, who may never ask."""
    return state(pid) not in "Z?"


def is_stopped(pid: int) -> bool:
    """Whether a SIGSTOP has reached each of its threads; those that are on another core run on for a moment."""
    return all(state_in(thread / "stat") in "T?" for thread in Path(f"/proc/{pid}/task").iterdir())


def state(pid: int) -> str:
    """The process's state as ps shows it; ? if there is none."""
    return state_in(Path(f"/proc/{pid}/stat"))


def state_in(file: Path) -> str:
    try:
        return file.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "?"
