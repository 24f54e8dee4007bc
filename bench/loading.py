"""How long a schedule file takes from its text to the verdict, beside PyYAML's own loader on the same text.

``python bench/loading.py [schedules]``. Every step takes its turn in every round, in processes of their own, so that
nothing is in a cache; the lowest of the rounds counts, because other work on the machine only adds.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Callable

import yaml

from scheduler import schedule_file
from scheduler.validate import validate

ROUNDS = 7
TASKS = {"reports.build": inspect.signature(lambda number, format="pdf", **more: None)}
TIMINGS = ("cron: '{minute} {hour} * * *'", "every: {minute}m", "cron: '*/5 {hour} * * mon-fri'")


def text(count: int) -> str:
    """A file as a person would write it, with that many schedules of several kinds."""
    parts = ["timezone: Europe/Berlin\ndefaults: {expires: 1h, timeout: 10m}\nschedules:\n"]
    for number in range(count):
        timing = TIMINGS[number % 3].format(minute=number % 59 + 1, hour=number // 60 % 24)
        parts.append(
            f"  report-{number}:\n    description: Report number {number}\n    task: reports.build\n    {timing}\n"
            f"    args: [{number}]\n    kwargs: {{format: pdf}}\n    tags: [reports, daily]\n"
        )
    return "".join(parts)


def events(text: str) -> None:
    """The C parser alone: the least that any reader on top of it costs."""
    loader = yaml.CSafeLoader(text)
    while type(loader.get_event()) is not yaml.StreamEndEvent:
        pass


def judge(document: schedule_file.Document) -> None:
    assert validate(document, tasks=TASKS).ok


def seconds(step: Callable[[], object]) -> float:
    """Of this process's own time, so that other programs count less."""
    begun = time.process_time()
    step()
    return time.process_time() - begun


def measure(step: str, count: int) -> float:
    """One step, once."""
    written = text(count)
    if step == "validate":
        document = schedule_file.parse(written, "schedules.yaml")
        return seconds(lambda: judge(document))
    steps: dict[str, Callable[[], object]] = {
        "events": lambda: events(written),
        "load": lambda: yaml.load(written, yaml.CSafeLoader),
        "parse": lambda: schedule_file.parse(written, "schedules.yaml"),
        "both": lambda: judge(schedule_file.parse(written, "schedules.yaml")),
    }
    return seconds(steps[step])


NAMES = {
    "events": "PyYAML, C parser, events only",
    "load": "PyYAML, `yaml.load` with the C loader",
    "parse": "this service, text to data with places",
    "validate": "this service, data to verdict",
    "both": "**this service, text to verdict**",
}


def main(count: int) -> None:
    lowest = dict.fromkeys(NAMES, float("inf"))
    for _ in range(ROUNDS):
        for step in NAMES:
            command = [sys.executable, __file__, str(count), step]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            lowest[step] = min(lowest[step], float(done.stdout))
    print("| step | ms | µs/schedule |\n|---|---|---|")
    for step, name in NAMES.items():
        print(f"| {name} | {lowest[step] * 1e3:,.0f} | {lowest[step] / count * 1e6:.0f} |")


if __name__ == "__main__":
    given = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    if len(sys.argv) > 2:
        print(measure(sys.argv[2], given))
    else:
        main(given)
