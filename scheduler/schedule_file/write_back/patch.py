"""The difference of two texts as a patch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter

CONTEXT = 3  #: lines
LINE = re.compile(r"[^\n]*\n|[^\n]+")
UNENDED = "\n\\ No newline at end of file\n"
Step = tuple[str, int, int, int, int]  #: kind, then from and to in both texts, as SequenceMatcher has it


class Steps(SequenceMatcher[str]):
    """The steps from one list of lines to the other; long lists are compared between lines that both have once."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, (), ())
        self.steps = list(merged(steps(old, new)))

    def get_opcodes(self) -> list[Step]:  # type: ignore[override]
        """The steps that were found at the start, for the methods of SequenceMatcher that make hunks."""
        return self.steps


def steps(old: Sequence[str], new: Sequence[str]) -> Iterator[Step]:
    """The steps between each pair of landmarks, in order."""
    i = j = 0
    for end, last in [*landmarks(old, new), (len(old), len(new))]:
        if old[i:end] == new[j:last]:
            yield "equal", i, end, j, last
        else:
            # SequenceMatcher takes quadratic time; between two landmarks there are few lines.
            inside = SequenceMatcher(None, old[i:end], new[j:last], autojunk=False)
            yield from ((kind, i + a, i + b, j + c, j + d) for kind, a, b, c, d in inside.get_opcodes())
        i, j = end, last


def landmarks(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the lines stand that each side has once, as far as they stand in the same order."""
    once = [{line for line, count in Counter(lines).items() if count == 1} for lines in (old, new)]
    places = {line: place for place, line in enumerate(new) if line in once[1]}
    last = -1
    for place, line in enumerate(old):
        if line in once[0] and places.get(line, -1) > last:
            last = places[line]
            yield place, last


def merged(steps: Iterator[Step]) -> Iterator[Step]:
    """Without empty steps, and with one instead of several of a kind in a row."""
    whole = (step for step in steps if step[1:] != (step[1], step[1], step[3], step[3]))
    for kind, run in groupby(whole, key=itemgetter(0)):
        several = list(run)
        yield kind, several[0][1], several[-1][2], several[0][3], several[-1][4]


def unified_diff(before: str, after: str, name: str) -> str:
    """A patch as ``patch`` takes it; empty when nothing differs."""
    old, new = LINE.findall(before), LINE.findall(after)
    pieces: list[str] = []
    for hunk in Steps(old, new).get_grouped_opcodes(CONTEXT):
        (_, i, _, j, _), (_, _, k, _, m) = hunk[0], hunk[-1]
        pieces.append(f"@@ -{span(i, k)} +{span(j, m)} @@\n")
        for kind, start, end, other, last in hunk:
            pieces += [f" {line}" for line in old[start:end]] if kind == "equal" else []
            pieces += [f"-{line}" for line in old[start:end]] if kind != "equal" else []
            pieces += [f"+{line}" for line in new[other:last]] if kind != "equal" else []
    head = [f"--- {name}\n", f"+++ {name}\n"] if pieces else []
    return "".join(line if line.endswith("\n") else line + UNENDED for line in [*head, *pieces])


def span(start: int, end: int) -> str:
    """Lines count from 1; a place without lines is named by the line before it."""
    return f"{start + 1 if end > start else start},{end - start}"
