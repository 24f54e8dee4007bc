"""The workers of accounts as which schedules run; an administrator enables each. Standard library only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from scheduler.installation import units
from scheduler.installation.layout import Layout

#: Run by the installed release, which can read the file; prints each account with the command that enables its worker.
NAMED = """
import json, sys
from pathlib import Path
from scheduler.model.accounts import enabling, unit_of
from scheduler.schedule_file import read
from scheduler.validate import validate
declared = validate(read(Path(sys.argv[1])), tasks=None).declared.values()
accounts = sorted({it.schedule.user for it in declared if it.schedule.user})
print(json.dumps([[name, unit_of(name), enabling(name)] for name in accounts]))
"""


def to_enable(layout: Layout) -> Iterator[str]:
    """A line for each account of the schedule file whose worker no boot would start; none for a wrong file."""
    command = [str(layout.venv / "bin/python"), "-P", "-c", NAMED, str(layout.schedules)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for account, unit, enabling in json.loads(done.stdout) if done.returncode == 0 else ():
        if units.systemctl("is-enabled", f"{unit}.service", check=False) not in ("enabled", "masked"):
            yield f"for the schedules with user: {account}, run: {enabling}"
