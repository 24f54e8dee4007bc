"""Both sides of bench/units.py on one booted host: Celery's own units with stock RedBeat, and this service's."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from scheduler.checkout.index import PIP_WHEEL, fetch_pip
from tests.support.polling import until
from tests.systemd.host import Host
from tests.systemd.image import made

CELERY = "5.7.0"
BIN = "/opt/celery-scheduler/venv/bin/celery"  #: one virtual environment for both
JOBS = """\
import os, time
from celery import shared_task

HERE = os.environ.get("STATE_DIRECTORY", "/var/lib/stock") + "/"

def note(name):
    with open(HERE + name, "a") as file:
        file.write(f"{time.time()} {os.getpid()}\\n")
    return len(open(HERE + name).readlines())

@shared_task(name="jobs.tick")
def tick():
    note("ticks")

@shared_task(name="jobs.long")
def long():
    if note("began") == 1:
        time.sleep(60)
    note("ended")
"""
STOCK_APP = """
from celery import Celery
app = Celery("proj", broker="redis://localhost:6379/0", backend="redis://localhost:6379/0")
app.conf.beat_scheduler = "redbeat.RedBeatScheduler"
app.conf.redbeat_redis_url = "redis://localhost:6379/0"
app.conf.beat_schedule = {"tick": {"task": "jobs.tick", "schedule": 1.0}}
"""
OUR_FILE = """\
imports: [jobs]
schedules:
  tick: {task: jobs.tick, every: 1s, catch_up: none}
  long: {task: jobs.long, every: 1d, on_lost: rerun}
"""
STOP = 10  #: seconds that a stop leaves to a task, on both sides


@dataclass(frozen=True)
class Units:
    """One side of the comparison."""

    beat: str
    worker: str
    beat_pid: str
    state: str  #: where its tasks take notes
    module: str  #: the file of its tasks
    send: str  #: the command that sends the long task


STOCK = Units(
    "celerybeat",
    "celery",
    "/run/celery/beat.pid",
    "/var/lib/stock",
    "/opt/celery/proj.py",
    f"env -C /opt/celery {BIN} -A proj call jobs.long",
)
OURS = Units(
    "celery-beat",
    "celery-worker",
    "/run/celery-beat/beat.pid",
    "/var/lib/celery-worker",
    "/etc/celery-scheduler/jobs.py",
    "celery-scheduler run long",
)


class Side:
    """The units on the host, and how long they need."""

    def __init__(self, host: Host, units: Units, cap: float) -> None:
        self.host, self.units, self.cap = host, units, cap
        self.asked = 0.0  #: when the worker was disturbed

    def clear(self) -> None:
        """Nothing runs, and nothing is left of what ran."""
        for units in (STOCK, OURS):
            for unit in (units.beat, units.worker):
                self.host.shell(f"systemctl kill --signal=KILL {unit}; systemctl stop {unit}", check=False)
            self.host.shell(f"rm -f {units.beat_pid} /run/celery/*.pid {units.state}/*", check=False)
        self.host.run("systemctl", "reset-failed")
        self.host.run("systemctl", "start", "redis-server")
        self.host.run("redis-cli", "flushall")

    def start(self) -> None:
        self.host.run("systemctl", "start", self.units.worker, self.units.beat)
        assert self.runs_after(0.0, 60) is not None, self.host.journal(self.units.beat)

    def notes(self, name: str) -> list[list[str]]:
        text = self.host.shell(f"cat {self.units.state}/{name}", check=False)
        return [line.split() for line in text.splitlines()]

    def now(self) -> float:
        return float(self.host.run("date", "+%s.%N"))

    def runs_after(self, instant: float, seconds: float) -> float | None:
        """Seconds from then until a schedule ran; None for too long."""

        def ran() -> float | None:
            return next((at for at in (float(line[0]) for line in self.notes("ticks")) if at > instant), None)

        try:
            return until(ran, seconds, "it ran") - instant
        except AssertionError:
            return None

    def recovery(self, cap: float = 0.0) -> str:
        """When schedules run again; a second is left to what was on its way."""
        cap, instant = cap or self.cap, self.now()
        took = self.runs_after(instant + 1, cap)
        return f"> {cap:g} s ({self.why()})" if took is None else f"{took + 1:.1f} s"

    def why(self) -> str:
        state = [self.host.show(self.units.beat, name) for name in ("ActiveState", "Result")]
        remaining = self.host.run("redis-cli", "ttl", "redbeat::lock")
        return f"failed: {state[1]}" if state[0] == "failed" else f"{state[0]}, lock TTL {remaining} s"

    def kill(self, how: str) -> None:
        self.host.shell(f"kill -{how} $(cat {self.units.beat_pid})")

    def begin_long(self) -> str:
        """Start the long task; returns the process id of its child."""
        self.host.shell(self.units.send)
        return until(lambda: self.notes("began"), 20, "the task began")[0][1]

    def again(self) -> str:
        try:
            until(lambda: self.notes("ended"), self.cap, "it ended")
        except AssertionError:
            return "lost"
        began = [float(line[0]) for line in self.notes("began")]
        return "done" if len(began) == 1 else f"run again after {began[1] - self.asked:.1f} s"


def prepare(host: Host) -> None:
    """Both sides are installed; nothing runs."""
    host.run("systemctl", "is-system-running", "--wait", check=False)
    host.write("/etc/celery-scheduler/schedules.yaml", OUR_FILE)
    host.write(OURS.module, JOBS)
    host.write(STOCK.module, STOCK_APP + JOBS)
    source = made(f"celery-{CELERY}", CELERY, fetch) / f"celery-{CELERY}/extra/systemd"
    for unit in ("celery.service", "celerybeat.service"):
        host.write(f"/etc/systemd/system/{unit}", (source / unit).read_text())
    host.write("/etc/tmpfiles.d/celery.conf", (source / "celery.tmpfiles").read_text())
    conf = (source / "celery.conf").read_text().replace("/usr/bin/celery", BIN).replace("# CELERYBEAT", "CELERYBEAT")
    host.write("/etc/conf.d/celery", conf)
    host.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/celery.conf")
    host.run("install", "-d", "-o", "celery", STOCK.state)
    host.write("/etc/systemd/system/celery.service.d/stop.conf", f"[Service]\nTimeoutStopSec={STOP}\n")
    host.shell(f"echo SCHEDULER_DRAIN={STOP} >> /etc/celery-scheduler/environment")
    host.run("systemctl", "daemon-reload")


def fetch(target: Path) -> None:
    """Celery's source package, unpacked."""
    (target / PIP_WHEEL).write_bytes(fetch_pip())
    command = [sys.executable, str(target / PIP_WHEEL / "pip"), "download", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-binary=:all:", f"--dest={target}", f"celery=={CELERY}"], check=True)
    with tarfile.open(target / f"celery-{CELERY}.tar.gz") as archive:
        archive.extractall(target, filter="data")
