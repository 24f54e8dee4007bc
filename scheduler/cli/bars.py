"""A progress bar for commands that take long: only in a terminal, and only when a command takes a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

DELAY_S = 1.0  #: a command that is done before shows none
REDRAW_INTERVAL_S = 0.1


class Bar:
    """How far a command is, of ``total`` steps."""

    def __init__(self, label: str, total: int, first_drawn: float) -> None:
        self.label, self.total, self.done = label, total, 0
        self.next_drawn = first_drawn  #: of the monotonic clock
        self.drawn: Any = None

    def expect(self, count: int) -> None:
        """There are so many steps more."""
        self.total += count

    def advance(self, count: int = 1) -> None:
        """So many steps are done."""
        self.done += count
        if time.monotonic() >= self.next_drawn:
            self.draw()

    def reach(self, done: int) -> None:
        """So many steps are done in all."""
        self.advance(done - self.done)

    def draw(self) -> None:
        self.next_drawn = time.monotonic() + REDRAW_INTERVAL_S
        if self.drawn is None:
            self.drawn = click.progressbar(length=self.total, label=self.label, show_pos=True, file=sys.stderr)
            self.drawn.__enter__()
        self.drawn.length = self.total
        self.drawn.update(min(self.done, self.total) - self.drawn.pos)


@contextmanager
def progress_bar(label: str, total: int = 0, *, hidden: bool = False, at_once: bool = False) -> Iterator[Bar]:
    """A bar on stderr. It shows nothing if ``hidden``, and where stdout or stderr is no terminal.

    A pager or a program behind a pipe has the terminal for itself.
    """
    is_shown = not hidden and sys.stdout.isatty() and sys.stderr.isatty()
    first_drawn = time.monotonic() + (0 if at_once else DELAY_S)
    bar = Bar(label, total, first_drawn if is_shown else float("inf"))
    try:
        yield bar
    finally:
        if bar.drawn is not None:
            bar.draw()
            bar.drawn.__exit__(None, None, None)
