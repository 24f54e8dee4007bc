"""What one "when next?" costs: this package, cronsim, croniter and Celery's crontab in turn, in one run.

    python bench/timing.py [--seconds 0.15] [--rounds 5]

Prints Markdown tables. Read the ratios: absolute rates move with the machine and its load. Every answer is asked for
anew, as beat asks: "the first due instant after this one". cronsim is also shown walking from answer to answer, which
is what its iterator is made for. Right or wrong does not matter here: see the unit tests.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

from celery.schedules import crontab
from cronsim import CronSim

from scheduler.timing import build, get_zone

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
#: one step from an instant to the next answer
Step = Callable[[datetime], datetime]
PLAIN = [
    ("* * * * *", "UTC"),
    ("*/5 * * * *", "UTC"),
    ("0 * * * *", "UTC"),
    ("30 2 * * *", "UTC"),
    ("*/15 9-17 * * 1-5", "UTC"),
    ("0 9 1,15 * *", "UTC"),
    ("*/5 * * * *", "Europe/Berlin"),
    ("30 2 * * *", "Europe/Berlin"),
    ("*/15 9-17 * * 1-5", "America/New_York"),
    ("0 0 1 1 *", "America/New_York"),
]
RARE = [
    ("0 0 29 2 *", "Europe/Berlin"),
    ("0 0 29 2 */7", "Europe/Berlin"),
    ("0 0 * 2 MON#5", "America/New_York"),
    ("0 0 31W 1-12/2 *", "Australia/Lord_Howe"),
    ("0 0 LW 12 5L", "Pacific/Chatham"),
    ("59 59 23 31 12 *", "Pacific/Apia"),
    ("* * * * * *", "Africa/Casablanca"),
    ("30 2 29 2 *", "America/New_York"),
]
OTHERS = [
    ("every", "7m", "UTC"),
    ("rrule", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", "Europe/Berlin"),
    ("rrule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "Europe/Berlin"),
    ("rrule", "FREQ=DAILY;INTERVAL=3;BYHOUR=2;BYMINUTE=30", "America/New_York"),
]


def main() -> None:
    options = arguments()
    print(f"Python {sys.version.split()[0]}, median of {options.rounds} rounds, microseconds per answer\n")
    compare(options)
    worst_cases()
    building()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.15, help="how long each cell is measured")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is measured, in turn")
    return parser.parse_args()


def compare(options: argparse.Namespace) -> None:
    """Plain expressions, side by side."""
    print("| expression | zone | ours | cronsim | cronsim walking | croniter | Celery | cronsim / ours |")
    print("|---|---|---|---|---|---|---|---|")
    for text, zone in PLAIN:
        makers = (ours, cronsim, cronsim_walking, croniter, celery)
        steps = [maker(text, zone) for maker in makers]
        cells = measure(steps, options)
        ratio = (cells[1] or 0) / (cells[0] or 1)
        shown = " | ".join("–" if cell is None else f"{cell:.1f}" for cell in cells)
        print(f"| `{text}` | {zone} | {shown} | {ratio:.1f} |")
    if find_spec("croniter") is None:
        print("\ncroniter is not installed: pip install croniter shows its column.")


def worst_cases() -> None:
    """Every kind of timing over instants of 60 years: the mean and the dearest single answer."""
    print("\n| timing | zone | next, mean | next, worst |")
    print("|---|---|---|---|")
    rows = [("cron", text, zone) for text, zone in [*PLAIN, *RARE]] + OTHERS
    for kind, text, zone in rows:
        timing = build(kind, text, zone=zone)
        instants = [BEGIN + timedelta(days=11 * number, seconds=7919 * number) for number in range(2000)]
        ask = timing.next_due
        spent = [cost(ask, instant) for instant in instants]
        # What the machine does meanwhile is no price of ours: the dearest are asked again.
        spent = [each if each < 100 else again(ask, instant) for each, instant in zip(spent, instants, strict=True)]
        print(f"| `{text}` | {zone} | {statistics.mean(spent):.1f} | {max(spent):.1f} |")


def building() -> None:
    """Parsing: an expression never seen before, and one under another schedule's name."""
    texts = [f"{minute} {hour} * * {day}" for minute in range(60) for hour in range(24) for day in (1, 2)]
    fresh = [cost(lambda _, text=text: build("cron", text), BEGIN) for text in texts]  # type: ignore[misc]
    named = [cost(lambda _, text=text: build("cron", text, name="a"), BEGIN) for text in texts]  # type: ignore[misc]
    theirs = [cost(lambda _, text=text: CronSim(text, BEGIN), BEGIN) for text in texts]  # type: ignore[misc]
    print("\n| building one | microseconds, median |\n|---|---|")
    for label, spent in (("new expression", fresh), ("known expression, new name", named), ("cronsim", theirs)):
        print(f"| {label} | {statistics.median(spent):.1f} |")


def cost(ask: Callable[[datetime], object], instant: datetime) -> float:
    begun = time.perf_counter()
    ask(instant)
    return (time.perf_counter() - begun) * 1e6


def again(ask: Callable[[datetime], object], instant: datetime) -> float:
    """The lowest of several costs."""
    return min(cost(ask, instant) for _ in range(9))


def measure(steps: list[Step | None], options: argparse.Namespace) -> list[float | None]:
    """Microseconds per answer of each; all take turns in every round, so that the machine's moods hit all alike."""
    spent: list[list[float]] = [[] for _ in steps]
    for _ in range(options.rounds):
        for step, found in zip(steps, spent, strict=True):
            if step is not None:
                found.append(per_answer(step, options.seconds))
    return [statistics.median(found) if found else None for found in spent]


def per_answer(step: Step, seconds: float) -> float:
    instant, answers = BEGIN, 0
    begun = time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        for _ in range(20):
            instant = step(instant)
        if instant.year > 2090:
            instant = BEGIN
        answers += 20
    return spent / answers * 1e6


def ours(text: str, zone: str) -> Step:
    timing = build("cron", text, zone=zone)

    def step(instant: datetime) -> datetime:
        return timing.next_due(instant) or BEGIN

    return step


def cronsim(text: str, zone: str) -> Step:
    place = UTC if zone == "UTC" else get_zone(zone)

    def step(instant: datetime) -> datetime:
        return next(CronSim(text, instant.astimezone(place)))

    return step


def cronsim_walking(text: str, zone: str) -> Step:
    place = UTC if zone == "UTC" else get_zone(zone)
    walk: Iterator[datetime] = CronSim(text, BEGIN.astimezone(place))

    def step(instant: datetime) -> datetime:
        return next(walk)

    return step


def croniter(text: str, zone: str) -> Step | None:
    if find_spec("croniter") is None:
        return None
    from croniter import croniter as Croniter  # noqa: N812 - a class with a small name

    place = get_zone(zone)

    def step(instant: datetime) -> datetime:
        found: datetime = Croniter(text, instant.astimezone(place)).get_next(datetime)
        return found

    return step


def celery(text: str, zone: str) -> Step:
    minute, hour, day, month, weekday = text.split()
    rule = crontab(minute, hour, weekday, day, month, nowfun=lambda: BEGIN)
    place = get_zone(zone)

    def step(instant: datetime) -> datetime:
        last, delta, _ = rule.remaining_delta(instant, tz=place)
        due: datetime = last + delta
        return due

    return step


if __name__ == "__main__":
    main()
