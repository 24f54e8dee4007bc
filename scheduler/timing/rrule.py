"""RFC 5545 recurrence text: ``FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17``, with ``DTSTART`` before it if it needs an anchor."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime

from scheduler.timing.errors import TimingError
from scheduler.timing.instants import utc
from scheduler.timing.recurrence import FREQUENCIES, MONTHLY, Recurrence
from scheduler.timing.rules import OnTheClock
from scheduler.timing.segments import EARLIEST, LATEST, WallClock
from scheduler.timing.zones import EPOCH

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: part to (field of Recurrence, lowest, highest, whether it may count from the end)
NUMBERS = {
    "BYSECOND": ("seconds", 0, 59, False),
    "BYMINUTE": ("minutes", 0, 59, False),
    "BYHOUR": ("hours", 0, 23, False),
    "BYMONTHDAY": ("month_days", 1, 31, True),
    "BYYEARDAY": ("year_days", 1, 366, True),
    "BYWEEKNO": ("weeks", 1, 53, True),
    "BYMONTH": ("months", 1, 12, False),
    "BYSETPOS": ("positions", 1, 366, True),
}
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "WKST", *NUMBERS)
MAX_COUNT = 10_000
MAX_INTERVAL = 1_000_000
MOMENT = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)


def rrule(text: str, clock: WallClock, start: datetime | None = None, field: str = "rrule") -> OnTheClock:
    """The rule of a text, on wall times of the clock's zone.

    Its anchor, from which intervals count, is its DTSTART, else ``start`` (an aware instant), else 1970-01-01 00:00.
    TimingError, for ``field``, if the text is not a rule.
    """
    reader = Reader(field, clock)
    begin, parts = reader.split(text)
    if begin is None:
        begin = EPOCH if start is None else clock.wall(utc(start)).replace(microsecond=0)
    rule = reader.rule(parts, begin).with_defaults()
    until = reader.until(parts["UNTIL"]) if "UNTIL" in parts else None
    return OnTheClock(clock, rule, corrections=True, until=until)


class Reader:
    """Reads the parts of one text; every complaint names the field and the part."""

    def __init__(self, field: str, clock: WallClock) -> None:
        self.field = field
        self.clock = clock

    def refuse(self, problem: str, remedy: str) -> TimingError:
        """A TimingError about this field, for the caller to raise."""
        return TimingError(self.field, f"{self.field} {problem}", remedy)

    def split(self, text: str) -> tuple[datetime | None, dict[str, str]]:
        """The DTSTART, as wall time, and the parts of the RRULE."""
        begin, parts = None, None
        for line in text.upper().split():
            head, _, rest = line.rpartition(":")
            name = head.partition(";")[0] or "RRULE"
            if name == "DTSTART":
                self._check_zone(head)
                begin = self._wall(rest, "DTSTART")
            elif name != "RRULE":
                raise self.refuse(f"has a {name[:20]}", "use one RRULE, and `except` for the days to leave out")
            elif parts is not None:
                raise self.refuse("has two rules", "make two schedules of it")
            else:
                parts = self._parts(rest)
        if not parts:
            raise self.refuse("is empty", "write it like FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0")
        return begin, parts

    def _check_zone(self, head: str) -> None:
        zone = head.partition("TZID=")[2].partition(";")[0]
        if zone and zone != self.clock.name.upper():
            remedy = f"set `timezone`, which is {self.clock.name}, and leave out TZID"
            raise self.refuse(f"names another zone, {zone[:40]}", remedy)

    def _parts(self, text: str) -> dict[str, str]:
        parts: dict[str, str] = {}
        for part in text.strip(";").split(";"):
            name, equals, value = part.partition("=")
            if name not in PARTS:
                near = difflib.get_close_matches(name[:20], PARTS, n=1)
                raise self.refuse(f"has an unknown part {part[:40]!r}", f"did you mean {near[0]}?" if near else KNOWN)
            if not equals or not value:
                raise self.refuse(f"part {name} has no value", f"write it like {name}=…")
            if name in parts:
                raise self.refuse(f"has {name} twice", "write one list, separated by commas")
            parts[name] = value
        return parts

    def rule(self, parts: dict[str, str], begin: datetime) -> Recurrence:
        """The recurrence of these parts of an RRULE; ``begin`` gives what they leave out. Raises TimingError."""
        if "COUNT" in parts and "UNTIL" in parts:
            raise self.refuse("has both COUNT and UNTIL", "keep one of them")
        if parts.get("FREQ") not in FREQUENCIES:
            raise self.refuse(f"has FREQ={parts.get('FREQ', '')[:20]}", f"use {', '.join(FREQUENCIES)}")
        freq = FREQUENCIES.index(parts["FREQ"])
        plain, nth = self._weekdays(parts.get("BYDAY", ""), freq)
        given = {
            field: self._numbers(name, parts[name], low, high, signed)
            for name, (field, low, high, signed) in NUMBERS.items()
            if name in parts
        }
        return Recurrence(
            freq,
            begin,
            interval=self._number("INTERVAL", parts.get("INTERVAL", "1"), 1, MAX_INTERVAL),
            count=self._number("COUNT", parts["COUNT"], 1, MAX_COUNT) if "COUNT" in parts else None,
            weekdays=plain,
            nth_weekdays=nth,
            week_start=self._weekday("WKST", parts.get("WKST", "MO")),
            **given,
        )

    def until(self, text: str) -> datetime:
        """The last possible instant; a wall time without Z is one of the zone."""
        wall = self._wall(text, "UNTIL")
        # A date without a time includes its whole day.
        return self.clock.instant(wall if "T" in text else wall.replace(hour=23, minute=59, second=59))

    def _wall(self, text: str, name: str) -> datetime:
        match = MOMENT.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            value = datetime.strptime(match[1] + (match[2] or "000000"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            raise self.refuse(f"has {name} {text[:40]!r}", "write it like 20261224T180000") from None
        value = min(max(value, EARLIEST), LATEST)  # UNTIL=99991231T235959Z means: without an end
        return self.clock.wall(value) if match[3] else value

    def _numbers(self, name: str, text: str, low: int, high: int, signed: bool) -> tuple[int, ...]:
        numbers = {self._number(name, value, low, high, signed) for value in text.split(",")}
        return tuple(sorted(numbers))

    def _number(self, name: str, text: str, low: int, high: int, signed: bool = False) -> int:
        span = f"use {low} to {high}" + (f", or -{high} to -{low} from the end" if signed else "")
        if not re.fullmatch(r"[+-]?\d{1,9}" if signed else r"\d{1,9}", text, re.ASCII):
            raise self.refuse(f"{name} {text[:20]!r} is not a number", span)
        if not low <= (abs(int(text)) if signed else int(text)) <= high:
            raise self.refuse(f"{name} {text[:20]!r} is out of range", span)
        return int(text)

    def _weekdays(self, text: str, freq: int) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        plain: set[int] = set()
        nth: set[tuple[int, int]] = set()
        for term in text.split(",") if text else ():
            weekday = self._weekday("BYDAY", term[-2:])
            if len(term) == 2:
                plain.add(weekday)
            elif freq > MONTHLY:
                raise self.refuse(f"BYDAY {term[:20]!r} counts weekdays", "use FREQ=MONTHLY or FREQ=YEARLY with it")
            else:
                nth.add((self._number("BYDAY", term[:-2], 1, 53, signed=True), weekday))
        return tuple(sorted(plain)), tuple(sorted(nth))

    def _weekday(self, name: str, text: str) -> int:
        if text not in WEEKDAYS:
            raise self.refuse(f"{name} {text[:20]!r} is not a weekday", f"use {', '.join(WEEKDAYS)}")
        return WEEKDAYS.index(text)


KNOWN = f"use {', '.join(PARTS)}"
