"""Beat and a worker as the systemd units start them, over a Redis of the test's choice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scheduler.model import Run
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.support.polling import until

ROOT = Path(__file__).resolve().parent.parent.parent
CELERY = [sys.executable, "-m", "celery", "-A", "scheduler.celeryapp"]


class Program:
    """One of our processes, its output in a file."""

    def __init__(self, name: str, directory: Path, environ: dict[str, str], *arguments: str, cwd: Path = ROOT) -> None:
        self.log = directory / f"{name}.log"
        pidfile = f"--pidfile={directory}/{name}.pid"
        with self.log.open("ab") as log:
            command = [*CELERY, name.rstrip("0123456789"), "--loglevel=INFO", pidfile, *arguments]
            self.popen = subprocess.Popen(command, cwd=cwd, env=environ, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def count(self, pattern: str) -> int:
        """How often the log says this so far."""
        return len(re.findall(pattern, self.output()))

    def says(self, pattern: str, seconds: float = 60, times: int = 1) -> None:
        """Wait until the log says this so often."""

        def said() -> bool:
            if self.popen.poll() is not None and self.count(pattern) < times:
                raise AssertionError(f"ended with {self.popen.returncode} and never said {pattern!r}:\n{self.output()}")
            return self.count(pattern) >= times

        try:
            until(said, seconds, f"{pattern!r} {times} times")
        except AssertionError:
            print(self.output())
            raise

    def ends(self, seconds: float = 60) -> int:
        return self.popen.wait(seconds)

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 60) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(how)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
                raise AssertionError(f"did not stop:\n{self.output()}") from None


class Service:
    """Beat, a worker, and the ledger as the test sees it through a connection of its own."""

    def __init__(self, settings: Settings, **environ: str) -> None:
        self.settings = settings
        self.directory = settings.state_dir
        self.directory.mkdir(exist_ok=True)
        self.environ = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "SCHEDULER_REDIS_URL": settings.redis_url,
            "SCHEDULER_FILE": str(settings.file),
            "SCHEDULER_STATE_DIR": str(settings.state_dir),
            "SCHEDULER_LEASE": f"{settings.lease:g}",
            "SCHEDULER_MAX_INTERVAL": f"{settings.max_interval:g}",
            **environ,
        }
        self.programs: list[Program] = []
        self.cwd = ROOT  #: where they start

    def start(self, name: str, *arguments: str) -> Program:
        program = Program(name, self.directory, self.environ, *arguments, cwd=self.cwd)
        self.programs.append(program)
        return program

    def start_both(self) -> tuple[Program, Program]:
        """Beat and a worker, once both work."""
        beat, worker = self.start("beat"), self.start("worker", "--concurrency=2")
        beat.says("Leading: ")
        worker.says(r" ready\.")
        return beat, worker

    def runs(self, name: str) -> list[Run]:
        """A schedule's runs in the ledger, newest first."""
        with connect(self.settings) as client:
            return Ledger(client, Keys(self.settings.key_prefix), self.settings).runs(name, 1000)

    def succeeds_after(self, name: str, instant: float, seconds: float) -> Run:
        """The first run whose due instant is after this one (epoch seconds) and that succeeded; waited for."""

        def succeeded() -> Run | None:
            try:
                rows = self.runs(name)
            except AWAY:
                return None  # for the test as well
            found = [run for run in rows if run.due > instant and run.outcome == "succeeded"]
            return found[-1] if found else None

        try:
            return until(succeeded, seconds, f"a run of {name} that fell due after {instant} and succeeded")
        except BaseException:
            self.show()
            raise

    def show(self) -> None:
        for program in self.programs:
            print(f"--- {program.log.name}\n{program.output()}")


def short_leases(redis_url: str, directory: Path) -> Settings:
    """For tests that wait for the end of a lease: all files are in this directory."""
    file, state = directory / "schedules.yaml", directory / "state"
    return Settings(redis_url=redis_url, file=file, state_dir=state, lease=3, max_interval=1)


@contextmanager
def service(settings: Settings, **environ: str) -> Iterator[Service]:
    """The service; nothing of it is left at the end."""
    made = Service(settings, **environ)
    try:
        yield made
    except BaseException:
        made.show()
        raise
    finally:
        for program in made.programs:
            program.stop(signal.SIGKILL)
