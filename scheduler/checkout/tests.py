"""``python3 -m scheduler test``: every check of the code, then every test; ``--quick`` runs the fast part of both."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from scheduler.errors import ConfigurationError, Exit

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy", "--strict", "scheduler", "tests", "bench", "systemd", "app.py"],
    "import-linter": ["lint-imports", "--no-logo"],
    "yamllint": ["yamllint", "--strict", "schedules.yaml"],
}
QUICK = ("tests/unit", "-m", "not slow")
CORES = os.cpu_count() or 2
PROCESSES = min(4, 2 * CORES)  #: more than cores, because the tests wait for half of the time; six take as long
ONE_PROCESS = {"--pdb", "--trace", "-s", "--capture=no", "no:xdist", "-pno:xdist"}  #: they need pytest's own terminal


def run(arguments: Sequence[str]) -> int:
    """Run every check, then all tests; with arguments only pytest; with ``--quick`` the checks beside the fast tests.

    Return 0, or 1 if anything failed.
    """
    if not (CHECKOUT / "tests").is_dir():
        raise ConfigurationError(
            f"there are no tests beside {Path(__file__).parent}: run this in a clone of the repository"
        )
    if not importlib.util.find_spec("pytest"):
        raise ConfigurationError(
            f"{sys.prefix} has no pytest: install requirements-dev.lock there, or leave that environment"
        )
    if "--quick" in arguments:
        return quick([argument for argument in arguments if argument != "--quick"])
    if not arguments and not all_pass(start_checks()):
        return Exit.PROBLEMS
    return pytest(arguments)


def quick(more: Sequence[str]) -> int:
    """Run the checks beside the fast unit tests; ``more`` goes to pytest."""
    started = time.monotonic()
    checks = start_checks()
    code = pytest([*QUICK, *more], processes=CORES)  # these tests do not wait
    code = code if all_pass(checks) else Exit.PROBLEMS
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)
    return code


def start_checks() -> dict[str, subprocess.Popen[bytes]]:
    """Start every check at the same time; its output is to be read from its pipe."""
    return {
        name: subprocess.Popen(
            [Path(sys.executable).with_name(program), *options],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, (program, *options) in CHECKS.items()
    }


def all_pass(checks: dict[str, subprocess.Popen[bytes]]) -> bool:
    """Wait for every check; show what a failed one printed."""
    failed = []
    for name, check in checks.items():
        output, _ = check.communicate()
        if check.returncode:
            failed.append(name)
            sys.stdout.flush()
            sys.stdout.buffer.write(output)
        print(f"{name:<14} {'FAILED' if check.returncode else 'ok'}", flush=True)
    if failed:
        print(f"failed checks: {', '.join(failed)}", flush=True)
    return not failed


def pytest(arguments: Sequence[str], processes: int = PROCESSES) -> int:
    """Run pytest in several processes, or in one for single tests and for what needs the terminal."""
    alone = any(argument in ONE_PROCESS or "::" in argument for argument in arguments)
    spread = [] if alone else ["-n", str(processes), "--dist", "loadgroup"]  # a later -n wins
    done = subprocess.run([sys.executable, "-m", "pytest", *spread, *arguments], cwd=CHECKOUT, check=False)
    return Exit.PROBLEMS if done.returncode else Exit.OK
