"""A crontab under Debian's cron, then imported: each job prints the same, from the same place, as the same user."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.polling import until
from tests.systemd import image
from tests.systemd.accounts import SCHEDULER
from tests.systemd.host import Host, at_leisure

#: Lines as people publish them; each writes what it did into a file of its number.
CRONTAB = r"""
PATH=/usr/local/bin:/usr/bin:/bin
MAILTO=""
GREETING="hello  world ${x}"
* * * * * { id -un; id -Gn; pwd; umask; } > told/1 2>&1
* * * * * for part in a b; do echo part-${part}; done > told/2; (exit 3); echo $? >> told/2
* * * * * cat > told/3%first line%second \% line
* * * * * echo "100\% of $HOME for $LOGNAME" > told/4
* * * * * ./poll.sh now > told/5 2>&1; echo $? >> told/5
* * * * * [ -x /usr/sbin/not-installed ] && /usr/sbin/not-installed --daily; echo $? > told/6
* * * * * cd /tmp && pwd > ~/told/7 && ls /root 2>> ~/told/7; echo $? >> ~/told/7
* * * * * flock -n told/lock -c 'echo "$GREETING" $((6*7)) `id -u` > told/8'
* * * * * { sleep 1; pwd > told/11; } &>> told/nothing
SHELL=/bin/bash
* * * * * [[ a == a ]] && echo ${BASH_VERSION:+bash} > told/9
HOME=/tmp/cara-elsewhere
* * * * * { pwd; env | sort; } > /home/cara/told/10
* * * * * test -x /usr/sbin/not-installed && /usr/sbin/not-installed
"""
NUMBERS = range(1, 12)
HOME = "/home/cara"
ENVIRONMENT = "10"

WHO = "id -un; pwd"
#: Owners of jobs of all kinds, and where cron starts these: a script of cron.daily, a line of cron.d, two crontabs.
HOMES = {"root": "/", "games": "/usr/games", "cara": HOME, "dave": "/home/dave"}
OUTPUT = "/etc/celery-scheduler/schedules.d"


@pytest.fixture
def cron(host: Host) -> Host:
    """The host with Debian's cron, which does not run yet, and the account whose crontab it is."""
    debs = image.made("cron", "cron", lambda new: image.downloaded(new, "cron", "cron-daemon-common"))
    inside = Path(f"/proc/{host.leader}/root/root/debs")
    shutil.copytree(debs, inside, dirs_exist_ok=True)
    host.shell("dpkg --install --force-depends /root/debs/*.deb && systemctl disable --now cron")
    host.shell("id cara || useradd --create-home --shell /bin/sh --groups daemon cara")
    host.shell("install -d -o cara /tmp/cara-elsewhere")
    host.write("/etc/environment", 'SITE="North Sea"\n')
    host.write("/etc/default/locale", "LANG=C.UTF-8\nLC_TIME=C\n")
    host.write(f"{HOME}/poll.sh", "#!/bin/sh\necho polled $1 as $(id -un)\nexit 7\n")
    host.shell(f"chmod +x {HOME}/poll.sh; install -d -o cara {HOME}/told")
    return host


def test_imported_jobs_do_what_they_did_under_cron(cron: Host) -> None:
    cron.write("/root/crontab", CRONTAB)
    cron.run("crontab", "-u", "cara", "/root/crontab")
    cron.run("systemctl", "start", "cron")
    by_cron = told(cron)
    cron.run("systemctl", "stop", "cron")
    cron.shell(f"rm -rf {HOME}/told && install -d -o cara {HOME}/told")

    cron.shell(f"crontab -u cara -l | {SCHEDULER} import crontab - --user cara > /etc/celery-scheduler/schedules.yaml")
    assert "no errors" in cron.shell(f"{SCHEDULER} check")
    cron.run("systemctl", "start", "celery-beat", "celery-worker-as@cara")
    try:
        here = told(cron)
        names = [row["name"] for row in json.loads(cron.shell(f"{SCHEDULER} list --json"))]
        assert len(names) == len(NUMBERS) + 1
        until(lambda: all(outcomes(cron, name) == {"succeeded"} for name in names), at_leisure(30), "each succeeded")
    finally:
        cron.run("systemctl", "stop", "celery-beat", "celery-worker-as@cara")
    variables = set(by_cron.pop(ENVIRONMENT).splitlines())
    assert variables - set(here.pop(ENVIRONMENT).splitlines()) == set(), "each of cron's variables has its value"
    assert here == by_cron


def test_all_of_a_machine_is_imported_and_a_job_of_each_owner_runs(cron: Host) -> None:
    cron.shell("id dave || useradd --create-home --shell /bin/sh dave")
    cron.write("/etc/cron.daily/nightly", f"#!/bin/sh\n{WHO}\n")
    cron.run("chmod", "+x", "/etc/cron.daily/nightly")
    cron.write("/etc/cron.d/shop", f"0 0 1 1 * games {WHO}\n")
    for owner in ("cara", "dave"):
        cron.write("/root/crontab", f"MAILTO={owner}@example.org\n0 0 1 1 * {WHO}\n")
        cron.run("crontab", "-u", owner, "/root/crontab")
    main = "imports: [jobs]\ninclude: schedules.d/*.yaml\nschedules: {}\n"
    cron.write("/etc/celery-scheduler/schedules.yaml", main)
    printed = cron.shell(f"{SCHEDULER} import crontab --machine --output {OUTPUT} 2>&1")
    assert "no errors" in cron.shell(f"{SCHEDULER} check")
    workers = [f"celery-worker-as@{owner}" for owner in HOMES]
    try:
        cron.run("touch", "/etc/celery-scheduler/allow-root")
        cron.run("systemctl", "start", "celery-beat", *workers)
        for owner, home in HOMES.items():
            assert f"for the jobs of {owner}: " in printed
            names = re.findall(r"^  (\S+):$", cron.shell(f"cat {OUTPUT}/cron-{owner}.yaml"), re.MULTILINE)
            name = "nightly" if owner == "root" else next(name for name in names if name != "sinks")
            said = cron.shell(f"{SCHEDULER} run {name} --follow")
            assert said.splitlines()[:2] == [owner, home]
    finally:
        cron.run("systemctl", "stop", "celery-beat", *workers)
        cron.shell(f"rm -rf /etc/celery-scheduler/allow-root {OUTPUT} /etc/cron.daily/nightly /etc/cron.d/shop")
        cron.shell("crontab -u cara -r; crontab -u dave -r")


def told(host: Host) -> dict[str, str]:
    """What each line wrote, once all of them have, which is within a minute and a bit."""
    listed = f"cd {HOME}/told && find . -type f -size +0 -name '[0-9]*' | wc -l"
    until(lambda: host.shell(listed) == str(len(NUMBERS)), at_leisure(80), "each job has run")
    return {str(number): host.shell(f"cat {HOME}/told/{number}") for number in NUMBERS}


def outcomes(host: Host, name: str) -> set[str]:
    """Those of the runs that have ended."""
    rows = json.loads(host.shell(f"{SCHEDULER} history {name} --json"))
    return {row["outcome"] for row in rows} - {"queued", "running"}
