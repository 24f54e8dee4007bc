"""Calendar events of systemd's ``OnCalendar=``, as cron expressions."""

from __future__ import annotations

import re

from scheduler.timing.cron.text import ALIASES, parse
from scheduler.timing.errors import TimingError

SHORTHANDS = {
    "minutely": "* * * * *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
    "anually": ALIASES["@annually"],
    **{name[1:]: text for name, text in ALIASES.items() if name not in ("@weekly", "@midnight")},
    "weekly": "0 0 * * 1",
}
DAY = r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
PART = r"[\d*/.,]+"
EVENT = re.compile(
    rf"(?:(?P<days>{DAY}(?:(?:\.\.|,|-){DAY})*)(?: +|$))?"
    rf"(?:(?:\*-)?(?P<month>{PART})-(?P<date>{PART})(?: +|$))?"
    rf"(?:(?P<hour>{PART}):(?P<minute>{PART})(?::(?P<second>{PART}))?)?"
)


def from_calendar_event(text: str) -> str | None:
    """The cron expression with the same instants; None if there is none, as for a year or ``~``."""
    plain = " ".join(text.lower().split())
    if plain in SHORTHANDS:
        return SHORTHANDS[plain]
    match = EVENT.fullmatch(plain) if plain else None
    if match is None:
        return None
    hour, minute, second = match["hour"] or "0", match["minute"] or "0", match["second"] or "0"
    month, date, days = match["month"] or "*", match["date"] or "*", match["days"] or "*"
    if date != "*" and days != "*":
        return None  # systemd takes the days that match both, cron those that match either
    weekdays = ",".join("-".join(day[:3] for day in re.split(r"\.\.|-", part)) for part in days.split(","))
    fields = [field(second), field(minute), field(hour), field(date), field(month), weekdays.upper()]
    expression = " ".join(fields if fields[0] != "0" else fields[1:])
    try:
        parse(expression)
    except TimingError:
        return None
    return expression


def field(part: str) -> str:
    """``05`` as ``5``, ``0/15`` as ``*/15``, ``1..5`` as ``1-5``."""
    plain = re.sub(r"\b0+(?=\d)", "", part).replace("..", "-")
    return re.sub(r"(?<![\d-])0/", "*/", plain)
