"""``install``: what is missing is made, then systemd runs what is new."""

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
        """What cannot be mended on the way."""
        if not (self.layout.source / "systemd").is_dir():
            raise Refused("there is nothing to install from: run this in a clone of the repository", Exit.NO_INPUT)
        if not shutil.which("systemctl"):
            raise Refused(f"there is no systemd here: run `{command_name()} up` instead", Exit.CONFIG)
        if wheels and not (wheels / PIP_WHEEL).exists():
            raise Refused(f"{wheels} has no {PIP_WHEEL}: give the directory that the package brings", Exit.NO_INPUT)
        python = Path(sys.executable).resolve()
        if closed := next((path for path in python.parents if not path.stat().st_mode & stat.S_IXOTH), None):
            what = f"the service's user cannot reach {python}, because {closed} is closed"
            raise Refused(f"{what}: say /usr/bin/python3 instead of python3", Exit.CONFIG)

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
            print("systemd does not run here: the service starts with the next boot")
            return Exit.OK
        if first:
            return self.begin()
        return self.renew() if files or making or self.release.others else self.report(units.states(SERVICES))

    def begin(self) -> int:
        self.release.switch()
        units.systemctl("daemon-reload")
        units.enable()
        units.start()
        code = self.report(units.settled(SERVICES))
        print(f"the page: http://127.0.0.1:8000, its password: sudo cat {configuration.password_file(self.layout)}")
        print("whether Redis is set as it should be: sudo celery-scheduler doctor")
        return code

    def renew(self) -> int:
        """Let what runs go over to this release; back to the one before where something does not start."""
        before, ran = self.release.before, units.running()
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
        """A line for each service, and the journal's last words of one that failed."""
        told = list(map(tell, states))
        if any(state.is_waiting for state in told):
            url = self.layout.credentials / "redis-url"
            print(f"no Redis answers: apt install redis-server, or write the URL of another one into {url}")
        return Exit.PROBLEMS if any(state.is_failing for state in told) else Exit.OK


def tell(state: State) -> State:
    print(f"{state.name:<14} {': '.join(filter(None, [state.active, state.sentence]))}", flush=True)
    if state.is_failing:
        print(units.last_words(state.name), file=sys.stderr)
    return state
