"""What the installed service says to do, typed where it is said; and a clone beside it that finds the same Redis."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER, bodies, reckon, rows, settles
from tests.systemd.conftest import SCHEDULES
from tests.systemd.host import Host
from tests.systemd.image import ROOT
from tests.systemd.test_documents import states
from tests.systemd.test_failures import FILE, start
from tests.systemd.test_life import now, runs_after

OTHERS = "  b: {task: jobs.tick, every: 1d}\n  c: {task: jobs.tick, every: 1d}\n"
THREE = ["b", "c", "tick"]
EDIT = """
from scheduler import changes
from scheduler.cli.common import Service
store = Service().store
changes.edit(store, "b", {**store.get("b").fields, "queue": "slow"}, tasks=None, by="ann", why="for today")
"""


def remedies(text: str) -> list[str]:
    """The commands that a text names, each once."""
    return list(dict.fromkeys(re.findall(r"`([^`]+)`", text)))


def said_by(host: Host, command: str) -> str:
    return host.attempt("sh", "-c", f"{SCHEDULER} {command}").stdout


def names(host: Host) -> list[str]:
    return [*states(host)]


def test_what_is_said_of_a_file_that_removes_most_schedules_loads_it(host: Host) -> None:
    host.write(FILE, SCHEDULES + OTHERS)
    start(host)
    since = f"--since=@{now(host)}"
    host.write(FILE, SCHEDULES)
    host.status_says("celery-beat", "would remove 2 of 3 schedules")
    assert host.attempt("systemctl", "reload", "celery-beat").returncode != 0
    (remedy,) = remedies(said_by(host, "status"))
    assert remedies(host.attempt("systemctl", "status", "--full", "--lines=0", "celery-beat").stdout) == [remedy]
    by_beat, by_reload = host.journal("celery-beat", since), host.journal("celery-beat", since, "SYSLOG_IDENTIFIER=env")
    assert remedies(by_beat) == remedies(by_reload) == [remedy]
    assert names(host) == THREE
    host.shell(remedy)
    assert names(host) == ["tick"]
    until(lambda: "wrong" not in host.show("celery-beat", "StatusText"), 30, "nothing is wrong any more")
    assert "problem" not in said_by(host, "status")
    settles(host)
    assert reckon(rows(host), bodies([host]))["succeeded"]


def test_what_is_said_of_a_unit_that_is_stopped_starts_it(host: Host) -> None:
    start(host)
    for unit in ("celery-beat", "celery-worker"):
        host.run("systemctl", "stop", unit)
        (remedy,) = until(lambda: remedies(said_by(host, "doctor")), 60, "the doctor notices it")
        assert remedy == f"systemctl start {unit}"
        host.shell(remedy)
        until(lambda: not remedies(said_by(host, "doctor")), 60, "nothing is left to do")


def test_what_a_command_says_comes_next_works(host: Host) -> None:
    host.write(FILE, SCHEDULES + OTHERS)
    host.run("systemctl", "start", "celery-beat")
    until(lambda: names(host) == THREE, 60, "the file is loaded")
    for command, next_one in (("skip b", "skip b --undo"), ("pause b", "resume b"), ("run b", "history b")):
        (remedy,) = remedies(host.shell(f"{SCHEDULER} {command}"))
        assert remedy == f"{SCHEDULER} {next_one}"
        host.shell(remedy)


@pytest.fixture(scope="module")
def clone(machine: Host) -> Path:
    """Its directory in the host, with an environment that has what the service needs."""
    tree = Path(f"/proc/{machine.leader}/root/srv/clone")
    shutil.copytree(ROOT / "scheduler", tree / "scheduler", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "schedules.yaml"):
        shutil.copy(ROOT / file, tree)
    machine.run("python3", "-m", "venv", "--without-pip", "/srv/env")
    packages = machine.shell("ls -d /opt/celery-scheduler/venv/lib/python3.*/site-packages")
    machine.shell(f"echo {packages} > $(ls -d /srv/env/lib/python3.*/site-packages)/dependencies.pth")
    return Path("/srv/clone")


def test_a_clone_replaces_nothing_by_accident_and_undo_brings_all_of_it_back(host: Host, clone: Path) -> None:
    def typed(command: str) -> CompletedProcess[str]:
        return host.attempt("sh", "-c", f"cd {clone} && PATH=/srv/env/bin:$PATH && {command}")

    host.write(FILE, SCHEDULES + OTHERS)
    start(host)
    host.shell(f"{SCHEDULER} run b")
    until(lambda: [row["outcome"] for row in rows(host, "b")] == ["succeeded"], 60, "it ran")
    host.run("/opt/celery-scheduler/venv/bin/python", "-c", EDIT)
    host.shell(f"{SCHEDULER} pause c --note disk")
    settles(host)
    patch, before = said_by(host, "export"), states(host)
    ended = {name: rows(host, name) for name in THREE}

    refused = typed("python3 -m scheduler apply --allow-remove")
    assert (refused.returncode, names(host)) == (1, THREE)
    assert f" follows {FILE} on {host.name}, not {clone}/schedules.yaml, so nothing was changed" in refused.stdout
    for _ in range(2):  # another file, and most schedules removed
        refused = typed(remedies(refused.stdout)[-1])
    assert refused.returncode == 0, refused.stdout
    assert "log-it" in names(host)
    assert not set(names(host)) & set(THREE)

    for line in json.loads(said_by(host, "audit --json"))["changes"]:
        if line["change"] == "remove":
            host.shell(f"{SCHEDULER} undo {line['id']}")
    host.shell(f"{SCHEDULER} apply --allow-remove")
    assert names(host) == THREE
    assert said_by(host, "export") == patch
    assert states(host) == before
    for name in THREE:
        left = rows(host, name)
        assert all(row in left for row in ended[name]), f"{ended[name]} are not all in {left}"
    assert reckon(ended["tick"], bodies([host]))["succeeded"]
    host.shell(f"{SCHEDULER} resume tick")
    runs_after(host, now(host))
