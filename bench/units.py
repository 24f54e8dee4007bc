"""Celery's own systemd units with stock RedBeat, and this service's, through the same failures on one booted host.

``python bench/units.py [--cap 60] [--only WORD]``, as root, prints a Markdown table. It takes debootstrap and
systemd-container, as tests/systemd does. Celery's units are those of its source package, installed as its manual says.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.unit_sides import OURS, STOCK, STOP, Side, prepare
from tests.support import need
from tests.systemd.host import host
from tests.systemd.image import NEEDS, layers


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
