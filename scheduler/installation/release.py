"""A release: a virtual environment with the service in it, complete before it is switched to.

Each lies in a directory of its own, so that processes of the one before keep what they imported from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scheduler import __version__
from scheduler.checkout.environment import PIP_WHEEL, Environment, only_one
from scheduler.installation.layout import DOCUMENTS, Layout, Step

LOCK = "systemd/requirements.lock"
OWN = "requirements.txt"  #: in the configuration: what the user's tasks need


class Release:
    """What ``layout.source`` and the user's requirements make with this Python."""

    def __init__(self, layout: Layout, wheels: Path | None = None) -> None:
        self.layout = layout
        self.wheels = wheels
        self.lock = layout.source / LOCK
        self.own = layout.configuration / OWN
        self.home = layout.program / f"{__version__}-{self.digest()}"
        self.python = self.home / "bin/python"

    @property
    def before(self) -> Path | None:
        """The release that is switched to now."""
        return self.layout.venv.resolve() if self.layout.venv.is_symlink() else None

    def steps(self) -> Iterator[Step]:
        """Nothing where this release is the one that runs."""
        if self.before != self.home:
            yield Step(f"make the virtual environment {self.home}", self.make)

    def digest(self) -> str:
        """Another for each difference in code, units, dependencies or Python."""
        found = hashlib.sha256(f"{sys.version_info.major}.{sys.version_info.minor}".encode())
        trees = [path for name in ("scheduler", "systemd") for path in (self.layout.source / name).rglob("*")]
        code = {str(path.relative_to(self.layout.source)): path for path in trees if "__pycache__" not in path.parts}
        for name, path in (*sorted(code.items()), (OWN, self.own)):
            if path.is_file():
                found.update(name.encode() + b"\0" + path.read_bytes())
        return found.hexdigest()[:12]

    def make(self) -> None:
        """Build it; an attempt that was interrupted is begun anew."""
        self.layout.program.mkdir(parents=True, exist_ok=True)
        venv.EnvBuilder(clear=True, symlinks=True).create(self.home)
        environment = Environment(self.layout.source, LOCK, self.home, self.wheels)
        with only_one(self.layout.program) as held:
            environment.install(held)
            if self.own.exists():
                self.install_own(environment, held)
        with suppress(FileNotFoundError):
            (self.home / PIP_WHEEL).unlink()
        (packages,) = self.home.glob("lib/python*/site-packages")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.layout.source / "scheduler", packages / "scheduler", ignore=ignored)
        subprocess.run([self.python, "-m", "compileall", "-q", packages / "scheduler"], check=True)

    def install_own(self, environment: Environment, held: int) -> None:
        """What the user's tasks need, in versions that leave ours as they are."""
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            pins.write("\n".join(re.findall(r"^[^\s#]+==[^\s;]+", self.lock.read_text(), re.MULTILINE)))
            pins.flush()
            found = ["--find-links", str(self.wheels)] if self.wheels else []
            environment.call_installer([*found, "--constraint", pins.name, "-r", str(self.own)], self.own, held)

    def switch(self) -> None:
        """From now on every process that starts is of this release."""
        switch(self.layout.venv, self.home)

    @property
    def others(self) -> list[Path]:
        """Earlier ones; as long as there are any, processes may run that are of them."""
        found = self.layout.program.iterdir()
        kept = (self.home, self.layout.program / DOCUMENTS)
        return [path for path in found if path.is_dir() and not path.is_symlink() and path not in kept]

    def remove_others(self) -> None:
        for path in self.others:
            shutil.rmtree(path)


def switch(link: Path, target: Path) -> None:
    """Let the link lead there in one step."""
    new = link.with_name(".venv.new")
    new.unlink(missing_ok=True)
    os.symlink(target, new)
    os.replace(new, link)
