"""The command line as a person uses it: what was printed where, and the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scheduler import cli
from scheduler.settings import Settings
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store, Write
from tests.support.schedules import declared, entry_of

ROOT = Path(cli.__file__).resolve().parent.parent.parent
JOB = "job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}"


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs commands in this process; only `run` needs one of its own, because it is Celery that sends."""

    def __init__(self, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        self.capsys.readouterr()
        code = cli.main(arguments)
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return Said(int(code), said.out, said.err)

    def apart(self, *arguments: str, **environ: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "scheduler", *arguments],
            cwd=ROOT,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return Said(done.returncode, done.stdout, done.stderr)

    def file(self, *schedules: str) -> None:
        self.settings.file.write_text(f"schedules: {{{', '.join(schedules)}}}\n")


def add(store: Store, name: str = "job", **fields: Any) -> None:
    fields = {"task": "scheduler.tasks.log_it", "args": [1, 2], "every": "1h"} | fields
    wanted = declared(name, **fields)
    store.write([Write(name, None, entry_of(wanted, "admin", now=from_seconds(time.time())))])
