"""What input costs that was made to exhaust the reader, in units of an ordinary file: ``python bench/limits.py``.

The unit is the time in which 1 000 ordinary schedules are read and judged. Ends with 1 if anything takes more than
MOST units: such a file would hold up beat, and such a form the page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

from bench.loading import TASKS, judge, seconds, text
from scheduler import schedule_file
from scheduler.cli.crontab.reader import read_crontab
from scheduler.cli.crontab.shell_words import simple_commands
from scheduler.validate import validate
from tests.unit.cli import test_crontab_file, test_crontab_shell_lines
from tests.unit.schedule_file import test_schedule_file
from tests.unit.timing import test_bad_input
from tests.unit.validate import test_validate

MOST = 200  # an ordinary file of the greatest size takes 100


def unit() -> float:
    """Seconds for 1 000 ordinary schedules; the lowest of five."""
    written = text(1_000)
    return min(seconds(lambda: judge(schedule_file.parse(written, "s.yaml"))) for _ in range(5))


def inputs() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each with its name."""
    for written in test_schedule_file.EXHAUSTING:
        yield f"read {written[:30]!r}", partial(schedule_file.parse, written, "s.yaml")
    for written in test_schedule_file.WRONG_KEYS:
        yield f"read {written[:20]!r} and 200 000 keys", partial(schedule_file.parse, written, "s.yaml")
    for written in test_validate.EXHAUSTING:
        yield f"check {' '.join(written.split())[-30:]!r}", partial(check, written)
    for kind, written in test_bad_input.HEAVY:
        yield f"{kind} {written[:50]!r}", partial(test_bad_input.refusal_of, kind, written)
    for line in test_crontab_shell_lines.EXHAUSTING:
        yield f"shell line {line[:12]!r}", partial(simple_commands, line)
    yield "crontab of 4 000 lines", partial(read_crontab, test_crontab_file.LONG, test_crontab_file.ANN)


def check(written: str) -> None:
    validate(schedule_file.parse(written, "s.yaml"), tasks=TASKS)


def main() -> int:
    ordinary = unit()
    worst = 0.0
    print(f"one unit: {ordinary * 1e3:.0f} ms\n\n| input | units |\n|---|---|")
    for name, step in inputs():
        ratio = seconds(step) / ordinary
        worst = max(worst, ratio)
        print(f"| `{name}` | {ratio:.1f} |", flush=True)
    print(f"\nthe slowest takes {worst:.0f} units, and {MOST} are allowed")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
