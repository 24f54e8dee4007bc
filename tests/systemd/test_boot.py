"""The host loses power or is booted anew, and nobody types anything."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import need
from tests.support.polling import until
from tests.systemd.accounts import bodies, reckon, rows, settles
from tests.systemd.conftest import ticks
from tests.systemd.host import Host, at_leisure, groups
from tests.systemd.image import NEEDS, ROOT
from tests.systemd.test_work import begin, ends, naps

ENABLED = ("redis-server", "celery.target")
STOPPED = ("Stopped celery-beat.service", "Stopped celery-worker.service")


@pytest.fixture
def host(host: Host) -> Iterator[Host]:
    """What runs is started at each boot, and the journal outlives it."""
    host.run("systemctl", "enable", *ENABLED)
    host.shell("mkdir -p /var/log/journal && journalctl --flush")
    yield host
    if host.process is None:
        host.boot()
    host.run("systemctl", "disable", *ENABLED)


def runs_again(host: Host, since: float) -> float:
    """Seconds from that instant until the schedule ran again."""
    return until(lambda: next((tick for tick in ticks(host) if tick > since), None), 60, "it runs again") - since


def test_after_a_power_cut_it_goes_on_when_the_lease_is_over_and_accounts_for_every_due_instant(host: Host) -> None:
    host.run("systemctl", "start", "celery-beat", "celery-worker")
    runs_again(host, 0)
    host.power_cut()
    cut = time.time()
    host.boot()
    assert runs_again(host, cut) < at_leisure(6 + 10)  # the lease, and booting
    settles(host)
    assert reckon(rows(host), bodies([host]))["succeeded"]


def test_a_reboot_lets_a_task_end_and_stops_redis_last(host: Host) -> None:
    begin(host, "jobs.nap", 2)
    until(lambda: naps(host), 60, "it began")
    host.reboot()
    assert naps(host) == ["began", "ended"]
    ends(host, "succeeded", 30)
    said = host.run("journalctl", "--boot=-1", "--no-pager", "--output=cat", "_PID=1")
    assert all(said.rindex(line) < said.rindex("Stopping redis-server.service") for line in STOPPED), said[-3000:]


def test_a_reboot_hands_back_what_does_not_end_and_it_runs_again_after_it(host: Host) -> None:
    begin(host, "jobs.nap_once", 60)
    until(lambda: naps(host), 60, "it began")
    host.reboot()
    assert ends(host, "succeeded", 30)["attempt"] == 2
    assert naps(host) == ["began", "began", "ended"]


DIES = """
import os
from tests.systemd.host import host
from tests.systemd.image import debian
from tests.systemd.network import Network
with host([debian()], "brief", Network()) as booted:
    print(booted.directory, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_test_that_is_killed_leaves_nothing_of_its_hosts() -> None:
    need.root_and(*NEEDS)
    dead = subprocess.run([sys.executable, "-c", DIES], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    directory = Path(dead.stdout.strip())
    left = [directory, *(group / directory.name for group in groups())]
    until(lambda: not any(path.exists() for path in left), 60, f"{left} are gone")
    mine = [path for path in Path("/proc").glob("[0-9]*/environ") if environ_of(path).count(str(directory))]
    assert not mine


def environ_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
