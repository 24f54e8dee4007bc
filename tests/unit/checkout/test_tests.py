"""Which tests ``python3 -m scheduler test`` runs, and in how many processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.checkout import tests

ROOT = Path(tests.__file__).resolve().parent.parent.parent
TESTS = """
import os, pathlib, pytest

def note(name):
    pathlib.Path("ran").open("a").write(f"{name} {os.environ.get('PYTEST_XDIST_WORKER', 'alone')}\\n")

def test_fast(): note("fast")

@pytest.mark.slow
def test_slow(): note("slow")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with one fast and one slow test."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scheduler", tmp_path / "scheduler", ignore=ignored)
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_both.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:valkey\nmarkers = slow\n")
    return tmp_path


def ran(checkout: Path, *arguments: str) -> list[str]:
    """The tests that ran there, each with its process."""
    code = "import sys; from scheduler.checkout import tests; sys.exit(tests.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False)
    lines = (checkout / "ran").read_text().splitlines()
    assert ("failed checks" in done.stdout) == ("--quick" in arguments), done.stdout + done.stderr
    return sorted({line.rstrip("0123456789") for line in lines})


@pytest.mark.slow
def test_quick_leaves_out_slow_tests_and_runs_the_checks_beside_them(checkout: Path) -> None:
    assert ran(checkout, "--quick") == ["fast gw"]


@pytest.mark.slow
def test_arguments_go_to_pytest_in_several_processes(checkout: Path) -> None:
    assert ran(checkout, "tests/unit") == ["fast gw", "slow gw"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("-n", "0"), ("-s",), ("tests/unit/test_both.py::test_slow",)])
def test_one_process_is_enough_for_one_test_or_where_the_terminal_is_needed(
    checkout: Path, arguments: tuple[str, ...]
) -> None:
    assert {line.split()[1] for line in ran(checkout, *arguments)} == {"alone"}
