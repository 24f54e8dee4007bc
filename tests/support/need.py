"""Programs that some tests need: without one, its tests are skipped and name the package; with CI=true they fail."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import NoReturn

import pytest

#: Debian's package of a program, if it has another name.
PACKAGES = {
    "epmd": "rabbitmq-server",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "promtool": "prometheus",
    "redis-cli": "redis-tools",
    "setpriv": "util-linux",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}


def program(name: str, *before: str) -> str:
    """Path of a program; ``before`` are directories that are searched first."""
    if found := shutil.which(name, path=os.pathsep.join((*before, os.environ["PATH"]))):
        return found
    lacks(install(name))


def root_and(*names: str) -> None:
    """Go on only if root runs the tests, and all of these programs are installed."""
    if remedies := root_lacks(*names):
        lacks(*remedies)


def root_lacks(*names: str) -> list[str]:
    """What to do before root can use these programs; nothing if it can."""
    missing = [name for name in names if not shutil.which(name)]
    return [install(*missing)] * bool(missing) + ["run as root"] * (os.geteuid() != 0)


def venv() -> None:
    """Go on only if ``python3 -m venv`` works, for which Debian has a package of its own."""
    if not find_spec("ensurepip"):
        lacks(install("python3-venv"))


def install(*names: str) -> str:
    return "apt-get install " + " ".join(sorted({PACKAGES.get(name, name) for name in names}))


def lacks(*remedies: str) -> NoReturn:
    """End the test that cannot run here; each remedy is what to do, in a few words."""
    if os.environ.get("CI") == "true":
        pytest.fail("; ".join(remedies), pytrace=False)
    pytest.skip("; ".join(remedies))
