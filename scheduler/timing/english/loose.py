"""Timings in words that the grammar does not know, but other schedulers do: ``daily``, ``every mon at 9am``."""

from __future__ import annotations

import re

from scheduler.timing.cron.text import ALIASES
from scheduler.timing.durations import loose_duration
from scheduler.timing.english.grammar import from_words
from scheduler.timing.errors import TimingError

ALIAS = "|".join(name[1:] for name in ALIASES)
NUMBERS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "ten": "10", "twelve": "12",
    "fifteen": "15", "twenty": "20", "thirty": "30", "forty-five": "45", "sixty": "60",
}  # fmt: skip
#: What people write, and the grammar's word for it, in order.
SPELLINGS = (
    (r"\bo'clock\b|\bof every day\b", ""),
    (r"@ ?(?=\d)", "at "),
    (r"\beach\b", "every"),
    (r"\bhalf (an )?hour\b", "30 minutes"),
    (rf"\b({'|'.join(NUMBERS)})\b(?= [a-z])", lambda match: NUMBERS[match[0]]),
    (r"\bmins?\b", "minutes"),
    (r"\bsecs?\b", "seconds"),
    (r"\bhrs?\b", "hours"),
    (r"\bevery 1 ([a-z]+?)s?\b", r"every \1"),
    (r"\bmon\b", "monday"),
    (r"\btues?\b", "tuesday"),
    (r"\bwed\b", "wednesday"),
    (r"\bthu(rs?)?\b", "thursday"),
    (r"\bfri\b", "friday"),
    (r"\bsat\b", "saturday"),
    (r"\bsun\b", "sunday"),
    (r"\b(every |on )?(from )?mondays?( ?- ?| to | through | until )fridays?\b", "every weekday"),
    (r"\bnoon\b", "noon"),
    (r"(?<=\d)([ap])\.m\.", r"\1m"),
)
NO_TIME = "has no time of day"


def loose_words(text: str) -> tuple[str, str] | None:
    """The kind and text of a timing in words; a day without a time begins at midnight. None if it is none."""
    words = " ".join(text.lower().split())
    alias = re.fullmatch(rf"(?:every )?({ALIAS})", words)
    if alias:
        return "cron", ALIASES[f"@{alias[1]}"]
    for spelling, word in SPELLINGS:
        words = re.sub(spelling, word, words)
    words = " ".join(words.split())
    try:
        return from_words(words)
    except TimingError as error:
        without_time = NO_TIME in error.problem
    try:
        return from_words(f"{words} at midnight") if without_time else after_every(words)
    except TimingError:
        return after_every(words)


def after_every(words: str) -> tuple[str, str] | None:
    """``every 10 days`` as an interval."""
    if not words.startswith("every "):
        return None
    rest = words.removeprefix("every ")
    length = loose_duration(rest) or loose_duration(f"1 {rest}")
    return ("every", length) if length else None
