"""Make the clone's own ``.venv`` from the lock file, and run inside it. Standard library only.

An installed package is used as it is, and so is an environment that the user activated, if it has every dependency.
Nothing is written outside the clone. Every start of a command in a clone comes by here: what only making an environment
needs is imported then.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from scheduler.command_name import STARTED_AS, command_name
from scheduler.errors import Exit

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RUN_LOCK = "requirements.lock"
TEST_LOCK = "requirements-dev.lock"  # holds every pin of RUN_LOCK too
STAMP = "scheduler-stamp.json"
UNREACHABLE = re.compile(
    r"refused|reset by peer|name or service|name resolution|lookup address|unreachable|timed out|no route|"
    r"certificate|proxy|tunnel|from versions: none",
    re.IGNORECASE,
)


def enter(arguments: list[str], checkout: Path = CHECKOUT) -> None:
    """Return if the dependencies are here; else re-exec in the clone's own environment, which is made first if needed.

    Exits with one line: 69 if a package index cannot be reached, 73 if the clone cannot be written.
    """
    if not (checkout / "pyproject.toml").exists():
        return
    if in_foreign_environment(checkout / ".venv"):
        missing = missing_packages(checkout / "pyproject.toml", extra="pytest" if arguments[:1] == ["test"] else "")
        if not missing:
            return
        print(f"scheduler: {sys.prefix} lacks {', '.join(missing)}: using {checkout}/.venv", file=sys.stderr)
    environment = Environment(checkout, TEST_LOCK if arguments[:1] == ["test"] else RUN_LOCK)
    if not environment.ready():
        environment.make()
    elif Path(sys.prefix).resolve() == environment.home.resolve():
        return
    os.environ.setdefault(STARTED_AS, command_name())
    os.execv(environment.python, [str(environment.python), "-m", "scheduler", *arguments])


def in_foreign_environment(own: Path) -> bool:
    """Whether this process runs in a virtual environment other than ``own``."""
    return sys.prefix != sys.base_prefix and Path(sys.prefix).resolve() != own.resolve()


def missing_packages(project: Path, extra: str = "") -> list[str]:
    """The dependencies in that pyproject.toml, and ``extra``, that this environment does not have."""
    import tomllib

    dependencies = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("dependencies", [])
    names = [re.split(r"[^\w.-]", dependency, maxsplit=1)[0] for dependency in dependencies]
    return [name for name in (*names, *filter(None, [extra])) if not is_installed(name)]


def is_installed(name: str) -> bool:
    """Whether this process has a distribution of this name."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def stop(message: str, code: Exit) -> NoReturn:
    """End this process with one line on stderr."""
    print(f"scheduler: {message}", file=sys.stderr)
    raise SystemExit(int(code))


class Environment:
    """The virtual environment of one clone, for one lock file.

    ``home`` is its directory if not in the clone; ``wheels`` a directory to use in place of the package index.
    """

    def __init__(self, checkout: Path, lock: str, home: Path | None = None, wheels: Path | None = None) -> None:
        self.checkout = checkout
        self.lock = checkout / lock
        self.home = home or checkout / ".venv"
        self.wheels = wheels
        self.python = self.home / "bin" / "python"
        self.stamp = self.home / STAMP

    @property
    def identity(self) -> dict[str, str]:
        """Facts that must not differ: scripts and links in the environment hold the path and the version."""
        return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "checkout": str(self.checkout)}

    def wanted(self) -> dict[str, str]:
        """The entries of the stamp that the lock file requires."""
        locks = (RUN_LOCK, TEST_LOCK) if self.lock.name == TEST_LOCK else (RUN_LOCK,)
        return {name: hashlib.sha256((self.checkout / name).read_bytes()).hexdigest() for name in locks}

    def stamped(self) -> dict[str, str]:
        """The facts that the last complete set-up wrote; empty if there was none."""
        try:
            return dict(json.loads(self.stamp.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def usable(self) -> bool:
        """Whether it is complete, of this Python and at this path; an interrupted set-up leaves no stamp."""
        return self.identity.items() <= self.stamped().items() and os.access(self.python, os.X_OK)

    def ready(self) -> bool:
        """Whether it can be used and has what the lock file requires."""
        return self.usable() and self.wanted().items() <= self.stamped().items()

    def make(self) -> None:
        """Install the lock file and write the stamp; a second process waits for the first, then has nothing to do."""
        started = time.monotonic()
        try:
            with only_one(self.checkout) as held:
                if not self.ready():
                    print(f"scheduler: setting up {self.home} from {self.lock.name}, once …", file=sys.stderr)
                    self.fill(held)
                    print(f"scheduler: set up in {time.monotonic() - started:.1f} s", file=sys.stderr)
        except OSError as error:
            stop(
                f"cannot write {error.filename or self.home}: {error.strerror}; let {getpass.getuser()} write in "
                f"{self.checkout}, or clone it to a directory of your own",
                Exit.CANT_CREATE,
            )
        except KeyboardInterrupt:
            stop("interrupted while setting up .venv: the next start repeats it", Exit.TEMPORARY)

    def fill(self, held: int) -> None:
        """Create it, or install into the one that is there; ``held`` is the descriptor of the lock on the clone."""
        stamp = self.stamped() if self.usable() else {}
        if not stamp and self.home.is_symlink():
            self.home.unlink()  # else the next step would empty the directory that it points to
        self.stamp.unlink(missing_ok=True)
        if not stamp:
            import venv

            venv.EnvBuilder(clear=True, symlinks=True).create(self.home)
            self.link_checkout()
        self.install_lock(held)
        new = self.stamp.with_suffix(".new")
        new.write_text(json.dumps({**stamp, **self.identity, **self.wanted()}), encoding="utf-8")
        new.rename(self.stamp)

    def link_checkout(self) -> None:
        """Let ``.venv/bin/celery`` and ``.venv/bin/scheduler`` find the package from any directory."""
        (packages,) = self.home.glob("lib/python*/site-packages")
        (packages / "celery-scheduler.pth").write_text(f"{self.checkout}\n", encoding="utf-8")
        script = self.home / "bin" / "scheduler"
        script.write_text(
            f'#!/bin/sh\nexport {STARTED_AS}="$0"\nexec {shlex.quote(str(self.python))} -m scheduler "$@"\n',
            encoding="utf-8",
        )
        script.chmod(0o755)

    def install_lock(self, held: int) -> None:
        """Install the lock file's packages, from their hashes only."""
        offline = ["--no-index", "--find-links", str(self.wheels)] if self.wheels else []
        wanted = ["--require-hashes", "--only-binary", ":all:", "-r", str(self.lock)]
        self.call_installer([*offline, *wanted], self.lock, held)

    def call_installer(self, options: list[str], names: Path, held: int) -> None:
        """Install the packages in that file; end this process with one line if that fails."""
        import subprocess

        # The child holds the lock too: if this process is killed, the next start waits for the child.
        command = [*self.installer(), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=[held])
        if done.returncode:
            self.give_up(done.stderr + done.stdout, names)

    def installer(self) -> list[str]:
        """The command that installs packages: uv where there is one, else pip."""
        if uv := shutil.which("uv"):
            # Compiled now, on all cores; else four processes would all do it at the first start.
            return [uv, "pip", "install", "--quiet", "--no-cache", "--compile-bytecode", "--python", str(self.python)]
        options = ["--quiet", "--no-cache-dir", "--no-input", "--disable-pip-version-check", "--retries", "2"]
        return [str(self.python), *self.pip(), "install", *options]

    def pip(self) -> list[str]:
        """Arguments that make Python run pip: from a pinned wheel, else the pip that came with Python.

        The wheel runs as it is. Setting up Python's own pip takes five seconds, and Debian leaves it out.
        """
        import subprocess
        from importlib.util import find_spec

        from scheduler.checkout.index import PIP_WHEEL, Unreachable, fetch_pip

        wheel = self.home / PIP_WHEEL
        try:
            if not wheel.exists():
                wheel.write_bytes((self.wheels / PIP_WHEEL).read_bytes() if self.wheels else fetch_pip())
        except Unreachable as error:
            if not find_spec("ensurepip"):
                stop(str(error), Exit.UNAVAILABLE)
            subprocess.run([self.python, "-m", "ensurepip"], capture_output=True, check=False)
            return ["-m", "pip"]
        return [str(wheel / "pip")]

    def give_up(self, output: str, names: Path) -> NoReturn:
        """End this process with the reason why the packages in ``names`` were not installed."""
        from scheduler.checkout.index import Unreachable, package_index

        why = reason(output)
        if UNREACHABLE.search(why):
            stop(str(Unreachable(package_index(uv=bool(shutil.which("uv"))), why)), Exit.UNAVAILABLE)
        stop(f"cannot install {names.name}: {why}; fix that, then start again", Exit.UNAVAILABLE)


def reason(output: str) -> str:
    """The one clause that matters in the output of a failed uv or pip, which may have fifty lines."""
    clauses = (
        re.findall(r"^\s*cause: (.+)$", output, re.MULTILINE)[-1:]
        or re.findall(r"\[(?:Errno -?\d+|SSL: \w+)\] ([^'\")]+)", output)[-1:]
        or re.findall(r"^error: (.+?)(?:\. |$)", output, re.MULTILINE | re.IGNORECASE)[:1]
        or output.splitlines()[-1:]
        or ["the installer said nothing"]
    )
    return clauses[0].strip()


@contextmanager
def only_one(checkout: Path) -> Iterator[int]:
    """Lock the clone's directory during the set-up; the lock leaves no file."""
    held = os.open(checkout, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("scheduler: waiting for another set-up of this checkout …", file=sys.stderr)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield held
    finally:
        os.close(held)
