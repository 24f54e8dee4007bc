"""What depends on how this copy of the service got here: the name of its command, and the place of its schema.

Every message names a command that works for its reader: sources and stored texts write "`scheduler list`", and whoever
shows them replaces it. Standard library only.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

STARTED_AS = "SCHEDULER_STARTED_AS"  #: the variable in which a wrapper or a parent process hands the name on
INSTALLED_IN = Path("/opt/celery-scheduler")
INSTALLED_COMMAND = "celery-scheduler"
SCHEMA = "schedules.schema.json"
MAIN = str(Path(__file__).with_name("__main__.py"))


def command_name() -> str:
    """``python3 -m scheduler``, ``.venv/bin/scheduler``, ``sudo celery-scheduler``: as its reader has to type it."""
    if is_installed():
        return as_root(INSTALLED_COMMAND)
    if given := os.environ.get(STARTED_AS):
        return given
    started = sys.argv[0]
    if started == MAIN:
        return f"{as_typed(sys.orig_argv[0])} -m scheduler"
    if Path(started).name == "scheduler":
        return as_typed(started)
    script = Path(sys.executable).with_name("scheduler")  # beside celery or gunicorn, which started this process
    is_clone = os.access(Path(__file__).parent.with_name("pyproject.toml"), os.R_OK)
    # Not `exists`, which raises where a directory above is closed to this user.
    return as_typed(str(script)) if os.access(script, os.X_OK) and not is_clone else "python3 -m scheduler"


def is_installed() -> bool:
    """Whether this is the service that ``install`` put on this machine."""
    return Path(sys.prefix).is_relative_to(INSTALLED_IN)


def schema_path() -> Path:
    """The JSON Schema of the schedule file, at a path that an upgrade does not change."""
    return INSTALLED_IN / SCHEMA if is_installed() else Path(__file__).with_name(SCHEMA)


def schema_comment() -> str:
    """The first line of a schedule file in this directory: editors find the schema by it."""
    path = schema_path()
    here = Path.cwd()
    place = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return f"# yaml-language-server: $schema={path.as_uri() if ' ' in place else place}"


def start_command(unit: str = "celery-beat", beats: str = "") -> str:
    """What starts this part of the service here; ``beats`` is the command of the beat that led last."""
    if is_installed() or is_of_installed(beats):
        return as_root(f"systemctl start {unit}")
    return f"{command_name()} up"


def restart_advice(unit: str, host: str, beats: str = "") -> str:
    """Where a part of the service that may hang logs, and how to start it again; ``unit`` may be a pattern."""
    if is_installed() or is_of_installed(beats):
        log = as_root(f"journalctl -u {shlex.quote(unit)}")
        if "*" in unit:  # a restart of all would interrupt those that are well
            return f"on {host}, see `{log}`, and if it hangs, restart its unit of `systemctl list-units '{unit}'`"
        return f"on {host}, see `{log}`, and if it hangs, `{as_root(f'systemctl restart {unit}')}`"
    return f"see what `{command_name()} up` prints on {host}, and start that again if it hangs"


def log_of(unit: str) -> str:
    """Where this part of the service logs, as the end of a sentence."""
    if is_installed():
        return f"see its log, `{as_root(f'journalctl -u {unit}')}`"
    return f"see what it prints in the terminal of `{command_name()} up`"


def as_root(command: str) -> str:
    """The command as its reader, who may not be root, has to type it: units and credentials are root's."""
    # The service's own processes speak to a person who logged in as anyone.
    is_root = os.geteuid() == 0 and "SUDO_USER" not in os.environ
    return command if is_root or shutil.which("sudo") is None else f"sudo {command}"


def is_of_installed(command: str) -> bool:
    """Whether this is the command of a service that ``install`` put on a machine."""
    return command.split()[-1:] == [INSTALLED_COMMAND]


def as_typed(program: str) -> str:
    """A program without its directory where a shell finds it, as a shell reads it."""
    name = Path(program).name
    return shlex.quote(name if shutil.which(name) == program else program)


def with_command_name(text: str, beats: str = "") -> str:
    """The text with "`scheduler …`" as its reader has to type it.

    ``beats`` is the command of the beat that wrote the text: beside an installed service, a clone's command would read
    the clone's own settings.
    """
    command = as_root(INSTALLED_COMMAND) if is_of_installed(beats) else command_name()
    return re.sub(r"`scheduler (?=\w)", lambda _: f"`{command} ", text)
