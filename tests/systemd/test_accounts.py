"""Schedules with `user:` run as that account, in a worker that an administrator enabled for it."""

from __future__ import annotations

import json
import re
from functools import partial

from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER
from tests.systemd.host import Host, at_leisure
from tests.systemd.image import ROOT

ACCOUNTS = ("ann", "bob")
INSTALL = "cd /usr/share/celery-scheduler && python3 -B -m scheduler install --prefix /usr --wheels wheels"
WHO = 'id -un; id -Gn; pwd; echo "$HOME $LOGNAME $SHELL"; cat /home/ann/secret /home/bob/secret; '
WHO += "touch ~/made-$(umask); nice echo end"


def schedules(*accounts: str) -> str:
    """One for each account, which writes into its home what the job is and may."""
    homes = {name: "/root" if name == "root" else f"/home/{name}" for name in accounts}
    line = f"( {WHO} ) > ~/told 2>&1"
    jobs = {name: {"user": name, "directory": home, "every": "1d", "shell": line} for name, home in homes.items()}
    return json.dumps({"imports": ["jobs"], "schedules": jobs})


def test_jobs_of_two_accounts_run_as_each_with_its_home_and_groups_and_cannot_read_the_other_s(host: Host) -> None:
    for name in ACCOUNTS:
        host.shell(f"groupadd team-{name} && useradd --create-home --shell /bin/sh --groups team-{name} {name}")
        host.shell(f"chmod 700 /home/{name}; echo {name}-only > /home/{name}/secret; chown {name}: /home/{name}/secret")
    host.write("/etc/celery-scheduler/schedules.yaml", schedules(*ACCOUNTS, "root"))
    host.run("systemctl", "start", "celery-beat", "celery-worker")
    for name in ACCOUNTS:
        until(lambda name=name: host.shell(f"{SCHEDULER} run {name}", check=False), 60, "it can be run")  # type: ignore[misc]

    stuck = f"No worker takes from queue 'as@ann', where a run waits (stuck: ann): run `{enabling('ann')}`"
    until(lambda: stuck in host.shell(f"{SCHEDULER} status || true"), at_leisure(30), "status names what to enable")
    printed = host.shell(f"{INSTALL} || true")
    for name in ACCOUNTS:
        assert f"for the schedules with user: {name}, run: {enabling(name)}\n" in f"{printed}\n"
        host.shell(re.search(rf"user: {name}, run: (.*)", printed)[1])  # type: ignore[index]
    try:
        for name in ACCOUNTS:
            until(partial(has_run, host, name), at_leisure(30), f"the job of {name} ran")
            assert_ran_as(host, name)
        assert host.attempt("systemctl", "start", "celery-worker-as@root").returncode != 0, "it was not allowed"
        host.shell(enabling("root"))
        host.shell(f"{SCHEDULER} run root --wait")
        assert host.shell("cat /root/told").splitlines()[0] == "root"
    finally:
        host.shell("systemctl disable --now celery-worker-as@ann celery-worker-as@bob celery-worker-as@root")
        host.shell("rm -f /etc/celery-scheduler/allow-root")


def test_a_setuid_program_works_with_the_lines_of_the_manual_and_only_with_them(host: Host) -> None:
    host.shell("useradd --create-home --shell /bin/sh dora; cp /usr/bin/id /usr/local/bin/who-am-i")
    host.shell("chmod 4755 /usr/local/bin/who-am-i")
    job = {"user": "dora", "every": "1d", "shell": "echo I am $(who-am-i -u)"}
    host.write("/etc/celery-scheduler/schedules.yaml", json.dumps({"imports": ["jobs"], "schedules": {"who": job}}))
    host.run("systemctl", "start", "celery-beat", "celery-worker-as@dora")
    try:
        until(lambda: "I am 1" in host.shell(f"{SCHEDULER} run who --wait --follow || true"), at_leisure(30), "it ran")
        manual = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
        lines = re.search(r"```text\n(\[Service\]\nNoNewPrivileges=no\n.*?)```", manual, re.DOTALL)[1]  # type: ignore[index]
        host.write("/etc/systemd/system/celery-worker-as@dora.service.d/setuid.conf", lines)
        host.shell("systemctl daemon-reload && systemctl restart celery-worker-as@dora")
        assert "I am 0" in host.shell(f"{SCHEDULER} run who --wait --follow")
    finally:
        host.run("systemctl", "stop", "celery-beat", "celery-worker-as@dora")
        host.shell("rm -rf /usr/local/bin/who-am-i /etc/systemd/system/celery-worker-as@dora.service.d")
        host.shell("systemctl daemon-reload && userdel --remove dora 2>&1")


def has_run(host: Host, name: str) -> bool:
    return host.shell(f"cat /home/{name}/told", check=False).endswith("end")


def enabling(name: str) -> str:
    allowed = "touch /etc/celery-scheduler/allow-root && " if name == "root" else ""
    return f"{allowed}systemctl enable --now celery-worker-as@{name}"


def assert_ran_as(host: Host, name: str) -> None:
    """What its job wrote, and what its worker is."""
    (other,) = {*ACCOUNTS} - {name}
    lines = host.shell(f"cat /home/{name}/told").splitlines()
    assert lines[:4] == [name, f"{name} team-{name}", f"/home/{name}", f"/home/{name} {name} /bin/sh"]
    assert f"{name}-only" in lines
    assert f"{other}-only" not in lines
    assert f"cat: /home/{other}/secret: Permission denied" in lines
    assert host.run("stat", "-c", "%U %a", f"/home/{name}/made-0022") == f"{name} 644"
    unit = f"celery-worker-as@{name}"
    assert host.run("cat", f"/run/{unit}/worker.pid") == str(host.main_pid(unit))
    assert host.run("stat", "-c", "%U", f"/proc/{host.main_pid(unit)}") == name
