"""A copy of the checkout, or an empty directory, the service started in it, and the proof that nothing is left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import until

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = Path(sys.executable).resolve()  #: outside every virtual environment
KEPT = re.compile(r"PATH|LANG|LC_.*|TZ|PIP_.*|UV_.*|SSL_.*|.*_CA_BUNDLE|(https?|no|all)_proxy", re.IGNORECASE)
NOISE = (".git", ".venv", ".scheduler", ".*_cache", ".hypothesis", "__pycache__", "test-results", "node_modules")


class Directory:
    """A directory in which a person starts the service, and their home beside it."""

    def __init__(self, path: Path, *command: str) -> None:
        self.path = path
        self.command = command or (sys.executable, "-m", "scheduler")  #: with the packages of this test run
        self.run_directory = path / ".scheduler" / "run"
        self.home = path.parent / "home"
        self.home.mkdir()
        self.fill()

    def fill(self) -> None:
        """Nothing is in it."""
        self.path.mkdir()

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the project, and nothing of the caller but how this machine reaches the network."""
        kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
        outside = [part for part in kept["PATH"].split(os.pathsep) if not Path(part).is_relative_to(sys.prefix)]
        return {**kept, "PATH": os.pathsep.join(outside), "HOME": str(self.home), **more}

    def processes(self) -> list[str]:
        """Command lines of all that works in this checkout."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.path):
                    found.append(f"{process.name} " + (process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return [line for line in found if line.split(" ", 1)[1]]  # a zombie has no command line

    def assert_clean(self, seconds: float = 60) -> None:
        """No process, no socket and no pidfile."""
        until(lambda: not self.processes(), seconds, f"these are left: {self.processes()}")
        left = list(self.run_directory.iterdir()) if self.run_directory.exists() else []
        assert not left, f"left in {self.run_directory}: {left}"

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.path,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def up(self, *arguments: str, python: Path | None = None, **more: str) -> Iterator[Up]:
        """The service, started and killed at the end if it still runs. `python` outside a venv makes its own."""
        command = (str(python), "-m", "scheduler") if python else self.command
        up = Up(self, [*command, "up", *arguments], self.environment(**more))
        try:
            yield up
        except BaseException:
            print(up.output())
            raise
        finally:
            up.kill_all()


class Checkout(Directory):
    """What a clone would hold, edits that are not committed yet included."""

    def fill(self) -> None:
        shutil.copytree(ROOT, self.path, ignore=shutil.ignore_patterns(*NOISE))


class Up:
    """`python3 -m scheduler up` in a process group of its own, its output in a file."""

    def __init__(self, checkout: Directory, command: list[str], environment: Mapping[str, str]) -> None:
        self.checkout = checkout
        self.log = checkout.path.parent / "up.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                command, cwd=checkout.path, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def find(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """The first place in the log that `pattern` finds, waited for."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.output(), re.MULTILINE)
            if not match and self.popen.poll() is not None:
                raise AssertionError(f"ended with {self.popen.returncode} and never said {pattern}")
            return match

        return until(found, seconds, pattern)

    def ready(self, seconds: float = 60) -> str:
        """The URL of the page, once it is told."""
        return self.find(r"open (http://\S+/)", seconds)[1]

    @property
    def password(self) -> str:
        return self.find(r"password (\S+)")[1]

    def pid(self, name: str) -> int:
        """Of the child whose pidfile this is."""
        return int((self.checkout.run_directory / f"{name}.pid").read_text())

    def supervisor(self) -> int:
        """The process behind the one in front."""
        (child,) = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
        return int(child)

    def ends(self, seconds: float = 60) -> int:
        return self.popen.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """To the whole process group, as a terminal or a service manager does."""
        os.killpg(self.popen.pid, number)

    def kill_all(self) -> None:
        if self.popen.poll() is None:
            self.signal(signal.SIGKILL)
            self.popen.wait()
        self.checkout.assert_clean()


@contextmanager
def temporary_checkout(name: str = "checkout") -> Iterator[Checkout]:
    """In a directory with a path short enough for a socket, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as directory:
        yield Checkout(Path(directory).resolve() / name)


@contextmanager
def temporary_directory(*command: str) -> Iterator[Directory]:
    """An empty one for that command, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as directory:
        yield Directory(Path(directory).resolve() / "project", *command)
