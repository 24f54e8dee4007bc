"""The operator's files: schedules, environment and secrets; and the account. Created once, never changed."""

from __future__ import annotations

import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scheduler.command_name import INSTALLED_COMMAND, SCHEMA
from scheduler.installation.layout import Layout, Step

REDIS_URL = "redis://localhost:6379/0"  #: that of Debian's redis-server
HASH_PROGRAM = (
    "import sys; from werkzeug.security import generate_password_hash as hashed; print(hashed(sys.stdin.read()))"
)


def account_steps(layout: Layout) -> Iterator[Step]:
    """The user of all three processes: no password, no shell."""
    try:
        pwd.getpwnam(layout.user)
    except KeyError:
        command = ["systemd-sysusers", str(layout.files[layout.account])]
        yield Step(f"create the user {layout.user}", lambda: subprocess.run(command, check=True))


def steps(layout: Layout, python: Path) -> Iterator[Step]:
    """``python`` has the service's packages when the steps are taken."""
    shipped = {
        layout.configuration / "environment": layout.source / "systemd/environment",
        layout.rotation: layout.source / "systemd/celery.logrotate",
    }
    if not layout.schedules.exists():
        yield Step(f"write {layout.schedules}", lambda: copy_sample(layout))
    for target, source in shipped.items():
        if not target.exists():
            yield Step(f"write {target}", lambda target=target, source=source: copy(source, target))  # type: ignore[misc]
    secret_makers = {
        "redis-url": lambda: REDIS_URL,
        "secret-key": lambda: secrets.token_urlsafe(48),
        "metrics-token": lambda: secrets.token_urlsafe(32),
        "accounts": lambda: "# nobody yet: sudo celery-scheduler user add NAME",
    }
    for name, make in secret_makers.items():
        path = layout.credentials / name
        if not path.exists():
            yield Step(f"write {path}", lambda path=path, make=make: write_secret(path, make()))  # type: ignore[misc]
    hashed = layout.credentials / "admin-password-hash"
    if not hashed.exists():
        words = f"write a password for the page to {password_file(layout)}"
        yield Step(words, lambda: make_password(layout, hashed, python))


def password_file(layout: Layout) -> Path:
    """The password itself, for the person who installs; no unit reads it."""
    return layout.credentials / "admin-password"


def copy(source: Path, target: Path) -> None:
    """Copy a file, readable for every user, and make its directory."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def copy_sample(layout: Layout) -> None:
    """The sample of a clone, with the schema and the command of an installed service."""
    copy(layout.source / "schedules.yaml", layout.schedules)
    text = layout.schedules.read_text(encoding="utf-8")
    text = text.replace(f"$schema=scheduler/{SCHEMA}", f"$schema={layout.schema}")
    text = text.replace("python3 -m scheduler", f"sudo {INSTALLED_COMMAND}")
    layout.schedules.write_text(text, encoding="utf-8")


def write_secret(path: Path, text: str) -> None:
    """Write a file that only root can read, in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(f"{text}\n", encoding="utf-8")
    new.replace(path)


def make_password(layout: Layout, hashed: Path, python: Path) -> None:
    """Generate the page's password; ``python`` is one that has Werkzeug, which makes the hash."""
    password = secrets.token_urlsafe(16)
    done = subprocess.run([python, "-c", HASH_PROGRAM], input=password, capture_output=True, text=True, check=True)
    write_secret(password_file(layout), password)
    write_secret(hashed, done.stdout.strip())
