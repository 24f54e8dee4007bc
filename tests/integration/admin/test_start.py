"""Starting the page: what it needs, and what it says when that is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.errors import Exit
from tests.integration.admin.conftest import HASH

ROOT = Path(__file__).resolve().parent.parent.parent.parent
GUNICORN = ["-m", "gunicorn", "--preload", "app:app", "--bind", "127.0.0.1:0", "--no-control-socket"]
ASK = ["-c", "import app; app.app"]
GOOD = {
    "SCHEDULER_REDIS_URL": "redis://localhost:1/0",
    "SCHEDULER_ADMIN_PASSWORD_HASH": HASH,
    "SCHEDULER_SECRET_KEY": "0123456789abcdef" * 4,
}


def python(arguments: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SCHEDULER_")}
    command = [sys.executable, "-W", "ignore", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=kept | environ, capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_it_needs_no_credentials_and_no_redis() -> None:
    done = python(["-c", "from app import create_app"], SCHEDULER_REDIS_URL="redis://localhost:1/0")
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_made_without_redis() -> None:
    done = python(["-c", "import app; print(app.app.name, app.app is app.app, app.create_app() is app.app)"], **GOOD)
    assert done.stdout.split() == ["scheduler.admin", "True", "False"], done.stderr


@pytest.mark.parametrize("how", [ASK, GUNICORN], ids=["python", "gunicorn"])
@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"SCHEDULER_ADMIN_PASSWORD_HASH": ""}, "no password is set for the admin page"),
        ({"SCHEDULER_SECRET_KEY": "short"}, "SCHEDULER_SECRET_KEY must be at least 32 random bytes"),
        ({"SCHEDULER_IMPORTS": "no.such.module"}, "cannot import 'no.such.module'"),
        ({"FLASK_DEBUG": "1"}, "FLASK_DEBUG is on"),
    ],
    ids=lambda found: "" if isinstance(found, str) else next(iter(found)),
)
def test_what_is_missing_is_told_in_one_line_and_a_restart_would_not_help(
    how: list[str], missing: dict[str, str], words: str
) -> None:
    done = python(how, **GOOD | missing)
    assert done.returncode == Exit.CONFIG
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert line.startswith("scheduler: ")
    assert words in line
