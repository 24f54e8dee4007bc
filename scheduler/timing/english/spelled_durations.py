"""Durations as other programs write them: ``10 minutes``, ``10.minutes``, ``PT10M``, ``rate(10 minutes)``."""

from __future__ import annotations

import re

UNITS = {
    "w": r"w|W|weeks?|wks?",
    "d": r"d|D|days?",
    "h": r"h|H|hours?|hrs?",
    "m": r"m|minutes?|mins?",  # M is a month
    "s": r"s|S|seconds?|secs?",
    "ms": r"ms|milliseconds?|msecs?|millis",
}
NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
DURATION = re.compile(
    "".join(rf"(?:(?P<{name}>{NUMBER})[ .]?(?:{unit})\b,? *(?:and +)?)?" for name, unit in UNITS.items()), re.ASCII
)
JOINED = re.compile(r"(?<=[A-Za-z])(?=\d)")
ISO = re.compile(
    r"P(?:(?P<w>\d{1,9})W)?(?:(?P<d>\d{1,9})D)?(?:T(?:(?P<h>\d{1,9})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9})S)?)?",
    re.ASCII,
)
RATE = re.compile(r"rate\((?P<length>[^()]*)\)")


def spelled_duration(text: str) -> str:
    """The duration in our spelling, unit after unit, or an empty text if it is none."""
    rate = RATE.fullmatch(text)
    match = ISO.fullmatch(text) or DURATION.fullmatch(JOINED.sub(" ", rate["length"] if rate else text))
    return "".join(f"{number}{unit}" for unit, number in match.groupdict().items() if number) if match else ""
