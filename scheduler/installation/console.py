"""The command ``celery-scheduler`` of an installed service: its command line with the settings of its units."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from scheduler.errors import Exit
from scheduler.installation.layout import Layout


def main(layout: Layout, arguments: list[str]) -> None:
    """Become ``python -m scheduler`` with these arguments."""
    file = layout.configuration / "environment"
    try:
        given = read_environment(file.read_text(encoding="utf-8")) if file.exists() else {}
        given["CREDENTIALS_DIRECTORY"] = str(layout.credentials)
        list(layout.credentials.iterdir())
    except PermissionError as error:
        sys.stderr.write(f"scheduler: {error.filename} is read by root alone: say sudo celery-scheduler …\n")
        sys.exit(Exit.NO_PERMISSION)
    except FileNotFoundError:
        given = {}
    python = str(layout.venv / "bin/python")
    os.execve(python, [python, "-m", "scheduler", *arguments], environment(layout, given, os.environ))


def environment(layout: Layout, given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What the units set, what their file adds, and modules from where they have them; never from here."""
    units = {"SCHEDULER_FILE": str(layout.schedules), "SCHEDULER_STATE_DIR": "/var/lib/celery-beat"}
    path = [str(layout.configuration), *filter(None, [given.get("PYTHONPATH")])]
    return {**own, **units, **given, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def read_environment(text: str) -> dict[str, str]:
    """A file as systemd.exec(5) describes it for EnvironmentFile=."""
    found = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            found[name.rstrip()] = unquoted(value.strip())
    return found


def unquoted(value: str) -> str:
    return "".join(shlex.split(value)) if value[:1] in ("'", '"') else value


if __name__ == "__main__":
    main(Layout(Path()), sys.argv[1:])
