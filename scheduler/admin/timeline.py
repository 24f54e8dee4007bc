"""What ran and what will run: the load by time, a lane for each tag, the busiest minutes and who runs in one."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.search_form import instant, texts
from scheduler.admin.service import service
from scheduler.model import Run
from scheduler.status.ahead import BUSIEST, Ahead, ahead
from scheduler.status.catalogue import View
from scheduler.status.problems.facts import Facts
from scheduler.status.quarters import quarters
from scheduler.status.search import Found
from scheduler.storage.instants import from_seconds, iso, to_seconds

pages = Blueprint("timeline", __name__)
BIN_S = 900  #: seconds that a bar stands for
BARS = 96  #: a day: the 6 hours before this one, this one, and 17 more
BEFORE_S = 6 * 3600
MAX_LANES = 15
MAX_RUNS = 1_000  #: of the past that the lanes show
MAX_NAMED = 200  #: schedules of one minute
NO_TAG = "no tag"


@dataclass(frozen=True)
class Bar:
    """A quarter of an hour; ``due`` also of what is ahead."""

    at: float  #: its begin, epoch seconds
    due: int = 0
    failed: int = 0  #: or lost, and not expected to
    is_ahead: bool = False

    @property
    def tone(self) -> str:
        return "ahead" if self.is_ahead else "bad" if self.failed else "good"


@dataclass(frozen=True)
class Lane:
    """The bars of a tag, or of a schedule where one tag was asked for."""

    name: str
    bars: tuple[Bar, ...]

    @property
    def due(self) -> int:
        return sum(bar.due for bar in self.bars)


@pages.get("/timeline")
def index() -> Response:
    """From 6 hours ago to 17 ahead; filters: ``?q=``, ``?tag=``; ``?minute=`` (UTC) lists who is due in it."""
    text = texts(request.args, "q", "tag")
    minute = instant(request.args.get("minute", ""))
    view = service().catalogue.look()
    facts = Facts(service().store, service().settings)
    found = Found(facts.store, view, text["q"], tag=text["tag"], facts=facts)
    names = found.names
    if minute:
        return of_minute(view, names, minute.replace(second=0, microsecond=0), text)
    now = time.time()
    first = now // 3600 * 3600 - BEFORE_S
    due_ahead = ahead(service().store, view, names, from_seconds(now), from_seconds(first + BARS * BIN_S))
    runs = [run for run in service().ledger.between(first, now, MAX_RUNS) if run.count == 1]
    wanted = view.kept.keys() & names
    shown = [run for run in runs if run.schedule in wanted]
    due, failed = of_runs(first, view, shown) if any(text.values()) else of_all(first, now, view)
    load = bars(first, now, due, failed, due_ahead)
    if wants_json():
        return as_json({"load": [{"at": iso(bar.at), "due": bar.due, "failed": bar.failed} for bar in load]})
    hours = [(load[at].at, load[at : at + 4]) for at in range(0, len(load), 4)]
    context: dict[str, Any] = {
        "unread": found.unread,
        "ahead": due_ahead,
        "busiest": due_ahead.busiest(BUSIEST),
        "expected": any(run.went_wrong and not needs_a_person(view, run) for run in shown),
        "first": first,
        "hours": hours,
        "lanes": lanes(view, shown, due_ahead, first, by_name=bool(text["tag"])),
        "load": load,
        "matched": len(names),
        "now_at": (now // 60 * 60 - first) / BIN_S,
        "runs_since": runs[-1].due if len(runs) == MAX_RUNS else None,
        "text": text,
        "total": len(view.names),
    }
    return page("timeline.html", **context)


def of_minute(view: View, names: Sequence[str], minute: datetime, text: dict[str, str]) -> Response:
    """The schedules that are due in a minute."""
    due_ahead = ahead(service().store, view, names, minute - timedelta(seconds=1), minute + timedelta(seconds=59))
    due = due_ahead.names(int(to_seconds(minute)))
    if wants_json():
        return as_json({"minute": iso(minute), "schedules": due})
    rows = service().status.rows(due[:MAX_NAMED])
    return page("minute.html", minute=minute, rows=rows, total=len(due), text=text)


def of_all(first: float, now: float, view: View) -> tuple[Counter[int], Counter[int]]:
    """By the number of the bar, what was due and what failed, from the counters and indexes of all schedules."""
    due: Counter[int] = Counter()
    for minute in service().status.minutes(first):
        due[place(minute.at, first)] += minute.due
    failed: Counter[int] = Counter()
    for quarter in quarters(service().ledger, now, view.expected_to_fail):
        at = place(quarter.at, first)
        failed[at] = quarter.went_wrong - quarter.expected
        # Caught-up runs were counted when they were sent, and manual runs and followers not at all.
        due[at] = max(due[at], failed[at])
    return due, failed


def of_runs(first: float, view: View, runs: Iterable[Run]) -> tuple[Counter[int], Counter[int]]:
    """The same of these runs."""
    due: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for run in runs:
        due[place(run.due, first)] += 1
        failed[place(run.due, first)] += needs_a_person(view, run)
    return due, failed


def needs_a_person(view: View, run: Run) -> bool:
    """Whether the run failed or was lost, and its schedule is not expected to fail."""
    return run.went_wrong and run.schedule not in view.expected_to_fail


def bars(first: float, now: float, due: Counter[int], failed: Counter[int], due_ahead: Ahead) -> list[Bar]:
    """The load: what was due and failed, by the number of the bar, and what is ahead."""
    present = place(now, first)
    coming: Counter[int] = Counter()
    for at in due_ahead.minutes:
        coming[place(at, first)] += due_ahead.due(at)
    return [
        Bar(first + at * BIN_S, due[at] + coming[at], failed[at], at > present or (at == present and not due[at]))
        for at in range(BARS)
    ]


def place(at: float, first: float) -> int:
    """The number of the bar that an instant is in."""
    return int((at - first) // BIN_S)


def lanes(view: View, runs: Iterable[Run], due_ahead: Ahead, first: float, *, by_name: bool) -> list[Lane]:
    """One for each tag, the busiest first, or one for each schedule."""
    before: dict[str, Counter[int]] = defaultdict(Counter)
    failed: dict[str, Counter[int]] = defaultdict(Counter)
    coming: dict[str, Counter[int]] = defaultdict(Counter)

    def of(name: str) -> Sequence[str]:
        return (name,) if by_name else view.kept[name].tags or (NO_TAG,)

    for run in runs:
        for lane in of(run.schedule):
            before[lane][place(run.due, first)] += 1
            failed[lane][place(run.due, first)] += needs_a_person(view, run)
    of_group = {key: Counter(lane for name in its for lane in of(name)) for key, its in due_ahead.groups.items()}
    for at, keys in due_ahead.minutes.items():
        for key in keys:
            for lane, count in of_group[key].items():
                coming[lane][place(at, first)] += count
    made = [
        Lane(lane, drawn(first, before[lane], failed[lane], coming[lane])) for lane in before.keys() | coming.keys()
    ]
    return sorted(made, key=lambda lane: (-lane.due, lane.name))[:MAX_LANES]


def drawn(first: float, before: Counter[int], failed: Counter[int], coming: Counter[int]) -> tuple[Bar, ...]:
    """The bars of a lane in which something is due."""
    return tuple(
        Bar(first + at * BIN_S, before[at] + coming[at], failed[at], not before[at])
        for at in range(BARS)
        if before[at] + coming[at]
    )
