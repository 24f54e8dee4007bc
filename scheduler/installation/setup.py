"""``install``: creates what is missing, then lets systemd run the new release."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from scheduler.checkout.index import PIP_WHEEL
from scheduler.command_name import command_name
from scheduler.errors import Exit
from scheduler.installation import accounts, configuration, units
from scheduler.installation.layout import SERVICES, Layout, Refused, take
from scheduler.installation.release import Release
from scheduler.installation.units import State
from scheduler.installation.upgrade import Upgrade, show


class Installation:
    """One call of ``install``. ``timeout_s``: how long each service may take from its start until it does its work."""

    def __init__(self, layout: Layout, wheels: Path | None, timeout_s: float = units.START_TIMEOUT_S) -> None:
        self.layout = layout
        self.timeout_s = timeout_s
        self.check(wheels)
        self.release = Release(layout, wheels)

    def check(self, wheels: Path | None) -> None:
        """Refuse what an install cannot fix."""
        if not (self.layout.source / "systemd").is_dir():
            raise Refused("there is nothing to install from: run this in a clone of the repository", Exit.NO_INPUT)
        if not shutil.which("systemctl"):
            raise Refused(f"there is no systemd here: run `{command_name()} up` instead", Exit.CONFIG)
        if wheels and not (wheels / PIP_WHEEL).exists():
            raise Refused(f"{wheels} has no {PIP_WHEEL}: give the directory `wheels` of the package", Exit.NO_INPUT)
        python = Path(sys.executable).resolve()
        if closed := next((path for path in python.parents if not path.stat().st_mode & stat.S_IXOTH), None):
            what = f"the service's user cannot reach {python}, because {closed} is closed to other users"
            raise Refused(f"{what}: use /usr/bin/python3 instead of python3", Exit.CONFIG)

    def run(self, dry_run: bool) -> int:
        """Take every step that is needed; returns the exit code."""
        files, account = list(self.release.file_steps()), configuration.account_steps(self.layout)
        take([*account, *self.release.steps(), *configuration.steps(self.layout, self.release.python)], dry_run)
        if dry_run:
            take(files, dry_run)
            return Exit.OK
        first = self.release.before is None
        if not units.is_booted():
            self.release.put_in_place()
            if first:
                units.enable()
            print("systemd does not run here: the service starts at the next boot")
            return Exit.OK
        is_needed = files or self.release.before != self.release.home or self.release.others
        if first:
            code = self.first_start()
        elif is_needed:
            code = Upgrade(self.release, self.timeout_s).run()
        else:
            code = self.report(units.states(SERVICES))
        for line in accounts.to_enable(self.layout):
            print(line)
        return code

    def first_start(self) -> int:
        """Enable and start the services for the first time; returns an exit code."""
        self.release.put_in_place()
        try:
            units.systemctl("daemon-reload")
            units.enable()
            units.start()
        except OSError:
            self.layout.venv.unlink()  # the next install is the first again
            raise
        code = self.report(units.settled(SERVICES, timeout_s=self.timeout_s))
        print(f"the page: http://127.0.0.1:8000, its password: sudo cat {configuration.password_file(self.layout)}")
        print("or a link that logs you in once: sudo celery-scheduler user link")
        print("check Redis, clocks, beat and workers: sudo celery-scheduler doctor")
        return code

    def report(self, states: Iterable[State]) -> int:
        """Print a line for each service, and the last log lines of one that does not work; returns an exit code."""
        shown = show(states)
        if any(state.is_waiting for state in shown):
            url = self.layout.credentials / "redis-url"
            print(f"no Redis answers: apt install redis-server, or write the URL of another one into {url}")
        fails = any(state.active != "inactive" and not (state.is_working or state.is_waiting) for state in shown)
        return Exit.PROBLEMS if fails else Exit.OK
