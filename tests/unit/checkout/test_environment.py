"""From a clone and a bare Python to an environment, or to one line that says why not."""

from __future__ import annotations

import ast
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.checkout import environment, index
from scheduler.checkout.environment import RUN_LOCK, STAMP, TEST_LOCK, Environment, reason
from scheduler.errors import Exit
from tests.support import need

pytestmark = pytest.mark.slow

ROOT = Path(environment.__file__).resolve().parent.parent.parent
PYTHON = Path(sys.executable).resolve()  # outside every virtual environment
EARLIEST = ("__init__.py", "__main__.py")  # what an old Python reads before it is told off
HASH = "sha256:" + "0" * 64

# Stands for uv: notes what it is asked, fails as it is told to, and needs no network.
UV = """
    import os, sys, time
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\\n")
    time.sleep(float(os.environ.get("TAKES", "0")))
    sys.exit(os.environ.get("FAILS") or 0)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with the bootstrap, a command line that tells where it runs, and lock files that name nothing."""
    clone = tmp_path / "a clone"
    (clone / "scheduler" / "checkout").mkdir(parents=True)
    for name in (
        *EARLIEST,
        "command_name.py",
        "errors.py",
        "checkout/__init__.py",
        "checkout/environment.py",
        "checkout/index.py",
    ):
        shutil.copy(ROOT / "scheduler" / name, clone / "scheduler" / name)
    (clone / "scheduler" / "cli.py").write_text("import sys\ndef main():\n    print(sys.prefix, *sys.argv[1:])\n")
    (clone / "pyproject.toml").touch()
    for lock in (RUN_LOCK, TEST_LOCK):
        (clone / lock).write_text(f"# {lock}\n")
    return clone


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """A directory for PATH with that `uv` in it."""
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text(f"#!{PYTHON}\n{textwrap.dedent(UV)}")
    program.chmod(0o755)
    return program.parent


def start(
    clone: Path, *arguments: str, path: Path | None = None, python: Path = PYTHON, **environ: str
) -> subprocess.CompletedProcess[str]:
    searched = f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin"
    return subprocess.run(
        [python, "-m", "scheduler", *arguments],
        cwd=clone,
        env={"PATH": searched, "CALLS": str(clone.parent / "calls"), "HOME": "/nonexistent", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def calls(clone: Path) -> list[str]:
    told = clone.parent / "calls"
    return told.read_text().splitlines() if told.exists() else []


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """What is said after the announcement, which must be one line and no traceback."""
    announced, *lines = done.stderr.splitlines()
    assert "setting up" in announced
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_the_first_start_installs_from_the_lock_with_hashes_and_runs_the_command_there(clone: Path, uv: Path) -> None:
    done = start(clone, "list", "--json", path=uv)
    assert done.stdout.split("\n")[0] == f"{clone}/.venv list --json"
    (call,) = calls(clone)
    assert "--require-hashes" in call
    assert "--no-cache" in call, "nothing may be written outside the checkout"
    assert call.endswith(f"-r {clone / RUN_LOCK}")


def test_later_starts_install_nothing(clone: Path, uv: Path) -> None:
    start(clone, "list", path=uv)
    again = start(clone, "list", path=uv)
    assert again.stdout == f"{clone}/.venv list\n"
    assert again.stderr == ""
    assert len(calls(clone)) == 1


@pytest.mark.parametrize(
    ("commands", "installed"), [("up test test up", [RUN_LOCK, TEST_LOCK]), ("test up", [TEST_LOCK])]
)
def test_the_test_command_needs_the_development_lock_which_holds_the_other(
    clone: Path, uv: Path, commands: str, installed: list[str]
) -> None:
    for command in commands.split():
        start(clone, command, path=uv)
    assert [call.rpartition("/")[2] for call in calls(clone)] == installed


def test_a_lock_that_changed_is_installed_on_top(clone: Path, uv: Path) -> None:
    start(clone, "list", path=uv)
    kept = clone / ".venv" / "kept"
    kept.touch()
    (clone / RUN_LOCK).write_text("# another\n")
    start(clone, "list", path=uv)
    assert len(calls(clone)) == 2
    assert kept.exists()


@pytest.mark.parametrize("spoiled", ["interrupted", "moved", "other python", "python is gone"])
def test_an_environment_that_is_not_whole_is_made_anew(clone: Path, uv: Path, spoiled: str) -> None:
    start(clone, "list", path=uv)
    stale = clone / ".venv" / "stale"
    stale.touch()
    stamp = clone / ".venv" / STAMP
    if spoiled == "interrupted":
        stamp.unlink()
    elif spoiled == "moved":
        clone = clone.rename(clone.with_name("moved"))
        stale = clone / ".venv" / "stale"
    elif spoiled == "other python":
        stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10"}))
    else:
        (clone / ".venv" / "bin" / "python").unlink()
    assert start(clone, "list", path=uv).stdout == f"{clone}/.venv list\n"
    assert not stale.exists()


def test_an_environment_that_is_a_link_is_made_anew_beside_what_it_leads_to(
    clone: Path, uv: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    (clone / ".venv").symlink_to(elsewhere)
    assert start(clone, "list", path=uv).returncode == 0
    assert (elsewhere / "precious").read_text() == "mine"
    assert not (clone / ".venv").is_symlink()


def test_a_failed_set_up_is_done_again_at_the_next_start(clone: Path, uv: Path) -> None:
    assert start(clone, "list", path=uv, FAILS="error: No space left").returncode == Exit.UNAVAILABLE
    assert start(clone, "list", path=uv).returncode == 0
    assert len(calls(clone)) == 2


def test_a_failed_upgrade_makes_the_environment_anew_because_half_of_it_may_be_changed(clone: Path, uv: Path) -> None:
    start(clone, "list", path=uv)
    half = clone / ".venv" / "half"
    half.touch()
    (clone / RUN_LOCK).write_text("# another\n")
    start(clone, "list", path=uv, FAILS="error: No space left")
    start(clone, "list", path=uv)
    assert not half.exists()


def test_two_first_starts_at_once_install_only_once(clone: Path, uv: Path) -> None:
    with_pause = functools.partial(start, clone, "list", path=uv, TAKES="1")
    results: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda: results.append(with_pause())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.stdout for done in results] == [f"{clone}/.venv list\n"] * 2
    assert len(calls(clone)) == 1


def test_an_installed_package_is_used_as_it_is(clone: Path) -> None:
    (clone / "pyproject.toml").unlink()
    assert start(clone, "list").stdout == f"{sys.base_prefix} list\n"
    assert not (clone / ".venv").exists()


def test_another_environment_that_was_entered_is_used_as_it_is(clone: Path, tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "mine"], check=True)
    done = subprocess.run(
        [tmp_path / "mine" / "bin" / "python", "-m", "scheduler"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "mine")
    assert not (clone / ".venv").exists()


def test_an_activated_environment_without_the_dependencies_is_left_alone_for_the_clones_own(
    clone: Path, uv: Path, tmp_path: Path
) -> None:
    (clone / "pyproject.toml").write_text(
        '[project]\ndependencies = ["celery[redis]>=5.7,<5.8", "tzdata", "click>=8"]\n'
    )
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "mine"], check=True)
    python = tmp_path / "mine" / "bin" / "python"
    done = start(clone, "list", path=uv, python=python)
    assert done.stdout == f"{clone}/.venv list\n"
    first, *_ = done.stderr.splitlines()
    assert first == f"scheduler: {tmp_path}/mine lacks celery, tzdata, click: using {clone}/.venv"
    (packages,) = (tmp_path / "mine").glob("lib/python*/site-packages")
    for name in ("celery", "tzdata", "click"):
        (packages / f"{name}-9.0.dist-info").mkdir()
        (packages / f"{name}-9.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 9.0\n")
    assert start(clone, "list", python=python).stdout == f"{tmp_path}/mine list\n", "now it has them all"
    assert "lacks pytest" in start(clone, "test", path=uv, python=python).stderr


def test_the_console_script_runs_from_any_directory(clone: Path, uv: Path, tmp_path: Path) -> None:
    start(clone, "list", path=uv)
    script = clone / ".venv" / "bin" / "scheduler"
    done = subprocess.run([script, "next"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{clone}/.venv next\n"


def test_without_network_uv_gets_one_line_that_names_the_index_without_its_password(clone: Path, uv: Path) -> None:
    failure = "error: Request failed\n  cause: error resolving DNS\n  cause: failed to lookup address: Name not known"
    done = start(clone, "up", path=uv, FAILS=failure, UV_DEFAULT_INDEX="https://me:secret@mirror.example/simple")
    assert done.returncode == Exit.UNAVAILABLE
    assert only_line(done) == (
        "scheduler: cannot reach https://mirror.example/simple (failed to lookup address: Name not known): "
        "connect this machine to it, or name a mirror in PIP_INDEX_URL (for uv: UV_DEFAULT_INDEX), then start again"
    )


@pytest.mark.slow
def test_without_network_pip_gets_one_line_too(clone: Path) -> None:
    (clone / RUN_LOCK).write_text(f"celery==5.7.0 --hash={HASH}\n")
    done = start(clone, "up", PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == Exit.UNAVAILABLE
    assert only_line(done).startswith("scheduler: cannot reach http://127.0.0.1:1/simple")
    assert "Connection refused" in only_line(done)


@pytest.fixture
def no_ensurepip(tmp_path: Path) -> str:
    """A PYTHONPATH that makes this a Debian without python3-venv."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import importlib.util\nfound = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'ensurepip' else found(name, *more)\n"
    )
    return str(tmp_path / "site")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A package index that offers the pinned pip wheel by name, with other bytes in it."""
    page = tmp_path / "mirror" / "simple" / "pip" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../{index.PIP_WHEEL}#sha256=1">pip</a>')
    (tmp_path / "mirror" / index.PIP_WHEEL).write_bytes(b"something else")
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "mirror"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A test's output is for its own words."""


def test_without_ensurepip_and_network_the_index_is_named(clone: Path, no_ensurepip: str) -> None:
    done = start(clone, "up", PIP_INDEX_URL="http://me:secret@127.0.0.1:1/simple", PYTHONPATH=no_ensurepip)
    assert done.returncode == Exit.UNAVAILABLE
    assert only_line(done).startswith("scheduler: cannot reach http://127.0.0.1:1/simple/pip/ (")


def test_without_ensurepip_a_pip_that_is_not_the_pinned_one_is_not_run(
    clone: Path, no_ensurepip: str, mirror: str
) -> None:
    done = start(clone, "up", PIP_INDEX_URL=mirror, PYTHONPATH=no_ensurepip)
    assert done.returncode == Exit.UNAVAILABLE
    assert "does not have the pinned hash" in only_line(done)
    assert not (clone / ".venv" / index.PIP_WHEEL).exists()


@pytest.mark.slow
def test_where_the_pinned_pip_cannot_be_had_the_one_that_python_brought_is_used(clone: Path, mirror: str) -> None:
    need.venv()
    done = start(clone, "list", PIP_INDEX_URL=mirror)
    assert done.stdout == f"{clone}/.venv list\n", done.stderr
    assert list(clone.glob(".venv/lib/*/site-packages/pip"))


def test_a_checkout_that_cannot_be_written_gets_one_line(clone: Path, uv: Path) -> None:
    (clone / ".venv").write_text("in the way, for root too\n")
    done = start(clone, "up", path=uv)
    assert done.returncode == Exit.CANT_CREATE
    assert only_line(done).startswith(f"scheduler: cannot write {clone}/.venv")


def test_an_old_python_is_told_which_one_to_install() -> None:
    pretend = "import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_module('scheduler', run_name='__main__')"
    done = subprocess.run([PYTHON, "-c", pretend, "up"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.CONFIG
    assert done.stderr == (
        "scheduler: needs Python 3.11 or later; this is 3.9: install python3.11 and run python3.11 -m scheduler up\n"
    )


@pytest.mark.parametrize("name", EARLIEST)
def test_what_an_old_python_reads_first_parses_there(name: str) -> None:
    source = (ROOT / "scheduler" / name).read_text()
    ast.parse(source, feature_version=(3, 6))
    assert "__future__" not in source, "annotations as text are of 3.7, and would be a SyntaxError"


def test_the_development_lock_holds_every_pin_of_the_other() -> None:
    assert pins(RUN_LOCK) <= pins(TEST_LOCK)


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^ ]+", (ROOT / lock).read_text(), re.MULTILINE))


def test_every_pin_has_a_hash() -> None:
    for lock in (RUN_LOCK, TEST_LOCK):
        for pin in re.split(r"\n(?=\w)", (ROOT / lock).read_text())[1:]:
            assert "--hash=sha256:" in pin, pin


@pytest.mark.parametrize(
    ("output", "clause"),
    [
        ("error: Failed to download `x`\n  cause: Hash mismatch for `x`\n", "Hash mismatch for `x`"),
        ("WARNING: Retrying … [Errno 28] No space left on device')\nERROR: it failed", "No space left on device"),
        ("ERROR: THESE DO NOT MATCH. If you have updated them, …", "THESE DO NOT MATCH"),
        ("something else\nat last", "at last"),
        ("", "the installer said nothing"),
    ],
)
def test_the_clause_that_matters_is_picked_from_what_installers_say(output: str, clause: str) -> None:
    assert reason(output) == clause


def test_a_stamp_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    environment = Environment(tmp_path, RUN_LOCK)
    environment.home.mkdir()
    environment.stamp.write_text("{")
    assert environment.stamped() == {}
