"""One booted host for nearly all tests here, which therefore run in one process, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd import image
from tests.systemd.host import Host
from tests.systemd.host import host as booted_host

HERE = Path(__file__).parent
#: By what they start; each of these has its own hosts, so it goes on beside the one of all other tests.
GROUPS = {"test_hosts.py": "hosts", "test_bare_machine.py": "bare", "test_install.py": "install"}
UNITS = ("celery-admin", "celery-worker", "celery-beat")
SHORT = "SCHEDULER_DRAIN=4\nSCHEDULER_RUN_LEASE=4\nSCHEDULER_LEASE=6\nSCHEDULER_MAX_INTERVAL=2\n"
SHORT += "SCHEDULER_KEEP_RUNS=10000\n"  # every row is reckoned
SCHEDULES = """\
imports: [jobs]
schedules:
  tick: {task: jobs.tick, every: 1s, catch_up: none}
"""
#: A user's module, beside the schedule file.
JOBS = """\
import os, time
from celery import shared_task
from celery.utils.log import get_task_logger

HERE = "/var/lib/celery-worker/"

def note(name, text):
    with open(HERE + name, "a") as file:
        file.write(text + "\\n")

@shared_task(name="jobs.tick", bind=True)
def tick(self):
    note("ticks", f"{self.request.get('scheduler_run')} {time.time()}")

@shared_task(name="jobs.nap")
def nap(seconds):
    note("naps", "began")
    get_task_logger(__name__).warning("it naps")
    time.sleep(seconds)
    note("naps", "ended")

@shared_task(name="jobs.nap_once")
def nap_once(seconds):
    note("naps", "began")
    if open(HERE + "naps").read().count("began") == 1:
        time.sleep(seconds)
    note("naps", "ended")

@shared_task(name="jobs.die")
def die():
    note("deaths", "died")
    os.kill(os.getpid(), 9)

@shared_task(name="jobs.eat")
def eat():
    note("meals", "began")
    eaten = []
    for _ in range(50):
        eaten.append(b"x" * (20 << 20))
    os.kill(os.getpid(), 9)  # as the kernel does, where nothing limited it

@shared_task(name="jobs.mischief")
def mischief():
    found = []
    for path in ("/usr/x", "/etc/x", "/opt/celery-scheduler/x", "/etc/celery-scheduler/x", "/home/x", "/run/x"):
        try:
            open(path, "w")
            found.append(path)
        except OSError:
            pass
    secret = ("/etc/celery-scheduler/credentials/redis-url", "/etc/shadow")
    return found + [name for name in secret if os.access(name, os.R_OK)]
"""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker(pytest.mark.xdist_group(GROUPS.get(item.path.name, "systemd")))


@pytest.fixture(scope="session")
def layers() -> Iterator[list[Path]]:
    """What hosts lie on that have the service installed and nothing started."""
    with tempfile.TemporaryDirectory(prefix="installed-") as directory:
        Path(directory).chmod(0o755)
        yield image.layers(Path(directory))


@pytest.fixture(scope="session")
def machine(layers: list[Path]) -> Iterator[Host]:
    """The service is installed, nothing runs but Redis."""
    with booted_host(layers) as host:
        prepare(host)
        host.run("systemctl", "start", "redis-server")
        host.shell("redis-cli config set appendonly yes && redis-cli config rewrite")
        yield host


def prepare(host: Host, environment: str = SHORT) -> None:
    """What an administrator would set up, and times as short as the tests need them."""
    host.run("systemctl", "is-system-running", "--wait", check=False)
    host.write("/etc/celery-scheduler/jobs.py", JOBS)
    # What is shipped is judged by tests/unit/test_units.py.
    for unit in UNITS:
        host.write(f"/etc/systemd/system/{unit}.service.d/test.conf", "[Service]\nWatchdogSec=10\nRestartSec=1\n")
    host.write("/etc/celery-scheduler/environment", environment)
    host.run("systemctl", "daemon-reload")


@pytest.fixture
def host(machine: Host) -> Host:
    """Everything is stopped, Redis is empty, the file is good, and no unit remembers a failure."""
    machine.write("/etc/celery-scheduler/schedules.yaml", SCHEDULES)
    machine.run("systemctl", "stop", "celery-admin.socket", "celery-worker@*", *UNITS)
    machine.run("systemctl", "start", "redis-server")
    machine.run("redis-cli", "flushall")
    machine.shell("rm -rf /var/lib/celery-worker/* /var/lib/celery-beat/*; systemctl reset-failed")
    return machine


def ticks(host: Host) -> list[float]:
    """When the schedule of the file ran."""
    lines = host.shell("cat /var/lib/celery-worker/ticks", check=False).splitlines()
    return [float(line.split()[1]) for line in lines if len(line.split()) == 2]
