"""The difference of two texts as a patch."""

from __future__ import annotations

import re
from difflib import unified_diff as differences

CONTEXT = 3  #: lines
LINE = re.compile(r"[^\n]*\n|[^\n]+")
UNENDED = "\n\\ No newline at end of file\n"


def unified_diff(before: str, after: str, name: str) -> str:
    """A patch as ``patch`` takes it; empty when nothing differs."""
    old, new = LINE.findall(before), LINE.findall(after)
    start = alike(old, new)
    end = alike(old[start:][::-1], new[start:][::-1])
    # Comparing all of a long file would take long.
    start, end = max(start - CONTEXT, 0), max(end - CONTEXT, 0)
    parts = [lines[start : len(lines) - end] for lines in (old, new)]
    lines = list(differences(parts[0], parts[1], name, name, n=CONTEXT))
    moved = [
        re.sub(r"(?<=[-+])\d+(?=[ ,])", lambda number: str(int(number[0]) + start), line, count=2)
        if line.startswith("@@")
        else line
        for line in lines
    ]
    return "".join(line if line.endswith("\n") else line + UNENDED for line in moved)


def alike(one: list[str], other: list[str]) -> int:
    """How many lines at the beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
