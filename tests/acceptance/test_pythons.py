"""The fast unit tests on every Python from 3.11 up that this machine has, beside the one that runs this.

``test_bare_machine.py`` runs them on the newest Debian's Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.checkout.environment import TEST_LOCK
from tests.acceptance.processes import PYTHON, ROOT
from tests.support import need
from tests.systemd import bare
from tests.systemd.image import CACHE

OLDEST = 11
PLACES = (*map(Path, os.environ["PATH"].split(os.pathsep)), *Path.home().glob(".pyenv/versions/*/bin"))
MAKE = """
import sys, venv
from pathlib import Path
from scheduler.checkout import environment
made = environment.Environment(environment.CHECKOUT, environment.TEST_LOCK, home=Path(sys.argv[1]))
venv.EnvBuilder(clear=True, symlinks=True).create(made.home)
made.install_lock(sys.stdin.fileno())
"""


def others() -> dict[str, Path]:
    """One program of each other version, by the version."""
    found: dict[str, Path] = {}
    elsewhere = None if need.root_lacks(*bare.NEEDS) else bare.RELEASES["trixie"]
    for place in PLACES:
        for path in place.glob("python3.*"):
            minor = re.fullmatch(r"python3\.(\d+)", path.name)
            if minor and int(minor[1]) >= OLDEST and int(minor[1]) != sys.version_info.minor:
                found[f"3.{minor[1]}"] = path
    return {version: path for version, path in found.items() if version != elsewhere} or found


OTHERS = others()


def environment(version: str) -> Path:
    """The Python of an environment with what the tests' lock names; made once, and kept outside of the clone."""
    key = (ROOT / TEST_LOCK).read_bytes() + os.fsencode(OTHERS[version])
    home = CACHE / f"python-{version}-{hashlib.sha256(key).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"python-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "whole").exists():
            done = subprocess.run(
                [OTHERS[version], "-c", MAKE, home],
                cwd=ROOT,
                stdin=lock.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout
            (home / "whole").touch()
    return home / "bin/python"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", sorted(OTHERS) or ["none"])
def test_the_unit_tests_pass_on_every_python_of_this_machine(version: str) -> None:
    if version not in OTHERS:
        pytest.skip(f"install another Python than {PYTHON.name}, for example with pyenv")
    options = ["-q", "-m", "not slow", "-p", "no:cacheprovider", "-n", "0"]
    done = subprocess.run(
        [environment(version), "-m", "pytest", "tests/unit", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
