"""Redis, the file, the pidfile and the system itself fail in ways that an administrator meets."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER, bodies, reckon, rows, settles, still_open
from tests.systemd.conftest import SCHEDULES
from tests.systemd.host import Host, at_leisure
from tests.systemd.test_life import PIDFILES, now, runs_after
from tests.systemd.test_work import ends, naps

BOTH = ("celery-beat", "celery-worker")
SHIPPED = "[Service]\nWatchdogSec=60\n"  #: one timeout of a connection is longer than the tests' own
LIMIT = "400M"
LOCK = "redbeat::lock"
FILE = "/etc/celery-scheduler/schedules.yaml"
SECRET = "/etc/celery-scheduler/credentials/redis-url"
CONF = "/etc/redis/redis.conf"
SOCKET = "/run/redis/redis-server.sock"
RESTARTS = int(os.environ.get("REDIS_RESTARTS", "6"))  #: of Redis, one after the other
WAYS_DOWN = ("", "systemctl stop redis-server", "systemctl kill --signal=KILL redis-server")  #: before it is restarted


def start(host: Host) -> list[int]:
    """Both work; returns their main processes."""
    host.run("systemctl", "start", *BOTH)
    runs_after(host, 0)
    return pids(host)


def pids(host: Host) -> list[int]:
    return [host.main_pid(unit) for unit in BOTH]


def nothing_ran_twice(host: Host) -> None:
    began = [body.run_id for body in bodies([host])]
    assert len(began) == len(set(began))


@contextmanager
def dropped_in(host: Host, unit: str, text: str) -> Iterator[None]:
    """With this in the unit; gone at the end."""
    directory = f"/run/systemd/system/{unit}.service.d"
    host.write(f"{directory}/zz.conf", text)
    host.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        host.run("rm", "-r", directory)
        host.run("systemctl", "daemon-reload")


def test_no_stop_at_whatever_moment_leaves_the_lock_behind(host: Host) -> None:
    start(host)
    for _ in range(10):
        host.run("systemctl", "restart", "--no-block", "celery-beat")
        time.sleep(moment := random.uniform(0, 2))
        host.run("systemctl", "stop", "celery-beat")
        left = host.run("redis-cli", "pttl", LOCK)
        assert left == "-2", (moment, host.journal("celery-beat")[-3000:])
    host.run("systemctl", "start", "celery-beat")
    assert runs_after(host, now(host)) < at_leisure(5)
    nothing_ran_twice(host)


# Redis


def test_a_redis_that_lost_everything_and_one_that_hangs_are_no_reason_to_restart_or_to_run_twice(host: Host) -> None:
    with dropped_in(host, "celery-worker", SHIPPED), dropped_in(host, "celery-beat", SHIPPED):
        before = start(host)
        host.run("redis-cli", "flushall")
        assert runs_after(host, now(host)) < at_leisure(10)
        host.run("systemctl", "kill", "--signal=STOP", "redis-server")
        for unit in BOTH:
            host.status_says(unit, "waiting for Redis")
        time.sleep(10)
        host.run("systemctl", "kill", "--signal=CONT", "redis-server")
        assert runs_after(host, now(host)) < at_leisure(10)
        assert pids(host) == before, host.journal("celery-worker")
    nothing_ran_twice(host)


@pytest.fixture(params=["redis://localhost:6379/0", f"unix://{SOCKET}?db=0"], ids=["tcp", "unix"])
def url(host: Host, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the units find Redis."""
    before = host.run("cat", SECRET)
    host.shell(f"grep -q ^unixsocket {CONF} || echo 'unixsocket {SOCKET}\nunixsocketperm 777' >> {CONF}")
    host.run("systemctl", "restart", "redis-server")
    host.write(SECRET, request.param)
    yield request.param
    host.write(SECRET, before)


def test_a_redis_that_comes_and_goes_is_no_reason_to_restart(host: Host, url: str) -> None:
    long = f"  long: {{task: jobs.nap, every: 1d, args: [{3 * RESTARTS}]}}\n"
    host.write(FILE, f"{SCHEDULES}{long}")
    began = now(host)
    before = start(host)
    assert ("addr=/" in host.run("redis-cli", "client", "list")) == url.startswith("unix")
    host.shell(f"{SCHEDULER} run long")
    until(lambda: naps(host), 60, "the worker holds a message while Redis is away")
    for number in range(RESTARTS):
        # The worker notices this first, and closes its channels while Redis ends; see test_worker_on_a_socket.py.
        host.shell(
            "redis-cli client kill type pubsub; systemctl reset-failed redis-server"
        )  # systemd counts its starts
        if down := WAYS_DOWN[number % 3]:
            host.shell(down)
            time.sleep(random.uniform(0, 1))
        host.run("systemctl", "restart", "redis-server")
        time.sleep(random.uniform(0, 2))
    assert runs_after(host, now(host)) < at_leisure(10)
    assert [host.show(unit, "NRestarts") for unit in BOTH] == ["0", "0"], host.journal("celery-worker")
    assert pids(host) == before
    for unit in BOTH:
        # Of the main process: in the pool's children Celery itself logs each connection that broke with a traceback.
        assert "Traceback" not in host.journal(unit, f"--since=@{began}", f"_PID={host.main_pid(unit)}")
        assert "AttributeError" not in host.journal(unit, f"--since=@{began}")
    settles(host)
    assert reckon(rows(host), bodies([host]))["succeeded"]
    until(lambda: not still_open(host, "long"), 60 + 3 * RESTARTS, "the long run has ended")
    assert [row["outcome"] for row in rows(host, "long")] == ["succeeded"]
    assert naps(host) == ["began", "ended"]


# pidfiles


@pytest.mark.parametrize("user", ["celery", "root"])
def test_a_pidfile_that_names_a_live_process_keeps_nothing_down(host: Host, user: str) -> None:
    host.run("systemd-run", "--unit=other", f"--property=User={user}", "sleep", "600")
    for unit in BOTH:
        host.write(PIDFILES[unit], str(host.main_pid("other")))
    start(host)
    assert [int(host.run("cat", PIDFILES[unit])) for unit in BOTH] == pids(host)
    assert host.show("other", "ActiveState") == "active", "it was killed by its number"
    host.run("systemctl", "stop", "other")


def test_a_beat_that_root_started_by_hand_is_one_of_two_that_take_turns(host: Host) -> None:
    by_hand = "/opt/celery-scheduler/venv/bin/celery -A scheduler.celeryapp beat --pidfile=/run/by-hand.pid"
    variables = f"SCHEDULER_FILE={FILE} SCHEDULER_STATE_DIR=/run/by-hand SCHEDULER_LEASE=6 SCHEDULER_MAX_INTERVAL=2"
    command = f"env -C /etc/celery-scheduler {variables} {by_hand}"
    host.run("systemd-run", "--unit=by-hand", "--property=Type=notify", "--property=NotifyAccess=all", *command.split())
    host.shell(f"install -D /run/by-hand.pid {PIDFILES['celery-beat']}")
    start(host)
    host.status_says("by-hand", "leader since ")
    assert host.show("celery-beat", "StatusText").startswith("standby: ")
    host.run("systemctl", "stop", "by-hand")
    host.status_says("celery-beat", "leader since ")
    settles(host)
    assert reckon(rows(host), bodies([host]))["succeeded"]


# the file and the configuration


def test_a_broken_file_at_the_start_keeps_the_last_good_schedules_going(host: Host) -> None:
    start(host)
    host.run("systemctl", "stop", "celery-beat")
    host.write(FILE, SCHEDULES.replace("every", "evry"))
    host.run("systemctl", "start", "celery-beat")
    host.status_says("celery-beat", "schedules.yaml is wrong, kept the last good: leader since ")
    host.shell(f"chmod 0 {FILE}")
    host.write(f"{FILE}.good", SCHEDULES)
    host.shell(f"chmod 0 {FILE}.good && mv {FILE}.good {FILE}")
    runs_after(host, now(host))
    host.shell(f"chmod 644 {FILE}")
    until(lambda: "wrong" not in host.show("celery-beat", "StatusText"), 60, "the repaired mode is noticed")
    settles(host)
    assert reckon(rows(host), bodies([host]))["succeeded"]


def test_a_broken_file_with_nothing_to_keep_says_in_the_status_which_line_is_wrong(host: Host) -> None:
    host.write(FILE, SCHEDULES.replace("every", "evry"))
    host.run("systemctl", "start", "celery-beat")
    host.status_says("celery-beat", f"{FILE}:3:")
    assert host.show("celery-beat", "ActiveState") == "active"
    told = host.attempt("sh", "-c", f"{SCHEDULER} status").stdout
    assert f"{FILE}:3:" in told
    host.write(FILE, SCHEDULES)
    host.status_says("celery-beat", "· 1 schedule ·")


def test_a_configuration_that_cannot_work_calls_for_somebody(host: Host) -> None:
    host.write("/run/systemd/system/called.service", "[Service]\nType=oneshot\nExecStart=touch /run/called\n")
    with dropped_in(
        host, "celery-beat", "[Unit]\nOnFailure=called.service\n[Service]\nEnvironment=SCHEDULER_IMPORTS=nothing\n"
    ):
        assert host.attempt("systemctl", "start", "celery-beat").returncode != 0
        until(lambda: host.attempt("test", "-e", "/run/called").returncode == 0, 60, "OnFailure= fired")
        assert host.show("celery-beat", "ExecMainStatus") == "78"
    host.run("rm", "/run/called", "/run/systemd/system/called.service")


@pytest.mark.parametrize("unit", BOTH)
def test_a_credential_that_is_missing_fails_once_and_for_all(host: Host, unit: str) -> None:
    host.run("systemctl", "start", unit)
    host.run("mv", SECRET, f"{SECRET}.away")
    try:
        assert host.attempt("systemctl", "restart", unit).returncode != 0
        time.sleep(3)  # twice RestartSec and more
        facts = [host.show(unit, name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")]
        assert facts == ["failed", "243", "0"]
    finally:
        host.run("mv", f"{SECRET}.away", SECRET)
    host.run("systemctl", "start", unit)


# memory


@contextmanager
def limited_memory(host: Host, unit: str) -> Iterator[None]:
    """What its running processes and their children may take together, where MemoryMax= has no effect."""
    old = Path("/sys/fs/cgroup/memory")
    if not old.is_dir():
        yield
        return
    group = old / host.directory.name
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(LIMIT)
    processes = f"/sys/fs/cgroup/$(systemctl show --value --property=ControlGroup {unit})/cgroup.procs"
    for pid in host.shell(f"cat {processes}").split():
        into = ["nsenter", f"--target={host.leader}", "--pid", "sh", "-c", f"echo {pid} > {group}/cgroup.procs"]
        subprocess.run(into, check=True)
    try:
        yield
    finally:
        host.run("systemctl", "stop", unit)
        group.rmdir()


def test_a_task_that_eats_the_memory_is_lost_after_a_few_attempts_and_the_others_go_on(host: Host) -> None:
    host.write(FILE, SCHEDULES + "  job: {task: jobs.eat, every: 1d, on_lost: rerun}\n")
    with dropped_in(host, "celery-worker", f"[Service]\nMemoryMax={LIMIT}\n"):
        before = start(host)
        with limited_memory(host, "celery-worker"):
            host.shell(f"{SCHEDULER} run job")
            lost = ends(host, "lost", 90)
            assert lost["detail"] == "its worker stopped answering"
            assert host.shell("cat /var/lib/celery-worker/meals").split() == ["began"] * 3
            assert pids(host) == before
            runs_after(host, now(host))
            settles(host)
            assert set(reckon(rows(host), bodies([host]))) <= {"succeeded", "skipped"}


# the system


@pytest.mark.parametrize("unit", BOTH)
def test_a_full_run_says_so_and_is_recovered_from_alone(host: Host, unit: str) -> None:
    host.run("mount", "-o", "remount,size=4m", "/run")
    try:
        host.shell("dd if=/dev/zero of=/run/full bs=1k", check=False)
        host.run("systemctl", "start", "--no-block", unit)
        said = f"cannot write {PIDFILES[unit]}: No space left on device"
        until(lambda: said in host.journal(unit, "--lines=20"), 60, said)
        assert "Traceback" not in host.journal(unit, "--lines=20")
        host.run("rm", "/run/full")
        host.becomes(unit, "ActiveState", "active")
        assert host.run("cat", PIDFILES[unit]) == str(host.main_pid(unit))
    finally:
        host.run("rm", "-f", "/run/full")
        host.run("mount", "-o", "remount,size=1g", "/run")


def test_systemd_and_the_journal_may_be_restarted_under_it(host: Host) -> None:
    before = start(host)
    host.run("systemctl", "daemon-reexec")
    host.run("systemctl", "restart", "systemd-journald")
    restarted = host.run("date", "+@%s.%N")
    host.run("systemctl", "reload", "celery-beat")
    since = f"--since={restarted}"
    until(lambda: "Loaded /etc" in host.journal("celery-beat", since), 60, "beat's lines go on")
    until(lambda: "succeeded in" in host.journal("celery-worker", since), 60, "the worker's lines go on")
    time.sleep(12)  # longer than the watchdog's time
    assert pids(host) == before
    host.status_says("celery-beat", "leader since ")
