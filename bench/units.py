"""Celery's own systemd units with stock RedBeat, and this service's, through the same failures on one booted host.

``python bench/units.py [--cap 60] [--only WORD]``, as root, prints a Markdown table. It takes debootstrap and
systemd-container, as tests/systemd does. Celery's units are those of its source package, installed as its manual says.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scheduler.checkout.environment import PIP_WHEEL, fetch_pip
from tests.support import need
from tests.support.polling import until
from tests.systemd.host import Host, host
from tests.systemd.image import NEEDS, layers, made

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


def killed(side: Side) -> str:
    side.start()
    side.kill("KILL")
    return side.recovery()


def hung_up(side: Side) -> str:
    side.start()
    side.kill("HUP")
    return side.recovery()


def frozen(side: Side) -> str:
    side.start()
    side.kill("STOP")
    return side.recovery(max(side.cap, 100.0))


def redis_stopped(side: Side) -> str:
    side.start()
    side.host.run("systemctl", "stop", "redis-server")
    time.sleep(20)
    side.host.run("systemctl", "start", "redis-server")
    return side.recovery()


def redis_late(side: Side) -> str:
    side.host.run("systemctl", "stop", "redis-server")
    side.host.run("systemctl", "start", "--no-block", side.units.worker, side.units.beat)
    time.sleep(20)
    side.host.run("systemctl", "start", "redis-server")
    return side.recovery()


def stopped_in_a_task(side: Side) -> str:
    side.start()
    side.begin_long()
    side.asked = side.now()
    side.host.run("systemctl", "restart", side.units.worker, seconds=120)
    took = side.now() - side.asked
    return f"{side.again()} (the restart took {took:.0f} s)"


def child_killed(side: Side) -> str:
    side.start()
    child = side.begin_long()
    side.asked = side.now()
    side.host.run("kill", "-KILL", child)
    return side.again()


def stale_pidfile(side: Side) -> str:
    side.host.run("systemd-run", "--unit=other", "--property=User=celery", "sleep", "600")
    pidfile = Path(side.units.beat_pid)
    side.host.shell(f"install -d -o celery {pidfile.parent}; systemctl show --value -p MainPID other > {pidfile}")
    side.host.run("systemctl", "start", "--no-block", side.units.worker, side.units.beat)
    said = side.recovery()
    side.host.run("systemctl", "stop", "other")
    return said


def broken_import(side: Side) -> str:
    good = side.host.run("cat", side.units.module)
    side.host.write(side.units.module, f"import nothing\n{good}\n")
    codes = [side.host.attempt("systemctl", "start", unit).returncode for unit in (side.units.beat, side.units.worker)]
    time.sleep(10)
    side.host.write(side.units.module, good + "\n")
    restarts = side.host.show(side.units.beat, "NRestarts")
    return f"`start` returns {codes[0]} (beat), {codes[1]} (worker); {restarts} restarts"


def exposure(side: Side) -> str:
    def score(unit: str) -> str:
        told = side.host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service").splitlines()[-1]
        return told.split(":")[1].split()[0]

    return f"beat {score(side.units.beat)}, worker {score(side.units.worker)}"


EXPERIMENTS: dict[str, Callable[[Side], str]] = {
    "`kill -9` of beat: runs again after": killed,
    "SIGHUP to beat: runs again after": hung_up,
    "beat hangs (SIGSTOP): runs again after": frozen,
    "Redis stopped for 20 s: runs again, from its return, after": redis_stopped,
    "Redis started 20 s after beat and worker: first run, from there, after": redis_late,
    "pidfile names a live process of the same user: first run after": stale_pidfile,
    f"worker restarted in a task of 60 s, {STOP} s to stop: the task is": stopped_in_a_task,
    "`kill -9` of a pool's process in a task: the task is": child_killed,
    "a module that cannot be imported": broken_import,
    "`systemd-analyze security`, 0 best, 10 worst": exposure,
}


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cap", type=float, default=60.0, help="seconds after which nothing more is waited for")
    parser.add_argument("--only", default="", help="the experiments whose name has this word")
    arguments = parser.parse_args()
    if remedies := need.root_lacks(*NEEDS):
        raise SystemExit(f"units.py: {'; '.join(remedies)}")
    with tempfile.TemporaryDirectory(prefix="units-") as directory:
        Path(directory).chmod(0o755)
        with host(layers(Path(directory))) as booted:
            prepare(booted)
            print("| experiment | Celery's units, RedBeat | this service |\n|---|---|---|", flush=True)
            for name, experiment in EXPERIMENTS.items():
                if arguments.only not in name:
                    continue
                cells = []
                for units in (STOCK, OURS):
                    side = Side(booted, units, arguments.cap)
                    side.clear()
                    cells.append(experiment(side))
                print(f"| {name} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
