"""systemd, asked through ``systemctl``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduler.installation.layout import SERVICES, UNITS

RESTART_TIMEOUT_S = 120.0  #: how long to watch a restart; a worker may drain for 60 of these seconds
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
    def is_waiting(self) -> bool:
        """Whether the service started, and waits for Redis."""
        return self.sentence.startswith(WAITING)

    @property
    def is_settled(self) -> bool:
        """Whether no change is expected soon. In the middle of a restart a service is inactive, and has a job."""
        return self.is_failing or self.is_waiting or (not self.job and self.active in ("active", "inactive"))


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


def restart(names: Iterable[str]) -> None:
    """Restart the services in this order, without waiting. Beat comes first: it hands over."""
    for name in names:
        systemctl("--no-block", "restart", f"{name}.service")


def running() -> list[str]:
    """Our running services, and instances of them that the operator created."""
    listed = systemctl(
        "list-units", "--plain", "--no-legend", "--state=active,activating,reloading", "celery-*.service"
    )
    names = [line.split()[0].removesuffix(".service") for line in listed.splitlines()]
    return [name for name in names if name.split("@")[0] in SERVICES]


def state(name: str) -> State:
    """The service's state as systemd reports it now."""
    properties = "--property=ActiveState,StatusText,MainPID,NRestarts,Job"
    values = dict(line.split("=", 1) for line in systemctl("show", properties, f"{name}.service").splitlines())
    number = int(values["NRestarts"])
    return State(name, values["ActiveState"], values["StatusText"], values["MainPID"], number, values.get("Job", ""))


def states(names: Iterable[str]) -> Iterator[State]:
    return map(state, names)


def settled(names: Iterable[str], pids: Iterable[str] = (), timeout_s: float = RESTART_TIMEOUT_S) -> Iterator[State]:
    """Each service's state, once none of these processes runs it and no change is expected."""
    deadline, old = time.monotonic() + timeout_s, set(pids) - {NO_PROCESS}
    for name in names:
        now = state(name)
        while (now.pid in old or not now.is_settled) and time.monotonic() < deadline:
            time.sleep(0.2)
            now = state(name)
        yield now


def last_log_lines(name: str, lines: int = 8) -> str:
    """The newest lines in the journal of the service itself."""
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={lines}"]
    done = subprocess.run([*command, f"_SYSTEMD_UNIT={name}.service"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
