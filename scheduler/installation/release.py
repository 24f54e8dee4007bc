"""A release: a virtual environment with the service in it, complete before the switch to it.

Each has its own directory, so that processes of the one before keep the files that they import.
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
from scheduler.installation.layout import Layout, Step

LOCK = "systemd/requirements.lock"
USER_REQUIREMENTS = "requirements.txt"  #: in the configuration: packages for the user's tasks


class Release:
    """The release that ``layout.source`` and the user's requirements give with this Python."""

    def __init__(self, layout: Layout, wheels: Path | None = None) -> None:
        self.layout = layout
        self.wheels = wheels
        self.lock = layout.source / LOCK
        self.own = layout.configuration / USER_REQUIREMENTS
        self.home = layout.program / f"{__version__}-{self.digest()}"
        self.python = self.home / "bin/python"

    @property
    def before(self) -> Path | None:
        """The release that is in use now."""
        return self.layout.venv.resolve() if self.layout.venv.is_symlink() else None

    def steps(self) -> Iterator[Step]:
        """None if this release is in use already."""
        if self.before != self.home:
            yield Step(f"make the virtual environment {self.home}", self.make)

    def digest(self) -> str:
        """Differs for any difference in code, units, dependencies or Python."""
        digest = hashlib.sha256(f"{sys.version_info.major}.{sys.version_info.minor}".encode())
        trees = [path for name in ("scheduler", "systemd") for path in (self.layout.source / name).rglob("*")]
        code = {str(path.relative_to(self.layout.source)): path for path in trees if "__pycache__" not in path.parts}
        for name, path in (*sorted(code.items()), (USER_REQUIREMENTS, self.own)):
            if path.is_file():
                digest.update(name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def make(self) -> None:
        """Build it; an interrupted attempt starts over."""
        self.layout.program.mkdir(parents=True, exist_ok=True)
        venv.EnvBuilder(clear=True, symlinks=True).create(self.home)
        environment = Environment(self.layout.source, LOCK, self.home, self.wheels)
        with only_one(self.layout.program) as held:
            environment.install_lock(held)
            if self.own.exists():
                self.install_own(environment, held)
        with suppress(FileNotFoundError):
            (self.home / PIP_WHEEL).unlink()
        (packages,) = self.home.glob("lib/python*/site-packages")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.layout.source / "scheduler", packages / "scheduler", ignore=ignored)
        # The services may not write there: they would compile again at each start.
        subprocess.run([self.python, "-m", "compileall", "-q", packages / "scheduler"], check=True)

    def install_own(self, environment: Environment, held: int) -> None:
        """Install the user's requirements without changing the version of a package of ours."""
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            # As constraints: pip refuses a requirement that needs another version of a package of ours.
            pins.write("\n".join(re.findall(r"^[^\s#]+==[^\s;]+", self.lock.read_text(), re.MULTILINE)))
            pins.flush()
            links = ["--find-links", str(self.wheels)] if self.wheels else []
            environment.call_installer([*links, "--constraint", pins.name, "-r", str(self.own)], self.own, held)

    def switch(self) -> None:
        """Let every process that starts from now on be of this release."""
        switch(self.layout.venv, self.home)

    @property
    def others(self) -> list[Path]:
        """Earlier releases; processes of theirs may still run."""
        paths = self.layout.program.iterdir()
        kept = (self.home, *(path.parent for path in self.layout.files))
        return [path for path in paths if path.is_dir() and not path.is_symlink() and path not in kept]

    def remove_others(self) -> None:
        """Delete every release but this one: call it when their processes have ended."""
        for path in self.others:
            shutil.rmtree(path)


def switch(link: Path, target: Path) -> None:
    """Point the link at the target in one step."""
    new = link.with_name(".venv.new")
    new.unlink(missing_ok=True)
    os.symlink(target, new)
    os.replace(new, link)
