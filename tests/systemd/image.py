"""A minimal Debian with systemd and Redis, and the package of this checkout; what costs time is kept outside of it."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from scheduler.checkout.index import PIP_WHEEL
from scheduler.installation.release import LOCK
from systemd.deb import build
from tests.support import need

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "celery-scheduler-tests"
RELEASE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "systemd,systemd-sysv,dbus,python3,redis-server,procps,libfaketime"
NEEDS = ("debootstrap", "systemd-nspawn", "nsenter", "setpriv", "unshare", "ip")
#: Mounts that end with the command, also if it is killed: debootstrap's would keep its half-made directory undeletable.
OWN_MOUNTS = ("unshare", "--mount", "--propagation=private")
#: As while an image is built: nothing runs there yet. What the tests start they start themselves.
INSTALL = """
set -e
mkdir "$DIRECTORY/work" "$DIRECTORY/root"
mount -t overlay overlay -o "lowerdir=$BELOW,upperdir=$ABOVE,workdir=$DIRECTORY/work" "$DIRECTORY/root"
exec systemd-nspawn --quiet --directory="$DIRECTORY/root" --register=no --keep-unit --private-network --pipe sh -ec \
    'dpkg --install /package.deb; systemctl --quiet disable celery.target celery-admin.socket'
"""


def layers(directory: Path) -> list[Path]:
    """What lies over each other in a host: what the package of this checkout puts there, and Debian."""
    below, above = debian(), directory / "installed"
    above.mkdir()
    shutil.copy(package(directory), above / "package.deb")
    command = [*OWN_MOUNTS, "sh", "-c", INSTALL]
    path = os.environ["PATH"]
    output(*command, environ={"PATH": path, "DIRECTORY": str(directory), "BELOW": str(below), "ABOVE": str(above)})
    return [above, below]


def debian() -> Path:
    """A minimal Debian, without the service."""
    need.root_and(*NEEDS)
    return made("debian", PACKAGES + RELEASE + inspect.getsource(debootstrap), debootstrap)


def package(directory: Path) -> Path:
    """The Debian package of this checkout, made there; for a host, so that only root needs it."""
    need.root_and(*NEEDS)
    architecture = output("dpkg", "--print-architecture").strip()
    key = (ROOT / LOCK).read_text() + architecture + PIP_WHEEL
    found = made("wheels", key, lambda new: build.wheels(new / "wheels", architecture))
    return build.build(directory, architecture, found / "wheels")


def made(name: str, key: str, make: Callable[[Path], object]) -> Path:
    """The directory of that name and key, made if there is none."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with (CACHE / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not path.exists():
            for left in CACHE.glob(f"{name}.*new"):
                shutil.rmtree(left, ignore_errors=True)
            # One of its own: where tests were killed, what they started may still write into theirs.
            new = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".new", dir=CACHE))
            new.chmod(0o755)
            make(new)
            new.rename(path)
    return path


def downloaded(directory: Path, *packages: str) -> None:
    """Packages of Debian that only one test needs."""
    subprocess.run(["apt-get", "--quiet", "download", *packages], cwd=directory, check=True, capture_output=True)


def output(*command: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def debootstrap(target: Path) -> None:
    output(*OWN_MOUNTS, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(target), MIRROR)
    for unit in ("redis-server.service", "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer"):
        for link in target.glob(f"etc/systemd/system/*.wants/{unit}"):
            link.unlink()
    (target / "etc/machine-id").write_text("")
    (target / "etc/hosts").write_text("127.0.0.1 localhost\n")
