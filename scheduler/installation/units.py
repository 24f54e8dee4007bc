"""systemd, asked through ``systemctl``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduler.installation.layout import SERVICES, UNITS

PATIENCE = 120.0  #: seconds that a restart is watched; a worker may drain for 60 of them
WAITS = "waiting for Redis"  #: how the sentence of a process begins that is well but cannot work yet

NO_PROCESS = "0"  #: as MainPID, of what does not run


@dataclass(frozen=True)
class State:
    """How a service does, as ``systemctl show`` tells it."""

    name: str
    active: str
    sentence: str
    pid: str
    restarts: int

    @property
    def is_failing(self) -> bool:
        """systemd has given it up, or starts it again and again; one that runs may have been restarted long ago."""
        return self.active == "failed" or (self.active != "active" and self.restarts > 1)

    @property
    def is_waiting(self) -> bool:
        return self.sentence.startswith(WAITS)

    @property
    def is_settled(self) -> bool:
        """Nothing more is to be expected from it soon."""
        return self.is_failing or self.is_waiting or self.active in ("active", "inactive")


def systemctl(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise OSError(None, done.stderr.strip() or f"ended with {done.returncode}", f"systemctl {' '.join(arguments)}")
    return done.stdout.strip()


def is_booted() -> bool:
    """Whether systemd runs this machine: in a chroot or an image build nothing can be started."""
    return Path("/run/systemd/system").is_dir()


def enable(names: Iterable[str] = UNITS) -> None:
    """For every boot from now on; one that is masked stays so."""
    for name in names:
        if systemctl("is-enabled", name, check=False) != "masked":
            systemctl("--quiet", "enable", name)


def start() -> None:
    """All that is enabled, without waiting for it."""
    wanted = [name for name in UNITS if systemctl("is-enabled", name, check=False) in ("enabled", "static")]
    systemctl("--no-block", "start", *wanted)


def restart(names: Iterable[str]) -> None:
    """Beat first, which hands over; each lets go of what it has before it ends."""
    for name in names:
        systemctl("--no-block", "restart", f"{name}.service")


def running() -> list[str]:
    """Our services that run, and instances of them that the operator made."""
    listed = systemctl(
        "list-units", "--plain", "--no-legend", "--state=active,activating,reloading", "celery-*.service"
    )
    names = [line.split()[0].removesuffix(".service") for line in listed.splitlines()]
    return [name for name in names if name.split("@")[0] in SERVICES]


def state(name: str) -> State:
    asked = "--property=ActiveState,StatusText,MainPID,NRestarts"
    found = dict(line.split("=", 1) for line in systemctl("show", asked, f"{name}.service").splitlines())
    return State(name, found["ActiveState"], found["StatusText"], found["MainPID"], int(found["NRestarts"]))


def states(names: Iterable[str]) -> Iterator[State]:
    return map(state, names)


def settled(names: Iterable[str], pids: Iterable[str] = (), patience: float = PATIENCE) -> Iterator[State]:
    """Each service's state, once it is not of these processes any more and no change is to be expected."""
    deadline, old = time.monotonic() + patience, set(pids) - {NO_PROCESS}
    for name in names:
        found = state(name)
        while (found.pid in old or not found.is_settled) and time.monotonic() < deadline:
            time.sleep(0.2)
            found = state(name)
        yield found


def last_words(name: str, lines: int = 8) -> str:
    """What the journal has of the service itself."""
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={lines}"]
    done = subprocess.run([*command, f"_SYSTEMD_UNIT={name}.service"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
