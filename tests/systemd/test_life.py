"""Starting, dying, hanging and stopping, by ``systemctl`` alone."""

from __future__ import annotations

import time

import pytest

from tests.support.polling import until
from tests.systemd.conftest import UNITS, ticks
from tests.systemd.host import Host, at_leisure

PIDFILES = {unit: f"/run/{unit}/{unit.removeprefix('celery-')}.pid" for unit in UNITS}


def runs_after(host: Host, instant: float) -> float:
    """Seconds from the instant until the schedule ran again."""
    return until(lambda: next((tick for tick in ticks(host) if tick > instant), None), 60, "it ran") - instant


def now(host: Host) -> float:
    return float(host.run("date", "+%s.%N"))


def test_the_units_are_without_fault(host: Host) -> None:
    paths = [f"/usr/lib/systemd/system/{unit}.service" for unit in UNITS]
    paths += ["/usr/lib/systemd/system/celery-admin.socket", "/usr/lib/systemd/system/celery.target"]
    assert host.run("systemd-analyze", "verify", *paths) == ""


@pytest.mark.parametrize("unit", UNITS)
def test_the_exposure_is_1_at_most(host: Host, unit: str) -> None:
    told = host.run("systemd-analyze", "security", "--no-pager", f"{unit}.service").splitlines()[-1]
    assert float(told.split(":")[1].split()[0]) <= 1.0


def test_all_start_say_what_they_do_and_leave_nothing_when_stopped(host: Host) -> None:
    host.run("systemctl", "start", *UNITS)
    for unit, pidfile in PIDFILES.items():
        assert host.show(unit, "ActiveState") == "active"
        assert host.run("cat", pidfile) == str(host.main_pid(unit))
        assert host.run("stat", "--format=%U %a", pidfile) == "celery 644"
    host.status_says("celery-beat", "leader since ")
    assert "1 schedule · next tick " in host.show("celery-beat", "StatusText")
    assert host.show("celery-worker", "StatusText").startswith("takes runs from celery")
    assert host.show("celery-admin", "StatusText") == "Serving on http://127.0.0.1:8000"
    runs_after(host, 0)
    for unit in UNITS:  # one by one: the others keep theirs
        host.run("systemctl", "stop", unit)
        left = [other for other, pidfile in PIDFILES.items() if host.attempt("test", "-e", pidfile).returncode == 0]
        assert left == list(UNITS)[UNITS.index(unit) + 1 :]
        assert host.show(unit, "Result") == "success"


def test_the_target_stops_all(host: Host) -> None:
    host.run("systemctl", "start", "celery.target")
    for unit in UNITS:
        host.becomes(unit, "ActiveState", "active")
    host.run("systemctl", "stop", "celery.target")
    for unit in UNITS:
        host.becomes(unit, "ActiveState", "inactive")


def test_after_kill_9_the_schedule_goes_on_when_the_lease_is_over(host: Host) -> None:
    host.run("systemctl", "start", "celery-beat", "celery-worker")
    runs_after(host, 0)
    before = host.main_pid("celery-beat")
    host.kill(before, "KILL")
    killed = now(host)
    assert runs_after(host, killed + 1) < at_leisure(6 + 5)
    assert host.run("cat", PIDFILES["celery-beat"]) == str(host.main_pid("celery-beat")) != str(before)


@pytest.mark.parametrize("unit", UNITS)
def test_what_hangs_is_restarted_by_the_watchdog(host: Host, unit: str) -> None:
    host.run("systemctl", "start", unit)
    before = host.main_pid(unit)
    host.kill(before, "STOP")
    until(lambda: host.main_pid(unit) not in (0, before), 60, "another process")
    host.becomes(unit, "ActiveState", "active")
    assert "Watchdog timeout" in host.journal(unit)


@pytest.mark.parametrize("unit", ["celery-beat", "celery-worker"])
def test_a_module_that_cannot_be_imported_fails_the_start_once_and_for_all(host: Host, unit: str) -> None:
    host.write(
        f"/run/systemd/system/{unit}.service.d/import.conf", "[Service]\nEnvironment=SCHEDULER_IMPORTS=nothing\n"
    )
    host.run("systemctl", "daemon-reload")
    try:
        assert host.attempt("systemctl", "start", unit).returncode != 0
        time.sleep(3)  # twice RestartSec and more
        assert (host.show(unit, "ActiveState"), host.show(unit, "ExecMainStatus")) == ("failed", "78")
        assert host.show(unit, "NRestarts") == "0"
        assert "nothing" in host.journal(unit, "--lines=20")
    finally:
        host.run("rm", f"/run/systemd/system/{unit}.service.d/import.conf")
        host.run("systemctl", "daemon-reload")


def test_redis_may_come_after_them(host: Host) -> None:
    host.run("systemctl", "stop", "redis-server")
    host.run("systemctl", "start", "--no-block", "celery-beat", "celery-worker")
    for unit in ("celery-beat", "celery-worker"):
        host.status_says(unit, "waiting for Redis")
    time.sleep(12)  # longer than the watchdog's time
    assert {host.show(unit, "ActiveState") for unit in ("celery-beat", "celery-worker")} == {"activating"}
    host.run("systemctl", "start", "redis-server")
    for unit in ("celery-beat", "celery-worker"):
        host.becomes(unit, "ActiveState", "active")
        assert host.show(unit, "NRestarts") == "0"
    runs_after(host, 0)


def test_redis_may_go_and_come_back(host: Host) -> None:
    host.run("systemctl", "start", "celery-beat", "celery-worker")
    pids = [host.main_pid(unit) for unit in ("celery-beat", "celery-worker")]
    host.run("systemctl", "stop", "redis-server")
    for unit in ("celery-beat", "celery-worker"):
        host.status_says(unit, "waiting for Redis")
    time.sleep(12)  # longer than the watchdog's time
    host.run("systemctl", "start", "redis-server")
    back = now(host)
    assert runs_after(host, back) < at_leisure(15)
    assert [host.main_pid(unit) for unit in ("celery-beat", "celery-worker")] == pids, host.journal("celery-worker")


@pytest.mark.parametrize("unit", UNITS)
def test_no_pidfile_keeps_a_unit_down(host: Host, unit: str) -> None:
    for content in ("garbage", str(host.main_pid("dbus"))):
        host.write(PIDFILES[unit], content)
        host.run("systemctl", "start", unit)
        assert host.run("cat", PIDFILES[unit]) == str(host.main_pid(unit))
        host.run("systemctl", "stop", unit)


def test_a_second_instance_is_refused(host: Host) -> None:
    host.run("systemctl", "start", "celery-beat")
    second = host.attempt(
        *(
            "runuser",
            "-u",
            "celery",
            "--",
            "env",
            "-C",
            "/etc/celery-scheduler",
            "/opt/celery-scheduler/venv/bin/celery",
            "-q",
            "-A",
        ),
        *("scheduler.celeryapp", "beat", f"--pidfile={PIDFILES['celery-beat']}"),
    )
    assert second.returncode == 75
    assert f"another process holds {PIDFILES['celery-beat']}" in second.stdout
    assert host.run("cat", PIDFILES["celery-beat"]) == str(host.main_pid("celery-beat"))
