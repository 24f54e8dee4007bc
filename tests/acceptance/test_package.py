"""The package for those who have no clone: built from its source distribution, installed into an empty environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from scheduler.checkout.environment import RUN_LOCK, Environment, only_one
from scheduler.errors import Exit
from tests.acceptance.page import Page
from tests.acceptance.processes import NOISE, ROOT, Directory, temporary_directory

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, 'build_' + sys.argv[1])(sys.argv[2])"
APP = "def app(environ, start):\n    raise RuntimeError('this application has its own server')\n"
JOBS = 'from celery import shared_task\n\n\n@shared_task(name="jobs.greet")\ndef greet():\n    return "hello"\n'
GREET = "imports: [jobs]\nschedules: {greet: {task: jobs.greet, every: 1s}}\n"


def environment(home: Path) -> Environment:
    """A virtual environment with nothing in it."""
    venv.EnvBuilder(clear=True, symlinks=True).create(home)
    return Environment(ROOT, RUN_LOCK, home)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the source distribution, and the wheel that was built from that."""
    place = tmp_path_factory.mktemp("package")
    made = environment(place / "tools")
    requires = place / "build.txt"
    requires.write_text("setuptools>=77\n")
    with only_one(place) as held:
        made.call_installer(["-r", str(requires)], requires, held)
    shutil.copytree(ROOT, place / "clone", ignore=shutil.ignore_patterns(*NOISE))
    build(made, "sdist", place / "clone", place)
    with tarfile.open(next(place.glob("*.tar.gz"))) as sdist:
        sdist.extractall(place / "source", filter="data")
    build(made, "wheel", next((place / "source").iterdir()), place)
    return place


def build(tools: Environment, kind: str, source: Path, target: Path) -> None:
    command = [str(tools.python), "-c", BUILD, kind, str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def script(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command ``scheduler`` of an environment that holds the wheel and the locked dependencies."""
    made = environment(tmp_path_factory.mktemp("installed") / "venv")
    with only_one(distributions) as held:
        made.install_lock(held)
        made.call_installer(["--no-deps", str(next(distributions.glob("*.whl")))], made.lock, held)
    return made.home / "bin" / "scheduler"


def files(distributions: Path) -> set[str]:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def metadata(distributions: Path) -> Message:
    with zipfile.ZipFile(next(distributions.glob("*.whl"))) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(name))


def test_the_source_distribution_is_what_a_clone_is(distributions: Path) -> None:
    source = next((distributions / "source").iterdir())
    clone = distributions / "clone"
    left_out = {
        str(path.relative_to(clone)) for path in clone.rglob("*") if not (source / path.relative_to(clone)).exists()
    }
    assert not {path for path in left_out if not re.match(r"\.(ci|gitignore)\b|.*\.pyc$|.*egg-info|build\b", path)}


def test_the_wheel_holds_every_file_that_the_package_reads_and_nothing_else(distributions: Path) -> None:
    code = {path for path in (ROOT / "scheduler").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {str(path.relative_to(ROOT)) for path in code}
    assert {name for name in files(distributions) if ".dist-info/" not in name} == expected


def test_the_description_reads_without_the_repository(distributions: Path) -> None:
    said = metadata(distributions)
    text = str(said.get_payload())
    assert said["Description-Content-Type"] == "text/markdown"
    assert "When something dies" in text
    assert not re.findall(r"\]\((?!https?:)", text), "a link that leads nowhere"
    assert "![" not in text


def test_in_an_empty_directory_the_first_command_runs_everything(script: Path) -> None:
    with temporary_directory(str(script)) as here:
        assert here.run("list").stderr.endswith(
            f"start the service with `{script} up`, or set SCHEDULER_REDIS_URL to a Redis that runs\n"
        )
        with here.up() as up:
            page = Page(up.ready())
            page.log_in(up.password)
            up.find("succeeded in .*: 30")
            assert "log-it" in page.get("/")
            assert here.run("schema", "--path").stdout.strip() in schema_of(here)


def schema_of(here: Directory) -> str:
    """The line of the schedule file that names the schema."""
    line = (here.path / "schedules.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert Path(line.partition("$schema=")[2]).is_file()
    return line


def test_in_a_project_its_schedules_run_and_its_own_application_is_not_served(script: Path) -> None:
    with temporary_directory(str(script)) as here:
        for name, text in {"app.py": APP, "jobs.py": JOBS, "schedules.yaml": GREET}.items():
            (here.path / name).write_text(text)
        with here.up() as up:
            page = Page(up.ready())
            page.log_in(up.password)
            up.find("succeeded in .*: 'hello'")
            assert "greet" in page.get("/")
            assert "password: cat .scheduler/run/admin-password" in here.run("up").stderr


def test_a_module_with_the_name_of_the_package_is_refused(script: Path) -> None:
    with temporary_directory(str(script)) as here:
        (here.path / "scheduler.py").touch()
        done = here.run("up")
        assert done.returncode == Exit.CONFIG
        assert done.stderr.startswith(f"scheduler: {here.path}/scheduler.py hides the package `scheduler`")
