"""The service under attack: a Redis of its own, schedules, and as many beats and workers as a test starts and ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from scheduler import changes
from scheduler.model import Run, read_run_id
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import holder
from scheduler.storage.store import Store
from tests.chaos.processes import Launcher, Process
from tests.support.polling import until
from tests.support.redis_server import RedisServer

SHOWN = 8  #: processes whose logs are shown
UNFINISHED = ("queued", "running")
LEASE = 15.0  #: seconds; a dead beat's is ended by `bury`
SHORT_LEASE = 3.0  #: the same where a test waits for its end
RUN_LEASE = 3.0
FSYNC = {"everysec": ("--appendonly", "yes", "--appendfsync", "everysec")} | {
    "always": ("--appendonly", "yes", "--appendfsync", "always")
}


class Service:
    """Made by ``service``. All names of schedules begin with a letter of their own for each ``declare``."""

    def __init__(self, launcher: Launcher, directory: Path, fsync: str) -> None:
        self.launcher = launcher
        self.directory = directory
        self.redis = RedisServer(directory)
        self.redis_options = FSYNC[fsync]
        self.settings = Settings(
            redis_url=self.redis.url,
            file=directory / "schedules.yaml",
            state_dir=directory,
            lease=LEASE,
            run_lease=RUN_LEASE,
            max_interval=1.0,
            keep_runs=100_000,
        )
        self.keys = Keys()
        self.client = connect(self.settings, attempts=20)
        self.store = Store(self.client, self.keys)
        self.ledger = Ledger(self.client, self.keys, self.settings)
        self.bodies = directory / "bodies"
        self.bodies.touch()
        self.declared: dict[str, dict[str, Any]] = {}
        self.first: dict[str, datetime] = {}  #: the first due instant of each schedule
        self.processes: list[Process] = []

    @property
    def environ(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SCHEDULER_")},
            "PYTHONUNBUFFERED": "1",
            "SCHEDULER_REDIS_URL": self.redis.url,
            "SCHEDULER_FILE": str(self.settings.file),
            "SCHEDULER_STATE_DIR": str(self.directory),
            "SCHEDULER_IMPORTS": "tests.chaos.bodies",
            "SCHEDULER_LEASE": str(LEASE),
            "SCHEDULER_RUN_LEASE": str(RUN_LEASE),
            "SCHEDULER_MAX_INTERVAL": "1",
            "SCHEDULER_KEEP_RUNS": "100000",
            "CHAOS_BODIES": str(self.bodies),
        }

    # schedules

    def declare(self, count: int, prefix: str = "s", **fields: Any) -> None:
        """Put as many schedules into the file, where nothing is but for what dies: every due instant is to run."""
        own = {"task": "tests.chaos.bodies.note", "every": "1s", "overlap": "allow", "catch_up": "all", **fields}
        self.declared |= {f"{prefix}{number}": own for number in range(count)}
        self.settings.file.write_text(yaml.safe_dump({"schedules": self.declared}), encoding="utf-8")

    def load(self) -> None:
        """Load the file as `scheduler apply` does, and remember the first due instants."""
        changes.apply(self.store, changes.check(self.settings.file, None), by="test")
        self.first |= {name: entry.due for name, entry in self.store.all().items() if entry.due is not None}

    def load_one_due_soon(self, **fields: Any) -> None:
        """A schedule `s0` that is due in a moment, and then not for an hour."""
        soon = from_seconds(0.0)
        while self.first.get("s0") != soon:
            soon = from_seconds(int(time.time()) + 2)
            self.declare(1, every="1h", start=soon.isoformat(), **fields)
            self.load()

    def begins_with_its_ledger(self, name: str) -> None:
        """Wait for the first due instant in the ledger of a schedule that beat itself met first."""
        runs = until(lambda: self.ledger.runs(name, 1_000_000), 60, f"nothing is sent of {name}")
        self.first[name] = from_seconds(min(run.due for run in runs))

    # processes

    def start(self, name: str, *arguments: str, app: str = "scheduler.celeryapp", **more: str) -> Process:
        """Celery's program of that name, with more SCHEDULER_ variables, such as ``faults``."""
        number = sum(process.log.stem.startswith(name) for process in self.processes) + 1
        environ = self.environ | {f"SCHEDULER_{setting.upper()}": value for setting, value in more.items()}
        place = self.directory / f"{name}{number}"
        common = ["-A", app, name, "--loglevel=INFO", f"--pidfile={place}.pid"]
        started = Process(self.launcher, [*common, *arguments], environ, place.with_suffix(".log"))
        self.processes.append(started)
        return started

    def beat(self, **more: str) -> Process:
        return self.start("beat", **more)

    def worker(self, *arguments: str, **more: str) -> Process:
        """One that leaves out what the tests do not need and two cores do not like."""
        lean = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        return self.start("worker", *lean, *(arguments or ("--pool=solo",)), **more)

    def leads(self, beat: Process, seconds: float = 60) -> Process:
        """Wait until this beat leads."""

        def leading() -> bool:
            now = holder(self.client, self.keys)
            return now is not None and now.name.endswith(f":{beat.pid}")

        until(leading, seconds, f"{beat!r} does not lead")
        return beat

    def sends(self, seconds: float = 60) -> None:
        """Wait until the beat that leads has sent something."""
        before = self.client.zcard(self.keys.runs)
        until(lambda: self.client.zcard(self.keys.runs) > before, seconds, "nothing is sent")

    def bury(self) -> None:
        """Free the lock of a beat that is dead, as the end of its lease would; the lease has a test of its own."""
        self.client.delete(self.keys.lock)

    def finish(self, seconds: float = 1.0) -> None:
        """With a beat that lives: decide over all that fell due, and let every run end."""
        self.end(self.leads(self.beat()), seconds)

    def end(self, leader: Process, seconds: float = 1.0) -> None:
        """The same with the beat that leads."""
        self.goes_on(seconds)
        self.settles()
        leader.stop()
        self.drains()

    # what became of it

    def runs(self) -> list[Run]:
        """Every row of the ledger."""
        return [run for name in self.ledgers() for run in self.ledger.runs(name, 1_000_000)]

    def ledgers(self) -> list[str]:
        start = self.keys.ledger("")
        return [key.removeprefix(start) for key in self.client.scan_iter(f"{start}*", count=1000)]

    def unfinished(self) -> list[Run]:
        """The runs that have not ended yet."""
        return [run for run in self.runs() if run.outcome in UNFINISHED]

    def is_past(self, instant: datetime) -> bool:
        """Whether every due instant up to this one has been decided over; what is cheap to ask is asked first."""
        if self.client.zcount(self.keys.schedule, 0, instant.timestamp()):
            return False
        dues = [entry.due for entry in self.store.read(self.first)]
        return len(dues) == len(self.first) and all(due is None or due > instant for due in dues)

    def goes_on(self, seconds: float = 2.0, patience: float = 60) -> None:
        """Wait until what falls due in the next seconds has been decided over."""
        instant = from_seconds(time.time() + seconds)
        until(lambda: self.is_past(instant), patience, f"nothing is sent for what was due until {instant}")

    def open_runs(self, sent_by: float) -> int:
        """How many runs that were sent by then (epoch seconds) wait for a worker, or are with one."""
        queues = self.client.scan_iter(f"{self.keys.prefix}:sent:*")
        waiting = sum(int(self.client.zcount(queue, 0, sent_by)) for queue in queues)
        running = self.client.zrange(self.keys.leases, 0, -1)
        return waiting + sum(read_run_id(run_id)[1] <= sent_by for run_id in running)

    def settles(self) -> None:
        """Wait until all that was sent by now has ended, with the help of the beat that leads."""
        now = time.time()
        dwindles(lambda: self.open_runs(now))

    def drains(self) -> None:
        """Wait until every run has ended; what is cheap to ask is asked first."""
        dwindles(lambda: self.open_runs(float("inf")) or len(self.unfinished()))

    def show(self) -> None:
        """What is not over, and the end of every log."""
        amiss = [run for run in self.runs() if run.outcome != "succeeded"] if self.redis.answers() else "Redis is away"
        print(f"not succeeded: {amiss[:10]}")
        print(f"--- redis\n{self.redis.log[-2000:]}")
        for process in self.processes[-SHOWN:]:
            print(f"--- {process!r}\n{process.output[-4000:]}")


def dwindles(count: Callable[[], int], patience: float = 60) -> None:
    """Wait until nothing is left, for as long as it becomes less: a busy machine may take its time."""
    fewest, deadline = count(), time.monotonic() + patience
    while fewest:
        assert time.monotonic() < deadline, f"{fewest} runs never end"
        time.sleep(0.1)
        if (left := count()) < fewest:
            fewest, deadline = left, time.monotonic() + patience


@contextmanager
def service(launcher: Launcher, fsync: str = "everysec") -> Iterator[Service]:
    """A service of which nothing is left at the end; what its processes said is printed if the test fails."""
    directory = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))  # a socket's path must be short
    made = Service(launcher, directory, fsync)
    try:
        made.redis.start(*made.redis_options)
        yield made
    except BaseException:
        made.show()
        raise
    finally:
        for process in made.processes:
            process.kill_all()
        made.client.close()
        made.redis.kill()
        shutil.rmtree(directory, ignore_errors=True)
