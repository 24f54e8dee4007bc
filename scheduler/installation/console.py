"""The command ``celery-scheduler`` of an installed service: runs the command line with the settings of the units."""

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
    """Replace this process by ``python -m scheduler`` with these arguments."""
    file = layout.configuration / "environment"
    try:
        given = read_environment(file.read_text(encoding="utf-8")) if file.exists() else {}
        given["CREDENTIALS_DIRECTORY"] = str(layout.credentials)
        list(layout.credentials.iterdir())
    except PermissionError as error:
        sys.stderr.write(f"scheduler: only root may read {error.filename}: run sudo celery-scheduler …\n")
        sys.exit(Exit.NO_PERMISSION)
    except FileNotFoundError:
        given = {}
    python = str(layout.venv / "bin/python")
    os.execve(python, [python, "-m", "scheduler", *arguments], environment(layout, given, os.environ))


def environment(layout: Layout, given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The variables of the units and of their file. Modules come from their directories, never from the current one."""
    units = {"SCHEDULER_FILE": str(layout.schedules), "SCHEDULER_STATE_DIR": "/var/lib/celery-beat"}
    path = [str(layout.configuration), *filter(None, [given.get("PYTHONPATH")])]
    return {**own, **units, **given, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def read_environment(text: str) -> dict[str, str]:
    """A file as systemd.exec(5) describes it for EnvironmentFile=."""
    variables = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";")):
            variables[name.rstrip()] = unquoted(value.strip())
    return variables


def unquoted(value: str) -> str:
    """A value of the file without its quotes, as systemd reads it."""
    return "".join(shlex.split(value)) if value[:1] in ("'", '"') else value


if __name__ == "__main__":
    main(Layout(Path()), sys.argv[1:])
