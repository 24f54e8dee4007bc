"""``python3 -m scheduler test``: every check of the code, then the tests."""

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
CHECKS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy", "--strict", "scheduler", "tests", "bench", "systemd", "app.py"]),
    ("import-linter", ["lint-imports", "--no-logo"]),
    ("yamllint", ["yamllint", "--strict", "schedules.yaml"]),
)


def run(arguments: Sequence[str]) -> int:
    """Every check and all tests, or only pytest if it is given `arguments`. Return 0, or 1 if anything failed."""
    if not (CHECKOUT / "tests").is_dir():
        raise ConfigurationError(
            f"there are no tests beside {Path(__file__).parent}: run this in a clone of the repository"
        )
    if not importlib.util.find_spec("pytest"):
        raise ConfigurationError(
            f"{sys.prefix} has no pytest: install requirements-dev.lock there, or leave that environment"
        )
    if arguments:
        return pytest(arguments)
    failed = [name for name, command in CHECKS if not passes(name, command)]
    if failed:
        print(f"failed before the tests: {', '.join(failed)}", flush=True)
        return Exit.PROBLEMS
    processes = max(2, min(4, os.cpu_count() or 2))
    return pytest(["-n", str(processes), "--dist", "loadgroup"])


def passes(name: str, command: Sequence[str]) -> bool:
    """Run one check; what it has to say is shown only if it fails."""
    started = time.monotonic()
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    sys.stdout.flush()
    if done.returncode:
        sys.stdout.buffer.write(done.stdout)
    print(f"{name:<14} {'FAILED' if done.returncode else 'ok'} in {time.monotonic() - started:.1f} s", flush=True)
    return done.returncode == 0


def pytest(arguments: Sequence[str]) -> int:
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=CHECKOUT, check=False)
    return Exit.PROBLEMS if done.returncode else Exit.OK
