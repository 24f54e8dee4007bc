"""Parse timings in a small, strict subset of English; anything else is refused, with examples.

One phrase about times and one about days, in either order: ``every weekday at 9`` is ``every weekday`` and ``at 9``.
"""

from __future__ import annotations

import re
from typing import NoReturn

from scheduler.timing.durations import format_duration, parse_duration
from scheduler.timing.english.grammar_days import DayFields, day_fields
from scheduler.timing.english.language import MONTH_NAMES
from scheduler.timing.errors import TimingError
from scheduler.timing.instants import parse_instant

EXAMPLES = "every 15 minutes · every weekday at 9 · last friday of the month at 17:00 · on 25 december at noon"
MAX_LENGTH = 300
TIME = r"(?:\d{1,2}(?::\d\d(?::\d\d)?)?(?: ?[ap]m)?|noon|midnight)"
TIMES = rf"{TIME}(?:(?:, | and |, and ){TIME})*"
AT = re.compile(rf"(?:^|(?<= ))at (?P<times>{TIMES})(?= |$|,)")
UNIT = r"(?:millisecond|second|minute|hour|day|week)s?"
INTERVAL = re.compile(
    rf"every (?P<length>(?:\d{{1,6}} )?{UNIT}(?: \d{{1,6}} {UNIT})*|\d[\dwdhms.]*)(?![a-z])(?P<rest>.*)"
)
WINDOW = re.compile(rf" (?:from|between) (?P<first>{TIME}) (?:to|and|until) (?P<last>{TIME})(?P<rest>.*)")
MINUTES = re.compile(r" at minutes? (?P<minutes>\d{1,2}(?:(?:, | and )\d{1,2})*)(?P<rest>.*)")
OF_HOUR = re.compile(r"at minutes? (?P<minutes>\d{1,2}(?:(?:, | and )\d{1,2})*) of every hour(?P<rest>.*)")
ONCE = re.compile(rf"(?:once )?(?:at (?P<time>{TIME}) )?on (?P<day>\d{{1,2}}) (?P<month>[a-z]+) (?P<year>\d{{4}})")
SHORT = {"millisecond": "ms", "second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}


def from_words(text: str) -> tuple[str, str]:
    """The kind and the text of a timing said in English; TimingError with examples for what is not understood.

    ``every 15 minutes`` is ("every", "15m"), ``every weekday at 9`` is ("cron", "0 9 * * 1-5").
    """
    normalized = " ".join(text.lower().split()).removesuffix(".")
    if len(text) > MAX_LENGTH:
        raise TimingError("words", f"the sentence is {len(text):,} characters long", f"write it like: {EXAMPLES}")
    if not normalized:
        raise TimingError("words", "there is no sentence", f"write it like: {EXAMPLES}")
    sentence = Sentence(normalized)
    return sentence.once() or sentence.of_hour() or sentence.interval() or sentence.at_times()


class Sentence:
    """One sentence in lower case; each method reads one form, or answers None if it is not that form."""

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, problem: str = "is not understood", remedy: str = "") -> NoReturn:
        """Raise TimingError about the sentence."""
        raise TimingError("words", f"{self.text[:80]!r} {problem}", remedy or f"write it like: {EXAMPLES}")

    def once(self) -> tuple[str, str] | None:
        """``once at 18:00 on 24 december 2026``, ``once at 2026-12-24 18:00``."""
        if re.fullmatch(r"(once )?(at )?\d{4}-.*", self.text):
            moment = re.sub(r"^(once )?(at )?", "", self.text).upper()
            parse_instant(moment, field="words")
            return "at", moment.replace(" ", "T", 1)
        match = ONCE.fullmatch(self.text)
        if match is None:
            return None
        if match["time"] is None:
            self.refuse("has no time of day", "add one: once at 18:00 on 24 december 2026")
        names = [name.lower() for name in MONTH_NAMES]
        if match["month"] not in names:
            self.refuse()
        hour, minute, second = self.clock(match["time"])
        date = f"{match['year']}-{names.index(match['month']) + 1:02}-{int(match['day']):02}"
        moment = f"{date}T{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
        parse_instant(moment, field="words")
        return "at", moment

    def of_hour(self) -> tuple[str, str] | None:
        """``at minutes 5 and 35 of every hour on weekdays``."""
        match = OF_HOUR.fullmatch(self.text)
        return self.cron(None, self.minutes(match["minutes"]), "*", self.days(match["rest"])) if match else None

    def interval(self) -> tuple[str, str] | None:
        """``every 15 minutes``, then hours, then days; without either it is an ``every``."""
        match = INTERVAL.fullmatch(self.text)
        if match is None or AT.search(self.text):
            return None
        length, rest = self.length(match["length"]), match["rest"]
        window = WINDOW.fullmatch(rest)
        minute = MINUTES.fullmatch(rest)
        if not rest:
            # As an `every`, a day would begin at midnight in UTC, which is not what it says.
            if (length.endswith("d") and length.startswith("1")) or length == "7d":
                self.refuse("has no time of day", "add one: every day at 9")
            return "every", length
        seconds, minutes, hours = self.steps(length)
        if minute:
            if minutes != "0":
                self.refuse("gives the minute twice", "write every hour at minute 5")
            minutes, rest = self.minutes(minute["minutes"]), minute["rest"]
        if window:
            hours, rest = self.window(length, window["first"], window["last"]), window["rest"]
            minutes = str(self.clock(window["first"])[1]) if length == "1h" else minutes
        return self.cron(seconds, minutes, hours, self.days(rest))

    def at_times(self) -> tuple[str, str]:
        """``every weekday at 9``, ``at 9 and 17:30 on mondays``."""
        match = AT.search(self.text)
        if match is None:
            self.day_without_time()
        days = self.days(f"{self.text[: match.start()]} {self.text[match.end() :]}")
        times = [self.clock(time) for time in re.findall(TIME, match["times"])]
        hours, minutes, seconds = ({time[place] for time in times} for place in range(3))
        # Cron combines each hour with each minute: 9:00 and 17:30 would run at 9:30 and 17:00 too.
        if len(set(times)) != len(hours) * len(minutes) * len(seconds):
            self.refuse("has times that one cron expression cannot express", "create one schedule for each")
        second = None if seconds == {0} else _list(seconds)
        return self.cron(second, _list(minutes), _list(hours), days)

    def day_without_time(self) -> NoReturn:
        """Refuse a sentence without ``at``: with the days right, all it lacks is the time."""
        self.days(self.text)
        self.refuse("has no time of day", f"add one: {self.text[:60]} at 9")

    def days(self, phrase: str) -> DayFields:
        """The day, month and weekday fields of a phrase such as ``weekdays``; raises TimingError."""
        fields = day_fields(" ".join(phrase.replace(",", " , ").split()).replace(" ,", ",").strip(", "))
        return fields if fields is not None else self.refuse()

    def cron(self, second: str | None, minute: str, hour: str, days: DayFields) -> tuple[str, str]:
        """The kind ``cron`` and its expression; ``second`` None for five fields."""
        fields = [minute, hour, days.day, days.month, days.weekday]
        return "cron", " ".join(fields if second is None else [second, *fields])

    def length(self, phrase: str) -> str:
        """``90 minutes`` or ``1h30m`` in the canonical spelling."""
        spelled = re.sub(rf"(\d+ )?({UNIT})", lambda match: _short(match[1], match[2]), phrase).replace(" ", "")
        try:
            return format_duration(parse_duration(spelled))
        except TimingError as error:
            self.refuse(f"has an invalid interval: {error.problem}", error.remedy)

    def steps(self, length: str) -> tuple[str | None, str, str]:
        """An interval as second, minute and hour; only if it fits its unit a whole number of times."""
        match = re.fullmatch(r"(\d+)([smh])", length)
        count, unit = (int(match[1]), match[2]) if match else (0, "")
        size = {"s": 60, "m": 60, "h": 24}.get(unit, 0)
        # Cron's steps begin again in each hour or day, so they are equal only if they divide it.
        if not count or size % count:
            whole = "an hour" if unit != "h" else "a day"
            self.refuse(
                "cannot be written as one cron expression", f"use a number that divides {whole}, or leave out the days"
            )
        every = "*" if count == 1 else f"*/{count}"
        return {"s": (every, "*", "*"), "m": (None, every, "*"), "h": (None, "0", every)}[unit]

    def window(self, length: str, first: str, last: str) -> str:
        """The hours from the first run to the last one, which must be just that."""
        (low, begin, _), (high, end, _) = self.clock(first), self.clock(last)
        # The hours 9-17 run until 17:45 with */15: a sentence that ends at 17:00 means something else.
        final = begin if length == "1h" else 60 - int(length[:-1]) if length.endswith("m") else 59
        if (length.endswith("h") and length != "1h") or (begin and length != "1h") or high < low:
            self.refuse("has hours that one cron expression cannot express", "write every hour from 9:00 to 17:00")
        if end != final:
            self.refuse("does not end at a run", f"end at the last run, such as {last.partition(':')[0]}:{final:02}")
        return f"{low}-{high}" if low < high else str(low)

    def minutes(self, phrase: str) -> str:
        """Minutes of the hour as a cron field; raises TimingError above 59."""
        numbers = {int(number) for number in re.findall(r"\d+", phrase)}
        if max(numbers) > 59:
            self.refuse("has a minute out of range", "use 0 to 59")
        return _list(numbers)

    def clock(self, phrase: str) -> tuple[int, int, int]:
        """Hour, minute and second of ``9``, ``9:30``, ``5pm``, ``noon``."""
        if phrase in ("noon", "midnight"):
            return (12, 0, 0) if phrase == "noon" else (0, 0, 0)
        half = phrase[-2:] if phrase.endswith("m") else ""
        parts = [int(part) for part in phrase.removesuffix(half).strip().split(":")]
        hour, minute, second = (*parts, 0, 0)[:3]
        if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59 or second > 59:
            self.refuse(f"has an invalid time of day {phrase!r}", "use 0:00 to 23:59, or 1am to 12pm")
        if half:
            hour = hour % 12 + (12 if half == "pm" else 0)
        return hour, minute, second


def _list(numbers: set[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def _short(count: str | None, unit: str) -> str:
    return f"{(count or '1').strip()}{SHORT[unit.removesuffix('s')]}"
