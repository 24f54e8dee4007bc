"""A file that the leader does not follow replaces nothing by accident, and remedies work where they are typed."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.command_name import STARTED_AS
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.beats import GOOD, lead, write_file
from tests.support.shell import JOB, Shell
from tests.support.workers import seem_to_work

CLONES = f"schedules: {{{JOB.replace('job', 'demo')}}}\n"
THREE = f"schedules: {{{JOB}, {JOB.replace('job', 'b')}, {JOB.replace('job', 'c')}}}\n"


@pytest.fixture
def clone(beat: Scheduler, settings: Settings, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a clone that finds the Redis of a leader, where the clone's commands are typed."""
    write_file(settings, THREE)
    lead(beat)
    file = tmp_path / "clone" / "schedules.yaml"
    file.parent.mkdir()
    file.write_text(CLONES)
    monkeypatch.setenv("SCHEDULER_FILE", str(file))
    for variable in (STARTED_AS, "SUDO_USER"):
        monkeypatch.delenv(variable, raising=False)
    return file


def remedy(text: str) -> list[str]:
    """The arguments of the command of this service that a text names last."""
    return shlex.split(re.findall(r"`\S+ -m scheduler ([^`]+)`", text)[-1])


def test_a_clone_beside_the_service_replaces_nothing_until_its_file_is_named_and_confirmed(
    clone: Path, settings: Settings, shell: Shell, store: Store
) -> None:
    for command in (("apply",), ("apply", "--allow-remove"), ("apply", str(clone)), ("apply", "--other-file")):
        said = shell(*command)
        assert (said.code, store.names()) == (Exit.PROBLEMS, ["b", "c", "job"]), command
        assert f"follows {settings.file} on {socket.gethostname()}, not {clone}" in said.err
    said = shell(*remedy(said.err))
    assert "would remove 3 of 3 schedules" in said.err
    assert shell(*remedy(said.err)).code == Exit.OK
    assert store.names() == ["demo"]


def test_plan_shows_another_file_only_if_it_is_named(clone: Path, shell: Shell, settings: Settings) -> None:
    assert shell("plan").code == Exit.PROBLEMS
    said = shell("plan", str(clone))
    assert (said.code, said.out.splitlines()[-1]) == (Exit.CHANGES, "1 add, 3 remove")
    assert f"follows {settings.file} on {socket.gethostname()}, so `apply` needs --other-file" in said.err
    assert shell("plan", "--json").json["summary"] == "refused"


def test_a_copy_of_the_leaders_file_and_any_file_without_a_leader_are_loaded(
    clone: Path, beat: Scheduler, shell: Shell, store: Store
) -> None:
    clone.write_text(THREE)
    assert shell("apply").code == Exit.OK
    beat.close()
    clone.write_text(CLONES)
    assert shell("apply", "--allow-remove").code == Exit.OK
    assert store.names() == ["demo"]


def test_what_status_says_in_a_clone_loads_the_leaders_file(
    clone: Path, beat: Scheduler, shell: Shell, store: Store, settings: Settings
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    said = shell("status")
    assert "would remove 2 of 3 schedules" in said.out
    assert shell(*remedy(said.out)).code == Exit.OK
    assert store.names() == ["job"]
    seem_to_work(store.client, store.keys)
    assert shell("status").code == Exit.OK


def test_beside_an_installed_service_status_names_its_commands(
    clone: Path, beat: Scheduler, shell: Shell, settings: Settings, client: Client, keys: Keys
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    client.hset(keys.file, "command", "sudo celery-scheduler")  # as its beat stores it
    assert f"celery-scheduler apply --allow-remove {settings.file}`" in shell("status").out
    beat.close()
    assert "systemctl start celery-beat`" in shell("status").out
    assert "systemctl start celery-beat`" in shell("doctor").out


def test_a_file_on_another_host_is_named_with_the_host(
    clone: Path, beat: Scheduler, shell: Shell, settings: Settings, client: Client, keys: Keys
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    client.hset(keys.file, "host", "web1")
    assert f"problem   on web1: {settings.file} would remove" in shell("status").out
    assert f"follows {settings.file} on web1, not {clone}" in shell("apply").err
