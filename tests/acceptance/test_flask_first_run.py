"""What docs/tasks.md tells a Flask developer, typed as it is written there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig

import pytest

from tests.acceptance.processes import NOISE, PYTHON, ROOT, Directory, temporary_directory
from tests.support import need
from tests.support.documents import commands, of_kind

PAGE = "docs/tasks.md"
pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]


def project(here: Directory) -> dict[str, str]:
    """The files that the section shows, the checkout at home, and the shell's environment."""
    (app,) = (text for text in of_kind(PAGE, "python") if text.startswith("# app.py"))
    (file,) = (text for text in of_kind(PAGE, "yaml") if "app.sum_up" in text)
    (here.path / "app.py").write_text(app)
    (here.path / "schedules.yaml").write_text(file)
    shutil.copytree(ROOT, here.home / "celery-scheduler", ignore=shutil.ignore_patterns(*NOISE))
    # What is here already, pip need not fetch: it builds and installs the package, and leaves the rest as satisfied.
    packages = sysconfig.get_path("purelib")
    return here.environment(PATH=f"{PYTHON.parent}{os.pathsep}{here.environment()['PATH']}", PYTHONPATH=packages)


def test_a_flask_developer_gets_from_nothing_to_a_run_by_the_page_alone() -> None:
    need.venv()
    *before, last = commands(PAGE, "console flask")
    assert last == ".venv/bin/scheduler up"
    with temporary_directory(".venv/bin/scheduler") as here:
        environment = project(here)
        shell = "\n".join(["set -e", *before])
        done = subprocess.run(
            ["bash", "-c", shell],
            cwd=here.path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("schedules.yaml: 1 schedule, 0 warnings, no errors\n")
        exported = dict(line.removeprefix("export ").split("=") for line in before if line.startswith("export "))
        with here.up(python=None, PYTHONPATH=environment["PYTHONPATH"], **exported) as up:
            up.ready()
            up.find(r"succeeded in \S+: '300 EUR'")
            listed = here.run("history", "takings", PYTHONPATH=environment["PYTHONPATH"])
            assert "succeeded" in listed.stdout, listed.stderr
