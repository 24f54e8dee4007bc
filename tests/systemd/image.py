"""A minimal Debian with systemd, Redis and the service's dependencies, made once and kept outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.bootstrap import RUN_LOCK, Environment

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "celery-scheduler-tests"
RELEASE, PYTHON = "bookworm", "3.11"
PACKAGES = "systemd,systemd-sysv,dbus,python3,redis-server,procps"
HOME = Path("opt/celery-scheduler")
NEEDS = ("debootstrap", "systemd-nspawn", "nsenter", "setpriv", "unshare", "ip")


def why_not() -> str:
    """Why no host can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "only root boots a host"
    missing = [name for name in NEEDS if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    return (
        f"not installed: {', '.join(missing)} (apt-get install debootstrap systemd-container iproute2)"
        if missing
        else ""
    )


def layers() -> list[Path]:
    """The directories that lie over each other in a host: the service's dependencies, and Debian."""
    if why := why_not():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return [made("packages", packages_key(), install), made("debian", PACKAGES + RELEASE, debootstrap)]


def packages_key() -> str:
    return (ROOT / RUN_LOCK).read_text() + PYTHON


def made(name: str, key: str, make: object) -> Path:
    """The directory of that name and key, made if there is none."""
    assert callable(make)
    path = CACHE / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not path.exists():
        new = CACHE / f"{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        make(new)
        new.rename(path)
    return path


def run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def debootstrap(target: Path) -> None:
    mirror = "http://deb.debian.org/debian"
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(target), mirror)
    for unit in ("redis-server.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer"):
        for link in target.glob(f"etc/systemd/system/*.wants/{unit}"):
            link.unlink()
    (target / "etc/machine-id").write_text("")


def install(target: Path) -> None:
    """A virtual environment for Debian's Python, filled from the lock file by this Python's pip."""
    venv = target / HOME / "venv"
    packages = venv / f"lib/python{PYTHON}/site-packages"
    packages.mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin/python").symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for name, module in (("celery", "celery.__main__"), ("gunicorn", "gunicorn.app.wsgiapp")):
        script = venv / "bin" / name
        start = "main" if name == "celery" else "run"
        script.write_text(f"#!/{HOME}/venv/bin/python\nfrom {module} import {start}\n{start}()\n")
        script.chmod(0o755)
    lock = target / "lock"
    # Debian's Python is older than the one that runs the tests, and needs what this marker leaves out.
    lock.write_text((ROOT / RUN_LOCK).read_text().replace(" ; python_full_version < '3.11.3'", ""))
    wanted = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(lock)]
    where = ["--target", str(packages), "--python-version", PYTHON, "--quiet"]
    environment = Environment(ROOT, RUN_LOCK)
    run(sys.executable, *environment.pip(), "install", *where, *wanted)
    lock.unlink()
    run(sys.executable, "-m", "compileall", "-q", str(packages))
