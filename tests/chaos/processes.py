"""Real processes that are killed, frozen and waited for; their end is seen by a descriptor, not after a time."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.alive import state
from tests.support.polling import until

LAUNCHER = Path(__file__).with_name("launcher.py")


class Launcher:
    """The process that forks all others."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self.popen = subprocess.Popen([sys.executable, str(LAUNCHER)], stdin=pipe, stdout=pipe, text=True)
        self._lock = threading.Lock()
        assert self._answer() == "ready"

    def start(self, arguments: list[str], environ: dict[str, str], log: Path) -> int:
        return int(self._ask(start=arguments, environ=environ, log=str(log)))

    def reap(self, pid: int) -> int:
        """The exit status of a process that ended, negative for a signal."""
        return int(self._ask(reap=pid))

    def close(self) -> None:
        with self.popen:
            pass

    def _ask(self, **what: Any) -> Any:
        assert self.popen.stdin is not None
        with self._lock:
            self.popen.stdin.write(json.dumps(what) + "\n")
            self.popen.stdin.flush()
            return self._answer()

    def _answer(self) -> Any:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, "the launcher ended"
        return json.loads(line)


class Process:
    """A beat or a worker."""

    def __init__(self, launcher: Launcher, arguments: list[str], environ: dict[str, str], log: Path) -> None:
        self.launcher = launcher
        self.log = log
        self.pid = launcher.start(arguments, environ, log)
        self.status: int | None = None
        self._descriptor = os.pidfd_open(self.pid)

    def __repr__(self) -> str:
        return f"{self.log.stem} ({self.pid})"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """To this process alone."""
        if self.status is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def ends(self, seconds: float = 60) -> int:
        """Its exit status, once it ended; negative for a signal."""
        if self.status is None:
            ready, _, _ = select.select([self._descriptor], [], [], seconds)
            assert ready, f"{self!r} did not end within {seconds:g} s"
            self.status = self.launcher.reap(self.pid)
            os.close(self._descriptor)
        return self.status

    def kill(self) -> None:
        """`kill -9`, and the proof that it is dead."""
        self.signal(signal.SIGKILL)
        self.ends()

    def kill_all(self) -> None:
        """The same with every process that it started, as the end of its machine does."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.ends()

    def stop(self) -> None:
        """As an operator stops it."""
        self.signal(signal.SIGTERM)
        assert self.ends() == 0, f"{self!r} ended with {self.status}"

    def freezes(self, seconds: float = 60) -> None:
        """Wait until it is stopped."""
        until(lambda: state(self.pid) == "T", seconds, f"{self!r} is not frozen")

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def says(self, pattern: str, seconds: float = 60) -> None:
        """Wait until its log says this."""

        def said() -> bool:
            found = re.search(pattern, self.output)
            assert found or state(self.pid) not in "Z?", f"{self!r} ended and never said {pattern!r}"
            return found is not None

        until(said, seconds, f"{self!r} never said {pattern!r}")

    def children(self) -> list[int]:
        """The processes that it started and that live."""
        return children(self.pid)


def children(pid: int) -> list[int]:
    """The processes that this one started and that live."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed if state(int(child)) not in "Z?"]


@contextmanager
def running_launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    try:
        yield launcher
    finally:
        launcher.close()
