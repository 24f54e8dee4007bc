"""Where the service is on a machine, and how its files get there. Standard library only, as all of this package."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.command_name import INSTALLED_COMMAND, INSTALLED_IN, SCHEMA
from scheduler.errors import Exit

SERVICES = ("celery-beat", "celery-worker", "celery-admin")
UNITS = (*(f"{name}.service" for name in SERVICES), "celery-admin.socket", "celery.target")
ACCOUNT_WORKER = "celery-worker-as"  #: its instances run jobs as system accounts
TEMPLATES = ("celery-worker@.service", f"{ACCOUNT_WORKER}@.service")
HARDENING = "celery-.service.d/50-hardening.conf"
DROP_INS = (HARDENING, f"{ACCOUNT_WORKER}@.service.d/60-account.conf", f"{ACCOUNT_WORKER}@root.service.d/70-root.conf")
ACCOUNT = "celery-scheduler.conf"
#: Pages for people, besides those in docs/; their links lead to each other.
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/README.md", "bench/growth.svg")


class Refused(Exception):
    """An error of one line, with its exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Step:
    """One change of the machine: what it does in words, and the call that does it."""

    words: str
    do: Callable[[], object]


def take(steps: Iterable[Step], dry_run: bool) -> bool:
    """Print and take each step; returns whether there was one."""
    taken = list(steps)
    for step in taken:
        print(f"would {step.words}" if dry_run else step.words, flush=True)
        if not dry_run:
            step.do()
    return bool(taken)


@dataclass(frozen=True)
class Layout:
    """Every path of the service; the prefix is ``/usr`` for the Debian package."""

    source: Path  #: a clone, or a directory like it: with ``scheduler``, ``systemd`` and ``schedules.yaml``
    prefix: Path = Path("/usr/local")
    program: Path = INSTALLED_IN
    configuration: Path = Path("/etc/celery-scheduler")
    user: str = "celery"

    @property
    def units(self) -> Path:
        return self.prefix / "lib/systemd/system"

    @property
    def account(self) -> Path:
        return self.prefix / "lib/sysusers.d" / ACCOUNT

    @property
    def command(self) -> Path:
        return self.prefix / "bin" / INSTALLED_COMMAND

    @property
    def venv(self) -> Path:
        """A link to the release that runs; an install ends by switching it."""
        return self.program / "venv"

    @property
    def kept(self) -> Path:
        """A link to the last accepted release, while the one that runs is on trial."""
        return self.program / "kept"

    @property
    def trial(self) -> tuple[str, str] | None:
        """The names of the release that is on trial, and of the one that is kept meanwhile; None without a trial."""
        return (self.venv.resolve().name, self.kept.resolve().name) if self.kept.exists() else None

    @property
    def credentials(self) -> Path:
        return self.configuration / "credentials"

    @property
    def schedules(self) -> Path:
        return self.configuration / "schedules.yaml"

    @property
    def schema(self) -> Path:
        """For editors; the schedule file names it, so no upgrade moves it."""
        return self.program / SCHEMA

    @property
    def rotation(self) -> Path:
        """logrotate's rule for the log file, which is optional."""
        return Path("/etc/logrotate.d") / INSTALLED_COMMAND

    @property
    def state(self) -> tuple[Path, ...]:
        """Directories that the service writes, besides the journal and Redis."""
        return (Path("/var/lib/celery-beat"), Path("/var/lib/celery-worker"), Path("/var/log/celery"))

    @property
    def files(self) -> dict[Path, Path]:
        """The source of each file. A Debian package itself puts those below the prefix there."""
        shipped = self.source / "systemd"
        files = {self.units / name: shipped / name for name in (*UNITS, *TEMPLATES, *DROP_INS)}
        files |= {self.account: shipped / "celery.sysusers.conf", self.command: shipped / INSTALLED_COMMAND}
        docs = sorted((self.source / "docs").rglob("*.*"))
        pages = [*DOCUMENTS, *(str(path.relative_to(self.source)) for path in docs)]
        files[self.schema] = self.source / "scheduler" / SCHEMA
        return files | {self.program / page: self.source / page for page in pages}

    def file_steps(self, files: Mapping[Path, Path]) -> Iterator[Step]:
        """Copy what is missing or differs; ``files`` has the source of each target."""
        for target, source in files.items():
            if not target.exists() or target.read_bytes() != source.read_bytes():
                yield Step(f"write {target}", lambda target=target, source=source: self.copy(source, target))  # type: ignore[misc]

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file to its place in one step, readable for every user."""
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        shutil.copyfile(source, new)
        new.chmod(0o755 if target == self.command else 0o644)
        new.replace(target)
