"""A release: a virtual environment with the service in it, and the units and other files of the machine.

Each has its own directory, which is complete before the switch to it: processes of the one before keep the files that
they import, and everything of that one can be put in place again.
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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from scheduler import __version__
from scheduler.checkout.environment import Environment, only_one
from scheduler.checkout.index import PIP_WHEEL
from scheduler.installation.layout import Layout, Step, take

LOCK = "systemd/requirements.lock"
FILES = "files"  #: in a release: a copy of each of its files of the machine, below its path there
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
        """None if this release is complete already."""
        if not (self.home / FILES).exists() and self.before != self.home:
            yield Step(f"make the virtual environment {self.home}", self.make)

    def digest(self) -> str:
        """Differs for any difference in code, units, pages, dependencies or Python."""
        digest = hashlib.sha256(f"{sys.version_info.major}.{sys.version_info.minor}".encode())
        trees = [path for name in ("scheduler", "systemd") for path in (self.layout.source / name).rglob("*")]
        trees += self.layout.files.values()
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
        self.save(self.home, self.layout.files)

    def install_own(self, environment: Environment, held: int) -> None:
        """Install the user's requirements without changing the version of a package of ours."""
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            # As constraints: pip refuses a requirement that needs another version of a package of ours.
            pins.write("\n".join(re.findall(r"^[^\s#]+==[^\s;]+", self.lock.read_text(), re.MULTILINE)))
            pins.flush()
            links = ["--find-links", str(self.wheels)] if self.wheels else []
            environment.call_installer([*links, "--constraint", pins.name, "-r", str(self.own)], self.own, held)

    def save(self, home: Path, files: Mapping[Path, Path]) -> None:
        """Keep the files of the machine that belong to a release, in one step: a release with them is complete."""
        new = home / f"{FILES}.new"
        for target, source in files.items():
            self.layout.copy(source, new / target.relative_to("/"))
        new.rename(home / FILES)

    def file_steps(self) -> Iterator[Step]:
        """What is to change in the files of the machine."""
        yield from self.layout.file_steps(self.layout.files)

    def keep(self) -> Path | None:
        """Mark the last accepted release to be kept during the trial of this one; None if there is none but this.

        After an interrupted trial that is not the release in use.
        """
        kept = self.layout.kept
        if not kept.exists() and self.before and self.before != self.home:
            if not (self.before / FILES).exists():  # an earlier version made it
                self.save(self.before, {path: path for path in self.layout.files if path.exists()})
            switch(kept, self.before)
        return kept.resolve() if kept.exists() and kept.resolve() != self.home else None

    def put_in_place(self) -> None:
        """Let every process that starts from now on be of this release, units included."""
        put_in_place(self.layout, self.home, self.layout.files, self.before)

    def take_back(self, kept: Path) -> None:
        """Put the kept release in place of this one, which is deleted when no process needs it."""
        put_in_place(self.layout, kept, stored_files(kept), self.home)

    @property
    def others(self) -> list[Path]:
        """Other releases than the one in use; processes of theirs may still run."""
        paths = self.layout.program.iterdir()
        kept = (self.layout.venv.resolve(), *(path.parent for path in self.layout.files))
        return [path for path in paths if path.is_dir() and not path.is_symlink() and path not in kept]

    def accept(self) -> None:
        """End a trial: delete every release but the one in use. Call it when their processes have ended."""
        self.layout.kept.unlink(missing_ok=True)
        for path in self.others:
            shutil.rmtree(path)


def stored_files(home: Path) -> dict[Path, Path]:
    """The copy of each file of the machine that belongs to the release."""
    copies = [path for path in (home / FILES).rglob("*") if path.is_file()]
    return {Path("/") / path.relative_to(home / FILES): path for path in copies}


def put_in_place(layout: Layout, home: Path, files: Mapping[Path, Path], instead_of: Path | None) -> None:
    """Write the release's files, remove those that only the other release has, and let ``venv`` lead to it."""
    take(layout.file_steps(files), dry_run=False)
    for target in stored_files(instead_of) if instead_of else ():
        if target not in files:
            target.unlink(missing_ok=True)
    switch(layout.venv, home)


def switch(link: Path, target: Path) -> None:
    """Point the link at the target in one step."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    os.symlink(target, new)
    os.replace(new, link)
