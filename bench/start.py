"""What a start of beat takes with many schedules: ``python -m bench.start [--schedules 100000] [--server PATH]``.

A beat process with a file of that many schedules, alone with an append-only Redis: its first start, a start with
nothing changed, and both with the schedules in a hundred included files. From the start of the process until it is
ready, which it tells as it tells systemd. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import redis

from bench.loading import text
from bench.senders import private_redis, redis_cpu
from bench.worker import ROOT
from scheduler.storage.client import Client
from scheduler.up.redis_server import find_server

FILES = 100  #: included ones
BEAT = (sys.executable, "-m", "celery", "-A", "scheduler.celeryapp", "beat", "-lWARNING")
LONGEST_S = 600.0


class Start(NamedTuple):
    """A beat that became ready: seconds, processor time of it and of Redis, and MB of memory."""

    wall: float
    cpu: float
    redis_cpu: float
    most: float  #: until it was ready
    after: float  #: half a minute later


def write_files(directory: Path, count: int, *, is_split: bool) -> None:
    """One file with all schedules, or one that includes them."""
    written = text(count).replace("reports.build", "scheduler.tasks.log_it")
    written = written.replace("    kwargs: {format: pdf}\n", "").replace("args: [", "args: [1, ")
    head, body = written.split("schedules:\n")
    if not is_split:
        (directory / "schedules.yaml").write_text(written)
        return
    (directory / "schedules.yaml").write_text(f"{head}include: schedules.d/*.yaml\nschedules: {{}}\n")
    (directory / "schedules.d").mkdir()
    lines = body.splitlines(keepends=True)
    share = -(-count // FILES) * (len(lines) // count)
    for number in range(FILES):
        part = "".join(lines[number * share : (number + 1) * share])
        (directory / f"schedules.d/{number:03}.yaml").write_text(f"schedules:\n{part or '  {}'}\n")


@contextmanager
def beat(url: str, directory: Path, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    places = {"SCHEDULER_REDIS_URL": url, "SCHEDULER_STATE_DIR": str(directory), "NOTIFY_SOCKET": str(said)}
    environ = {**os.environ, **places, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(BEAT, cwd=directory, env=environ, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def measure(url: str, directory: Path, count: int, rest: float) -> Start:
    """One start, until all schedules are stored and beat says that it is ready."""
    client, said = redis.Redis.from_url(url), directory / "notify"
    served, began = redis_cpu(client), time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        said.unlink(missing_ok=True)
        door.bind(str(said))
        door.settimeout(LONGEST_S)
        with beat(url, directory, said) as process:
            while b"READY=1" not in door.recv(4096):
                continue
            wall, most, used = time.monotonic() - began, memory(process.pid, "VmHWM"), own_cpu(process.pid)
            served = redis_cpu(client) - served
            check(client, count)
            listen(door, rest)
            return Start(wall, used, served, most, memory(process.pid, "VmRSS"))


def listen(door: socket.socket, seconds: float) -> None:
    """Read what beat tells for so long: it waits for a reader that does not."""
    end = time.monotonic() + seconds
    with suppress(TimeoutError):
        while (left := end - time.monotonic()) > 0:
            door.settimeout(left)
            door.recv(4096)


def check(client: Client, count: int) -> None:
    stored, facts = client.zcard("redbeat::schedule"), client.hgetall("redbeat::file")
    assert stored == count, f"{stored} of {count} schedules are stored: {facts}"


def memory(pid: int, key: str) -> float:
    """MB of a process, as the kernel counts them."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024 / 1e6


def own_cpu(pid: int) -> float:
    """Seconds of processor time of a process and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--rest", type=float, default=30.0, help="seconds until the memory is read again")
    parser.add_argument("--server", default=find_server(Path()))
    chosen = parser.parse_args()
    count = chosen.schedules
    print(f"{count:,} schedules\n")
    print(f"| start | s | CPU s, beat | CPU s, Redis | MB, most | MB, {chosen.rest:.0f} s later |")
    print("|---|---|---|---|---|---|")
    for is_split, name in ((False, "one file"), (True, f"{FILES} included files")):
        with private_redis(chosen.server) as url, tempfile.TemporaryDirectory(prefix="bench-") as place:
            write_files(Path(place), count, is_split=is_split)
            for kind in ("first", "unchanged"):
                one = measure(url, Path(place), count, chosen.rest)
                cells = f"{one.wall:.1f} | {one.cpu:.1f} | {one.redis_cpu:.1f} | {one.most:.0f} | {one.after:.0f}"
                print(f"| {name}, {kind} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
