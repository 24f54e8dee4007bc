"""The two ways to print: lines for people, JSON for programs. Nothing here needs Redis or Celery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import click

from scheduler.printable import is_unsafe, printable

REFUSAL_WAIT_S = 10.0  #: seconds for which a command waits for a Redis that refuses for now; a failover takes less


def counted(number: int, noun: str) -> str:
    """``1 warning``, ``2 warnings``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def say(line: str, *, err: bool = False) -> None:
    """Print one line, whatever text of other people is in it."""
    click.echo(printable(line), err=err)


def print_json(body: object) -> None:
    """JSON, indented; what a terminal would act on is escaped as JSON escapes it."""
    text = json.dumps(body, indent=2, ensure_ascii=False)
    click.echo(re.sub(r"[^ -~\n]", lambda match: json.dumps(match[0])[1:-1] if is_unsafe(match[0]) else match[0], text))


def print_table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Columns as wide as their widest value; the last one as long as it is."""
    lines = [head, *(tuple(printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths[:-1], strict=True)]
        say("  ".join([*cells, line[-1]]).rstrip())
