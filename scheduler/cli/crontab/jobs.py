"""The jobs of crontabs, as whom they run, and the names of their schedules."""

from __future__ import annotations

import pwd
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scheduler.cli.crontab.shell_words import named


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose crontab it is, or as whom a line runs; ``home`` is empty where this machine does not know the user."""

    name: str
    home: str
    has_home: bool = True  #: whether it exists here; for many system accounts it does not


@dataclass(frozen=True, slots=True)
class Job:
    """One line of a crontab, or one script of a folder."""

    line: int
    when: str
    timezone: str | None  #: from CRON_TZ; None is the zone of that machine
    description: str  #: the comment above the line
    command: str
    stdin: str
    environment: dict[str, str]
    directory: str  #: empty where it is not known
    mail: str | None  #: MAILTO; None without one
    owner: Owner
    notes: tuple[str, ...] = ()  #: for a person, beside the schedule
    success_codes: tuple[int, ...] = (0,)
    user: str = ""  #: the account that its schedule names; empty for the worker's own
    catch_up: str = "none"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A line, or a part of one, that is not carried over as it is."""

    line: int
    text: str
    reason: str


def owner_named(name: str) -> Owner:
    """The user with their home on this machine."""
    try:
        home = pwd.getpwnam(name).pw_dir
        return Owner(name, home, has_home=Path(home).is_dir())
    except (KeyError, ValueError):
        return Owner(name, "")


def names(jobs: Sequence[Job]) -> list[str]:
    """The name of each: that of the program, and, where several run it, a word that only one of them has."""
    told = [named(job.command) for job in jobs]
    shared: dict[str, Counter[str]] = {}
    for name, words in told:
        shared.setdefault(name, Counter()).update({"": 1} | dict.fromkeys(words, 1))
    taken: set[str] = set()
    number: Counter[str] = Counter()
    given: list[str] = []
    for name, words in told:
        others = shared[name]
        word = next((word for word in words if others[word] == 1), "") if others[""] > 1 else ""
        chosen = f"{name}-{word}" if word else name
        while chosen in taken:
            number[name] += 1
            chosen = f"{name}-{number[name] + 1}"
        taken.add(chosen)
        given.append(chosen)
    return given
