"""The part of the grammar about days: ``every weekday``, ``on the last friday of march``, ``on 25 december``."""

from __future__ import annotations

import re
from typing import NamedTuple

from scheduler.timing.english.language import DAY_NAMES, MONTH_NAMES, RANKS

DAY = "|".join(name.lower() for name in DAY_NAMES)
MONTH = "|".join(name.lower() for name in MONTH_NAMES)
AND = r"(?:, and |, | and )"
DAYS = rf"(?:(?:every |on )?(?:{DAY})s?)(?:{AND}(?:{DAY})s?)*"
MONTHS = rf"(?:{MONTH})(?:{AND}(?:{MONTH}))*"
RANK = rf"(?:{'|'.join(RANKS[1:])}|last)"
COUNTED = rf"{RANK}(?:{AND}{RANK})* (?:{DAY})"
ORDINAL = r"\d{1,2}(?:st|nd|rd|th)"
PLACE = (
    rf"(?:the )?(?:{COUNTED}|last day|last weekday|(?:weekday|work day) nearest the {ORDINAL}|{ORDINAL}"
    rf"|(?:{'|'.join(RANKS[2:])}|{ORDINAL}) to last day)"
)
PLACES = rf"{PLACE}(?:{AND}{PLACE})*"
OF = rf"(?: of (?:the month|each month|every month|(?P<of>{MONTHS})))"
FORMS = (
    re.compile(rf"(?:every day|each day|daily)?(?:,? ?in (?P<months>{MONTHS}))?"),
    re.compile(rf"(?:on )?(?:every )?(?P<group>weekdays?|weekends?)(?:,? in (?P<months>{MONTHS}))?"),
    re.compile(rf"(?P<days>{DAYS})(?:,? in (?P<months>{MONTHS}))?"),
    re.compile(rf"(?:every month )?(?:on )?(?P<places>{PLACES}){OF}"),
    re.compile(rf"every month on (?P<places>{PLACES})"),
    re.compile(rf"(?:every year )?(?:on )?(?P<dates>\d{{1,2}}(?:{AND}\d{{1,2}})*) (?P<months>{MONTH})"),
    re.compile(rf"(?:every year )?(?:on )?(?P<months>{MONTH}) (?P<dates>\d{{1,2}})"),
)


class DayFields(NamedTuple):
    """The last three fields of a cron expression."""

    day: str = "*"
    month: str = "*"
    weekday: str = "*"


def day_fields(phrase: str) -> DayFields | None:
    """The day fields of a phrase in lower case, ``or`` for either of two; None if it is not understood."""
    for form in FORMS:
        match = form.fullmatch(phrase)
        if match is not None:
            return _fields(match.groupdict())
    first, either, second = phrase.partition(" or ")
    if not either:
        return None
    rest, comma, months = second.partition(", in ")
    dates, days = day_fields(first), day_fields(rest)
    month = _numbers(months, MONTH_NAMES, 1) if re.fullmatch(MONTHS, months) else "*" if not comma else ""
    if dates is None or days is None or not month or (dates.weekday, days.day) != ("*", "*"):
        return None
    if "*" in (dates.day, days.weekday) or (dates.month, days.month) != ("*", "*"):
        return None
    return DayFields(dates.day, month, days.weekday)


def _fields(groups: dict[str, str | None]) -> DayFields | None:
    months = groups.get("months") or groups.get("of")
    month = _numbers(months, MONTH_NAMES, 1) if months else "*"
    if group := groups.get("group"):
        return DayFields("*", month, "1-5" if group.startswith("weekday") else "0,6")
    if days := groups.get("days"):
        return DayFields("*", month, _numbers(days, DAY_NAMES, 0))
    if dates := groups.get("dates"):
        return DayFields(",".join(re.findall(r"\d+", dates)), month, "*")
    if places := groups.get("places"):
        return _places(places, month)
    return DayFields("*", month, "*")


def _places(phrase: str, month: str) -> DayFields | None:
    """Places in a month, all of them dates or all of them weekdays: a list of both would be an "or"."""
    dates: list[str] = []
    weekdays: list[str] = []
    for place in re.findall(PLACE, phrase):
        words = place.removeprefix("the ").split()
        name = words[-1].capitalize()
        if name in DAY_NAMES:
            number = DAY_NAMES.index(name)
            ranks = re.findall(RANK, " ".join(words[:-1]))
            weekdays += [f"{number}L" if rank == "last" else f"{number}#{RANKS.index(rank)}" for rank in ranks]
        elif words[0] == "last":
            dates.append("L" if words[-1] == "day" else "LW")
        elif words[-1] == "day":
            dates.append(f"L-{(RANKS.index(words[0]) if words[0] in RANKS else int(words[0][:-2])) - 1}")
        else:
            dates.append(words[-1][:-2] + ("W" if len(words) > 1 else ""))
    if dates and weekdays:
        return None
    return DayFields(",".join(dates) or "*", month, ",".join(weekdays) or "*")


def _numbers(phrase: str, names: tuple[str, ...], first: int) -> str:
    numbers = {names.index(word.capitalize()) + first for word in re.findall("|".join(names).lower(), phrase)}
    return ",".join(map(str, sorted(numbers)))
