"""How a reader starts the command line, so that every message names a command that works for that reader.

Sources and stored texts write "`scheduler list`"; whoever shows them replaces it. Standard library only.
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
MAIN = str(Path(__file__).with_name("__main__.py"))


def command_name() -> str:
    """``python3 -m scheduler``, ``.venv/bin/scheduler``, ``sudo celery-scheduler``: as its reader has to type it."""
    if Path(sys.prefix).is_relative_to(INSTALLED_IN):
        # Its credentials are root's. The service's own processes speak to a person who is not root.
        is_root = os.geteuid() == 0 and "SUDO_USER" not in os.environ
        return INSTALLED_COMMAND if is_root else f"sudo {INSTALLED_COMMAND}"
    if given := os.environ.get(STARTED_AS):
        return given
    started = sys.argv[0]
    if started == MAIN:
        return f"{as_typed(sys.orig_argv[0])} -m scheduler"
    if Path(started).name == "scheduler":
        return as_typed(started)
    script = Path(sys.executable).with_name("scheduler")  # beside celery or gunicorn, which started this process
    is_clone = Path(__file__).parent.with_name("pyproject.toml").exists()
    return as_typed(str(script)) if script.exists() and not is_clone else "python3 -m scheduler"


def start_command() -> str:
    """What starts beat here."""
    if Path(sys.prefix).is_relative_to(INSTALLED_IN):
        return "systemctl start celery-beat"
    return f"{command_name()} up"


def as_typed(program: str) -> str:
    """A program without its directory where a shell finds it, as a shell reads it."""
    name = Path(program).name
    return shlex.quote(name if shutil.which(name) == program else program)


def with_command_name(text: str) -> str:
    """The text with "`scheduler …`" as its reader has to type it."""
    return re.sub(r"`scheduler (?=\w)", lambda _: f"`{command_name()} ", text)
