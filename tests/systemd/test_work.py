"""What becomes of the runs: stopped, killed, cut off; and of the file when it is loaded again."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER
from tests.systemd.conftest import SCHEDULES, UNITS
from tests.systemd.host import Host, at_leisure


def begin(host: Host, task: str, *arguments: object, **fields: object) -> None:
    """Beat and a worker run, and a run of that task has begun."""
    line = json.dumps({"task": task, "every": "1d", "args": list(arguments), **fields})
    host.write("/etc/celery-scheduler/schedules.yaml", f"imports: [jobs]\nschedules:\n  job: {line}\n")
    host.run("systemctl", "start", "celery-beat", "celery-worker")
    until(lambda: host.shell(f"{SCHEDULER} run job", check=False), 60, "it can be run")


def naps(host: Host) -> list[str]:
    return host.shell("cat /var/lib/celery-worker/naps", check=False).split()


def last_run(host: Host) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(host.shell(f"{SCHEDULER} history job --json"))
    return rows[0]


def ends(host: Host, outcome: str, seconds: float = 60) -> dict[str, Any]:
    until(lambda: last_run(host)["outcome"] == outcome, seconds, f"it ended as {outcome}: {last_run(host)}")
    return last_run(host)


def test_a_stop_lets_a_task_end(host: Host) -> None:
    begin(host, "jobs.nap", 2)
    until(lambda: naps(host), 60, "it began")
    asked = host.run("date", "+@%s")
    host.run("systemctl", "restart", "celery-worker")
    assert naps(host) == ["began", "ended"]
    ends(host, "succeeded")
    assert "WorkerLostError" not in host.journal("celery-worker", f"--since={asked}")


def test_the_journal_finds_what_a_task_says_by_its_schedule_and_by_its_run(host: Host) -> None:
    begin(host, "jobs.nap", 0)
    run = ends(host, "succeeded")["id"]
    host.run("journalctl", "--sync")
    for field in ("SCHEDULE=job", f"RUN={run}"):
        said = host.run("journalctl", field, "--priority=warning", "--output=cat", "--boot").splitlines()
        assert said[-1] == "it naps"


def test_a_worker_of_another_queue_runs_beside_the_first(host: Host) -> None:
    host.run("systemctl", "start", "celery-worker@reports")
    begin(host, "jobs.nap", 0, queue="reports")
    assert ends(host, "succeeded")["worker"].startswith("reports@")
    pidfile = host.run("cat", "/run/celery-worker@reports/worker.pid")
    assert pidfile == str(host.main_pid("celery-worker@reports"))
    host.run("systemctl", "stop", "celery-worker@reports")


def test_a_stop_hands_back_what_does_not_end_and_it_runs_again_at_once(host: Host) -> None:
    begin(host, "jobs.nap_once", 60)
    until(lambda: naps(host), 60, "it began")
    begun = time.monotonic()
    host.run("systemctl", "restart", "celery-worker")
    assert time.monotonic() - begun < at_leisure(4 + 15)
    assert ends(host, "succeeded")["attempt"] == 2
    assert naps(host) == ["began", "began", "ended"]
    assert host.show("celery-worker", "NRestarts") == "0"


def test_a_task_that_kills_its_worker_is_lost_and_not_run_for_ever(host: Host) -> None:
    begin(host, "jobs.die")
    lost = ends(host, "lost")
    assert lost["detail"]
    assert host.shell("cat /var/lib/celery-worker/deaths").split() == ["died"]


def test_a_worker_that_is_killed_leaves_no_run_for_ever(host: Host) -> None:
    begin(host, "jobs.nap", 60)
    until(lambda: naps(host), 60, "it began")
    host.kill(host.main_pid("celery-worker"), "KILL")
    ends(host, "lost")
    host.becomes("celery-worker", "ActiveState", "active")


def test_a_task_cannot_write_or_read_what_is_not_its_own(host: Host) -> None:
    begin(host, "jobs.mischief")
    assert ends(host, "succeeded")["result"] == "[]"


def test_a_reload_takes_a_good_file_and_refuses_a_bad_one_with_its_lines(host: Host) -> None:
    host.run("systemctl", "start", "celery-beat")
    pid = host.main_pid("celery-beat")
    host.write("/etc/celery-scheduler/schedules.yaml", f"{SCHEDULES}  second: {{task: jobs.tick, every: 1h}}\n")
    host.run("systemctl", "reload", "celery-beat")
    host.status_says("celery-beat", "2 schedules")
    host.write("/etc/celery-scheduler/schedules.yaml", f"{SCHEDULES}  third: {{task: jobs.tick, corn: 1h}}\n")
    assert host.attempt("systemctl", "reload", "celery-beat").returncode != 0
    assert "schedules.yaml:4:" in host.journal("celery-beat", "--lines=30")
    assert "did you mean 'cron'" in host.journal("celery-beat", "--lines=30")
    host.write("/etc/celery-scheduler/schedules.yaml", "schedules: {}\n")
    assert host.attempt("systemctl", "reload", "celery-beat").returncode != 0
    assert "would remove 2 of 2 schedules" in host.journal("celery-beat", "--lines=30")
    assert "2 schedules" in host.show("celery-beat", "StatusText")
    assert (host.main_pid("celery-beat"), host.show("celery-beat", "ActiveState")) == (pid, "active")


def test_no_request_is_refused_while_the_page_restarts(host: Host) -> None:
    host.run("systemctl", "start", "celery-admin.socket", "celery-admin")
    asking = (
        "import time, urllib.request as u\n"
        "end = time.time() + 6\n"
        "while time.time() < end:\n"
        "    u.urlopen('http://127.0.0.1:8000/healthz', timeout=20).read()\n"
        "print('answered')\n"
    )
    host.write("/root/asking.py", asking)
    host.run("systemd-run", "--unit=asking", "--property=RemainAfterExit=yes", "python3", "/root/asking.py")
    host.run("systemctl", "restart", "celery-admin")
    host.becomes("asking", "SubState", "exited", "failed")
    assert host.journal("asking").rstrip().endswith("answered")
    host.run("systemctl", "stop", "asking")


def test_secrets_are_in_no_environment_and_no_command_line(host: Host) -> None:
    host.run("systemctl", "start", *UNITS)
    secret = host.run("cat", "/etc/celery-scheduler/credentials/secret-key")
    for unit in UNITS:
        pid = host.main_pid(unit)
        assert secret not in host.shell(f"cat /proc/{pid}/environ /proc/{pid}/cmdline | tr '\\0' ' '")
