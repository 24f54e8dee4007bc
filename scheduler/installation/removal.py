"""``uninstall``: removes the service; with ``--purge`` the operator's files too."""

from __future__ import annotations

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scheduler.errors import Exit
from scheduler.installation import units
from scheduler.installation.layout import DROP_INS, SERVICES, UNITS, Layout, Step, take

EDITED = Path("/etc/systemd/system")  #: where ``systemctl edit`` writes


def uninstall(layout: Layout, dry_run: bool, purge: bool) -> int:
    """Take every step that is needed; returns the exit code."""
    if take([*steps(layout), *(purge_steps(layout) if purge else ())], dry_run):
        print("the data in Redis stays; its keys: redis-cli --scan --pattern 'redbeat:*'")
    else:
        print("nothing is installed")
    return Exit.OK


def steps(layout: Layout) -> Iterator[Step]:
    """Beat hands over and the worker drains before anything is removed."""
    installed = [name for name in UNITS if (layout.units / name).exists()]
    if installed:
        yield Step("stop and disable the service", lambda: stop_and_disable(installed))
    for path in layout.files:
        if path.exists():
            yield Step(f"remove {path}", path.unlink)
    if installed:
        yield Step("reload systemd", lambda: remove_empty_directories(layout))
    if layout.program.exists():
        yield Step(f"remove {layout.program}", lambda: shutil.rmtree(layout.program))


def purge_steps(layout: Layout) -> Iterator[Step]:
    """The operator's files, and those that the service wrote."""
    if layout.rotation.exists():
        yield Step(f"remove {layout.rotation}", layout.rotation.unlink)
    edited = [path for name in SERVICES for path in EDITED.glob(f"{name}*.service.d")]
    for path in (layout.configuration, *layout.state, *edited):
        if path.exists():
            yield Step(f"remove {path}", lambda path=path: shutil.rmtree(path))  # type: ignore[misc]
    with suppress(KeyError):
        pwd.getpwnam(layout.user)
        yield Step(f"remove the user {layout.user}", lambda: subprocess.run(["userdel", layout.user], check=True))


def stop_and_disable(installed: list[str]) -> None:
    """Stop the units that run and disable them, with the instances of the templates."""
    if units.is_booted():
        units.systemctl("stop", *installed, *(f"{name}.service" for name in units.running()))
    instances = [path.name for path in (EDITED / "celery.target.wants").glob("celery-worker*@*")]
    units.systemctl("--quiet", "disable", *installed, *instances)


def remove_empty_directories(layout: Layout) -> None:
    """Remove directories that hold nothing else, then let systemd read its units again."""
    for directory in (
        *((layout.units / name).parent for name in DROP_INS),
        layout.units,
        layout.units.parent,
        layout.account.parent,
    ):
        with suppress(OSError):
            directory.rmdir()
    if units.is_booted():
        units.systemctl("daemon-reload")
