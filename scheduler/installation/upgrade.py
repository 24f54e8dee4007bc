"""An upgrade: the new release runs on trial, and replaces the one before only when its services do their work."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from scheduler.errors import Exit
from scheduler.installation import units
from scheduler.installation.layout import UNITS, Refused
from scheduler.installation.release import Release
from scheduler.installation.units import State


class Upgrade:
    """One trial of a release that is complete. ``timeout_s``: how long a service may take from its restart."""

    def __init__(self, release: Release, timeout_s: float) -> None:
        self.release = release
        self.timeout_s = timeout_s
        self.names = units.running()
        # A service is settled only when another process runs it.
        self.pids = {units.state(name).pid for name in self.names} - {units.NO_PROCESS}

    def run(self) -> int:
        """Try the release; returns an exit code, or raises Refused once the kept release is back."""
        kept = self.release.keep()
        if kept:
            print(f"{kept} is kept until this release works", flush=True)
        try:
            reason = self.put_in_place()
            # Whoever was settled first may have failed since.
            states = list(map(units.state, self.names))
            reason = reason or self.first_fault(states)
        except BaseException:  # also Ctrl-C
            self.go_back(kept)
            raise
        if reason:
            raise Refused(f"this release is refused: {reason}; {self.go_back(kept)}", Exit.PROBLEMS)
        return self.end(states, kept)

    def put_in_place(self) -> str:
        """Put the release in place and restart its services; returns why systemd refused that, or nothing."""
        self.release.put_in_place()
        try:
            units.systemctl("daemon-reload")
            units.check_loaded([*UNITS, *(f"{name}.service" for name in self.names)])
            units.restart(self.names)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        show(units.settled(self.names, self.pids, self.timeout_s))
        return ""

    def first_fault(self, states: Iterable[State]) -> str:
        return next(filter(None, (why_not(state, self.timeout_s) for state in states)), "")

    def end(self, states: Sequence[State], kept: Path | None) -> int:
        """Accept the release, unless nothing shows yet that it works; returns an exit code."""
        waiting = [state.name for state in states if not state.is_working]
        if states and not waiting:
            self.release.accept()
            return Exit.OK
        if kept is None:
            return Exit.OK
        reason = f"{waiting[0]} waits for Redis" if waiting else "no service runs"
        print(f"this release stays on trial, and {kept} is kept, because {reason}: install again when that has changed")
        return Exit.TEMPORARY if waiting else Exit.OK

    def go_back(self, kept: Path | None) -> str:
        """Put the kept release in place again, and restart what is not its own process; returns what came of it."""
        if kept is None:
            return "there is no other release to go back to"
        self.release.take_back(kept)
        units.systemctl("daemon-reload")
        changed = [state for state in map(units.state, self.names) if self.is_changed(state)]
        names, ended = [state.name for state in changed], [state.pid for state in changed]
        units.restart(names)
        show(units.settled(names, ended, self.timeout_s))
        self.release.accept()  # the kept one: nothing is on trial any more
        reason = self.first_fault(map(units.state, self.names))
        return f"{kept.name} is back, but {reason}" if reason else f"{kept.name} runs again"

    def is_changed(self, state: State) -> bool:
        """Whether the service was restarted, or is about to be."""
        return state.pid not in self.pids or bool(state.job)


def why_not(state: State, timeout_s: float) -> str:
    """Why the service does not do its work; nothing if it does, or cannot because Redis is away."""
    if state.is_working or state.is_waiting:
        return ""
    if state.is_failing or state.active == "inactive":
        return f"{state.name} does not start"
    return f"{state.name} does not work within {timeout_s:g} s"


def show(states: Iterable[State]) -> list[State]:
    """Print a line for each service, and the end of the log of one that does not do its work."""
    shown = []
    for state in states:
        print(f"{state.name:<14} {': '.join(filter(None, [state.active, state.sentence]))}", flush=True)
        if state.is_failing or (state.active == "activating" and not state.is_waiting):
            print(units.last_log_lines(state.name), file=sys.stderr)
        shown.append(state)
    return shown
