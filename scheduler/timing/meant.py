"""What a refused timing means: a zone beside it, words, or the text of another key, and the lines to write instead."""

from __future__ import annotations

import json
import re

from scheduler.timing.calendar_event import from_calendar_event
from scheduler.timing.cron.fields import WEEKDAYS
from scheduler.timing.durations import loose_duration
from scheduler.timing.english.loose import loose_words
from scheduler.timing.errors import TimingError
from scheduler.timing.reading import KINDS, read_rule
from scheduler.timing.zones import nearest, zone_names

MAX_LENGTH = 300  #: no timing in words is longer
SETTING = re.compile(
    r"(?:CRON_TZ|TZ|TIMEZONE|TZID)\s*[=:]\s*(?P<zone>\"[^\"]*\"|'[^']*'|[^\s;]+)[\s;]*(?P<rest>.*)", re.IGNORECASE
)
LAST = re.compile(
    r"(?P<rest>.*?)[\s,]+(?:in |tz=|timezone=)?[(\['\"]?(?P<zone>[A-Za-z][\w+/-]*)[)\]'\"]?", re.IGNORECASE
)
AWS = re.compile(r"cron\((?P<fields>[^()]*)\)")
FORMS = {
    "at": re.compile(r"\d{4}-\d"),
    "rrule": re.compile(r"(RRULE:|DTSTART|FREQ=)", re.IGNORECASE),
    "every": re.compile(r"[\d.]+\s*[a-z]*$", re.IGNORECASE),
    "solar": re.compile(r"(dawn|dusk|sunrise|sunset|solar)\w*( |$)", re.IGNORECASE),
}
AN_IANA_NAME = "an IANA name such as Europe/Berlin"
WRITTEN = {
    "cron": "a cron expression",
    "every": "an interval",
    "at": "a date and time",
    "rrule": "a recurrence",
    "solar": "a solar event",
}


def meant(kind: str, text: str) -> tuple[str, str] | None:
    """The problem and the remedy of a timing that was refused; None if its meaning is unknown."""
    if not text or len(text) > MAX_LENGTH or not (text.isascii() and text.isprintable()):
        return None
    zone, rest = split_zone(text)
    reading = read(kind, rest)
    if zone:
        line = timing_line(*reading) if reading else f"leave it out of {kind}"
        return f"{kind} {text[:60]!r} holds a time zone", f"write timezone: {zone} and {line}"
    if reading is None or reading == (kind, text):
        return None
    other = reading[1] == text and reads(*reading)
    what = f"is {WRITTEN[reading[0]]}" if other else f"is not {WRITTEN[kind]}"
    return f"{kind} {text[:60]!r} {what}", f"write {timing_line(*reading)}"


def meant_fields(text: str) -> dict[str, str] | None:
    """The timing fields that a text of any kind means; None if it means none."""
    if not text or len(text) > MAX_LENGTH or not (text.isascii() and text.isprintable()):
        return None
    zone, rest = split_zone(text)
    reading = read("cron", rest)
    if reading is None or zone == AN_IANA_NAME:
        return None
    return {reading[0]: reading[1], **({"timezone": zone} if zone else {})}


def typed_fields(text: str) -> dict[str, str]:
    """The timing fields that a person typed, in whatever kind or words, and as they are if they are a valid timing.

    What means nothing comes back under the kind that it looks most like, so that its error is about that.
    """
    kind = next((kind for kind in KINDS if reads(kind, text)), None)
    return {kind: text} if kind else meant_fields(text) or {looks_like(text): text}


def looks_like(text: str) -> str:
    """The kind of timing that a text was probably meant to be."""
    return next((kind for kind, form in FORMS.items() if form.match(text)), "cron")


def timing_line(kind: str, text: str) -> str:
    """The line of a schedule that says this timing."""
    return f"{kind}: {text if kind == 'every' else json.dumps(text)}"


def split_zone(text: str) -> tuple[str | None, str]:
    """The zone that is written before or after a timing, with the timing alone; None and the text without one."""
    first = SETTING.fullmatch(text)
    if first:
        return zone_name(first["zone"].strip("\"'")) or AN_IANA_NAME, first["rest"]
    last = LAST.fullmatch(text)
    zone = zone_name(last["zone"], only_near="/" in last["zone"]) if last else None
    return (zone, last["rest"]) if last and zone else (None, text)


def zone_name(name: str, *, only_near: bool = True) -> str | None:
    """The IANA name in any case, or the nearest one; a single word such as MON is near to none."""
    exact = next((known for known in zone_names() if known.lower() == name.lower()), None)
    return exact or (nearest(name[:60]) if only_near else None)


def read(kind: str, text: str) -> tuple[str, str] | None:
    """The kind and text that this text means where ``kind`` was written; None if that is unknown."""
    if reads(kind, text):
        return kind, text
    if length := loose_duration(text):
        return "every", length
    for words in (text, f"{'at' if kind == 'at' else 'every'} {text}" if kind in ("at", "every") else ""):
        if words and (said := loose_words(words)):
            return said
    if cron := from_calendar_event(text) or without_year(text):
        return "cron", cron
    return next(((other, text) for other in KINDS if reads(other, text)), None)


def reads(kind: str, text: str) -> bool:
    """Whether this is the text of such a timing."""
    try:
        read_rule(kind, text)
    except TimingError:
        return False
    return True


def without_year(text: str) -> str | None:
    """AWS's ``cron(…)`` and Quartz's seven fields without the year; None if a number is a day: their Sunday is 1."""
    aws = AWS.fullmatch(text)
    *fields, year = (aws["fields"] if aws else text).split() or [""]
    named = fields[-1:] and re.fullmatch(rf"[*?]|(?:(?:{'|'.join(WEEKDAYS)})[-,]?)+", fields[-1], re.IGNORECASE)
    whole = " ".join(fields)
    return whole if len(fields) == (5 if aws else 6) and year in "*?" and named and reads("cron", whole) else None
