"""``install``: creates what is missing, then lets systemd run the new release."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from scheduler.checkout.environment import PIP_WHEEL
from scheduler.command_name import command_name
from scheduler.errors import Exit
from scheduler.installation import configuration, units
from scheduler.installation.layout import SERVICES, Layout, Refused, take
from scheduler.installation.release import Release, switch
from scheduler.installation.units import State


class Installation:
    """One call of ``install``."""

    def __init__(self, layout: Layout, wheels: Path | None) -> None:
        self.layout = layout
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
        files, making = list(self.layout.file_steps()), list(self.release.steps())
        account, owned = configuration.account_steps(self.layout), configuration.steps(self.layout, self.release.python)
        take([*files, *account, *making, *owned], dry_run)
        if dry_run:
            return Exit.OK
        first = self.release.before is None
        if not units.is_booted():
            self.release.switch()
            if first:
                units.enable()
            print("systemd does not run here: the service starts at the next boot")
            return Exit.OK
        if first:
            return self.first_start()
        return self.upgrade() if files or making or self.release.others else self.report(units.states(SERVICES))

    def first_start(self) -> int:
        """Enable and start the services for the first time; returns an exit code."""
        self.release.switch()
        units.systemctl("daemon-reload")
        units.enable()
        units.start()
        code = self.report(units.settled(SERVICES))
        print(f"the page: http://127.0.0.1:8000, its password: sudo cat {configuration.password_file(self.layout)}")
        print("check Redis, clocks, beat and workers: sudo celery-scheduler doctor")
        return code

    def upgrade(self) -> int:
        """Restart the running services in this release; return to the one before if a service does not start."""
        before, ran = self.release.before, units.running()
        # A service is settled only when another process runs it.
        pids = [units.state(name).pid for name in ran]
        self.release.switch()
        units.systemctl("daemon-reload")
        units.restart(ran)
        code = self.report(units.settled(ran, pids))
        if code == Exit.OK:
            self.release.remove_others()
        elif before and before != self.release.home:
            switch(self.layout.venv, before)
            units.restart(ran)
            raise Refused(f"this release does not start, so {before.name} runs again", Exit.PROBLEMS)
        return code

    def report(self, states: Iterable[State]) -> int:
        """Print a line for each service, and the last log lines of one that failed."""
        shown = list(map(show, states))
        if any(state.is_waiting for state in shown):
            url = self.layout.credentials / "redis-url"
            print(f"no Redis answers: apt install redis-server, or write the URL of another one into {url}")
        return Exit.PROBLEMS if any(state.is_failing for state in shown) else Exit.OK


def show(state: State) -> State:
    """Print a service's state, and the end of its log if it is failing."""
    print(f"{state.name:<14} {': '.join(filter(None, [state.active, state.sentence]))}", flush=True)
    if state.is_failing:
        print(units.last_log_lines(state.name), file=sys.stderr)
    return state
