"""systemd, asked through ``systemctl``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduler.installation.layout import ACCOUNT_WORKER, UNITS

START_TIMEOUT_S = 120.0  #: how long a service may take to do its work, from the end of its old process
#: What the status of each service has while it does its work; that of the page has nothing of the kind.
WORKS = {
    "celery-beat": ("leader since", "standby: "),
    "celery-worker": ("takes runs",),
    ACCOUNT_WORKER: ("takes runs",),
    "celery-admin": ("",),
}
WAITING = "waiting for Redis"  #: how the status of a process begins that is healthy but cannot work yet

NO_PROCESS = "0"  #: MainPID of a unit that does not run


@dataclass(frozen=True)
class State:
    """The state of a service, from ``systemctl show``."""

    name: str
    active: str
    sentence: str
    pid: str
    restarts: int
    job: str  #: what systemd has still to do with it; nothing where that is done

    @property
    def is_failing(self) -> bool:
        """systemd gave up on it, or keeps restarting it. A running one may have been restarted long ago."""
        return self.active == "failed" or (self.active != "active" and self.restarts > 1)

    @property
    def is_working(self) -> bool:
        """Whether the service does its work: a beat leads or is a standby, a worker takes runs, the page is active."""
        says = any(part in self.sentence for part in WORKS[self.name.split("@")[0]])
        return self.active == "active" and not self.job and says and not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether the service started, and waits for Redis."""
        return self.sentence.startswith(WAITING)

    @property
    def is_settled(self) -> bool:
        """Whether no change is expected soon. In the middle of a restart a service is inactive, and has a job."""
        is_stopped = not self.job and self.active == "inactive"
        return self.is_failing or self.is_waiting or self.is_working or is_stopped


def systemctl(*arguments: str, check: bool = True) -> str:
    """Its output; raises OSError with what it said if it failed, unless ``check`` is False."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise OSError(None, done.stderr.strip() or f"ended with {done.returncode}", f"systemctl {' '.join(arguments)}")
    return done.stdout.strip()


def is_booted() -> bool:
    """Whether systemd runs this machine; in a chroot or an image build it does not."""
    return Path("/run/systemd/system").is_dir()


def enable(names: Iterable[str] = UNITS) -> None:
    """Enable the units for every boot; leave masked ones masked."""
    for name in names:
        if systemctl("is-enabled", name, check=False) != "masked":
            systemctl("--quiet", "enable", name)


def start() -> None:
    """Start every enabled unit, without waiting."""
    wanted = [name for name in UNITS if systemctl("is-enabled", name, check=False) in ("enabled", "static")]
    systemctl("--no-block", "start", *wanted)


def check_loaded(names: Iterable[str]) -> None:
    """Raise OSError for a unit that systemd cannot load: a restart would stop it and start nothing."""
    for name in names:
        values = shown(name, "LoadState,LoadError")
        if values["LoadState"] not in ("loaded", "masked"):
            reason = values.get("LoadError", "").partition(" ")[2].strip('"') or values["LoadState"]
            raise OSError(None, f"systemd cannot load it: {reason}", name)


def restart(names: Iterable[str]) -> None:
    """Restart the services in this order, without waiting. Beat comes first: it hands over.

    systemd first forgets earlier failures: it would count the restarts of a release that failed against the next one.
    """
    for name in names:
        systemctl("reset-failed", f"{name}.service", check=False)
        systemctl("--no-block", "restart", f"{name}.service")


def running() -> list[str]:
    """Our services that run or failed, and instances of them that the operator created; none that was stopped."""
    wanted = "--state=active,activating,reloading,failed"
    listed = systemctl("list-units", "--plain", "--no-legend", wanted, "celery-*.service")
    names = [line.split()[0].removesuffix(".service") for line in listed.splitlines()]
    return [name for name in names if name.split("@")[0] in WORKS]


def shown(unit: str, properties: str) -> dict[str, str]:
    """These properties of a unit, separated by commas; some are left out where they are empty."""
    lines = systemctl("show", f"--property={properties}", unit).splitlines()
    return dict(line.split("=", 1) for line in lines)


def state(name: str) -> State:
    """The service's state as systemd reports it now."""
    values = shown(f"{name}.service", "ActiveState,StatusText,MainPID,NRestarts,Job")
    number = int(values["NRestarts"])
    return State(name, values["ActiveState"], values["StatusText"], values["MainPID"], number, values.get("Job", ""))


def states(names: Iterable[str]) -> Iterator[State]:
    return map(state, names)


def settled(names: Iterable[str], pids: Iterable[str] = (), timeout_s: float = START_TIMEOUT_S) -> Iterator[State]:
    """Each service's state, once none of these processes runs it and no change is expected."""
    old = set(pids) - {NO_PROCESS}
    for name in names:
        yield settle(name, old, timeout_s)


def settle(name: str, old: Container[str], timeout_s: float) -> State:
    """The same for one service. systemd itself limits how long its old process may take to end."""
    begin = time.monotonic()
    while True:
        now = state(name)
        if now.pid in old and now.job:
            begin = time.monotonic()
        if (now.pid not in old and now.is_settled) or time.monotonic() - begin > timeout_s:
            return now
        time.sleep(0.2)


def last_log_lines(name: str, lines: int = 8) -> str:
    """The newest lines in the journal of the service itself."""
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={lines}"]
    done = subprocess.run([*command, f"_SYSTEMD_UNIT={name}.service"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
