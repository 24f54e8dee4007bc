"""Runs as CSV, for a spreadsheet: its columns are named as in the JSON, and ``started_by``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from scheduler.model import Run
from scheduler.status.as_json import run_json
from scheduler.status.wanted import starter

COLUMNS = (
    *("due", "schedule", "outcome", "reason", "detail", "count", "until", "started", "finished", "lateness"),
    *("duration", "attempt", "task", "queue", "worker", "started_by", "by", "result", "id"),
)
#: With these a spreadsheet begins a formula, which could send the cells beside it to another server.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def lines(runs: Iterable[Run]) -> Iterable[str]:
    """The head and a line for each run; a result may have several lines within its quotes."""
    yield line(COLUMNS)
    for run in runs:
        facts = run_json(run) | {"started_by": starter(run)}
        yield line([facts[name] for name in COLUMNS])


def line(cells: Iterable[object]) -> str:
    """Cells as a line of CSV (RFC 4180); None is empty."""
    text = io.StringIO()
    csv.writer(text).writerow([harmless(it) if isinstance(it, str) else it for it in cells])
    return text.getvalue()


def harmless(text: str) -> str:
    """The text, with a quote in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
