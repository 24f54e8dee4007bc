"""How the last runs of a schedule ended, as a small picture in the list: a shape for each, and all in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from scheduler.admin.filters import length_of, tone
from scheduler.admin.trend import median
from scheduler.model.run import UNDER_WAY
from scheduler.status.rows import Row
from scheduler.storage.recent import MAX_RECENT, Mark

STEP = 5  #: px from one shape to the next
HIGH = 17  #: px, of the longest run
#: Each shape begins at its left edge, on the ground: a cross, a ring, a line, a wave. What succeeded is a bar.
SHAPES = {
    "bad": "m0-10l4 10m0-10l-4 10",
    "held": "m0-2a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
    "calm": "m0-3h4",
    "busy": "m0-5q1-7 2 0t2 0",
}


@dataclass(frozen=True)
class Strip:
    """The picture: what to draw in each tone, and the same in words."""

    paths: dict[str, str]
    words: str


def strip(row: Row) -> Strip | None:
    """The strip of a row of the list; None before its first run has ended."""
    marks = row.recent
    if not marks:
        return None
    is_under_way = row.last is not None and row.last.outcome in UNDER_WAY
    words = [*(mark.outcome for mark in marks), *([row.last.outcome] if is_under_way and row.last else [])][
        -MAX_RECENT:
    ]
    longest = max((mark.duration or 0.0 for mark in marks), default=0.0)
    took = [mark.duration for mark in marks] + [None] * is_under_way
    drawn: dict[str, str] = defaultdict(str)
    for place, (word, seconds) in enumerate(zip(words, took[-MAX_RECENT:], strict=True), MAX_RECENT - len(words)):
        is_bar = word == "succeeded"
        left = place * STEP + 2 * is_bar
        colour = "calm" if row.expected_to_fail and tone(word) == "bad" else tone(word)
        drawn[colour] += f"M{left} {HIGH + 1}" + (bar(seconds, longest) if is_bar else SHAPES[tone(word)])
    return Strip(dict(drawn), sentence(words, marks))


def bar(seconds: float | None, longest: float) -> str:
    """A bar that says how long a run took beside the longest."""
    return f"v-{max(2, round(HIGH * (seconds or 0.0) / longest)) if longest else 2}"


def sentence(words: Sequence[str], marks: Sequence[Mark]) -> str:
    """``20 runs: 12 succeeded, 2 failed, 6 succeeded; half took at most 1.20 s``: each, the oldest first."""
    parts = [f"{len(list(same))} {word}" for word, same in groupby(words)]
    took = sorted(mark.duration for mark in marks if mark.duration is not None)
    half = f"; half took at most {length_of(median(took))}" if took else ""
    return f"{len(words)} run{'' if len(words) == 1 else 's'}, the oldest first: {', '.join(parts)}{half}"
