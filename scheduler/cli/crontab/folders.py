"""What Debian runs beside crontabs: the folders of run-parts, and the lines of anacron."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

#: When Debian's /etc/crontab runs each folder; its line there counts if there is one.
FOLDERS = {
    "hourly": "17 * * * *",
    "daily": "25 6 * * *",
    "weekly": "47 6 * * 7",
    "monthly": "52 6 1 * *",
}
RUN_PARTS = re.compile(rf"\brun-parts\s[^;&|]*/etc/cron\.({'|'.join(FOLDERS)})\b")
NAME = re.compile("[A-Za-z0-9_-]+")  #: of a file that run-parts starts, and that cron reads in /etc/cron.d
BOOKKEEPING = "0anacron"  #: tells anacron that a folder has run; without anacron it does nothing
ANACRON = re.compile(r"\s*(?P<period>[0-9]+|@\w+)\s+(?P<delay>[0-9]+)\s+(?P<job>\S+)\s+(?P<command>\S.*)")
ANACRON_STARTS = 7 * 60 + 30  #: minute of the day at which Debian's timer starts anacron
DAYS = {"@daily": "* * *", "1": "* * *", "@weekly": "* * 1", "7": "* * 1", "@monthly": "1 * *", "@yearly": "1 1 *"}


def folder_of(command: str) -> str:
    """The folder that a line lets run-parts run: ``daily`` and the like; empty for any other line."""
    match = RUN_PARTS.search(command)
    return match[1] if match else ""


def scripts(folder: Path) -> Iterator[Path]:
    """What run-parts starts there, in its order: executable files whose names have letters, digits, - and _ only."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if NAME.fullmatch(path.name) and path.is_file() and path.stat().st_mode & 0o111 and path.name != BOOKKEEPING:
            yield path


def anacron_line(line: str) -> str:
    """A line of anacrontab as one of a system crontab, at the time at which anacron would start it at the earliest.

    Empty for a line that is no job, or none that has such a time.
    """
    match = ANACRON.fullmatch(line)
    if match is None:
        return ""
    if match["period"].isdecimal() and match["period"] not in DAYS:
        return f"@every {match['period']}d root {match['command']}"
    if match["period"] not in DAYS:
        return ""
    hour, minute = divmod(min(ANACRON_STARTS + int(match["delay"][:4]), 24 * 60 - 1), 60)
    return f"{minute} {hour} {DAYS[match['period']]} root {match['command']}"


def has_anacron(root: Path) -> bool:
    return os.access(root / "usr/sbin/anacron", os.X_OK)
