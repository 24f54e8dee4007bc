"""English for numbers, days and months."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

DAY_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
RANKS = ("", "first", "second", "third", "fourth", "fifth")


def joined(items: Iterable[str], last: str = "and") -> str:
    """``a, b and c``."""
    words = list(items)
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def ordinal(number: int) -> str:
    """``1st``, ``22nd``, ``13th``."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def month_list(months: Sequence[int]) -> str:
    """``January and March``."""
    return joined(MONTH_NAMES[month - 1] for month in months)


def weekday_phrase(days: Iterable[int]) -> str:
    """``on weekdays``, ``on weekends`` or ``on Mondays and Fridays``; Sunday is 0 and comes last."""
    given = sorted(days, key=lambda day: (day - 1) % 7)
    if given == [1, 2, 3, 4, 5]:
        return "on weekdays"
    if given == [6, 0]:
        return "on weekends"
    return "on " + joined(f"{DAY_NAMES[day]}s" for day in given)


def rank(number: int) -> str:
    """``second``, or ``second to last`` for -2."""
    if number == -1:
        return "last"
    word = RANKS[abs(number)] if abs(number) < len(RANKS) else ordinal(abs(number))
    return word if number > 0 else f"{word} to last"


def day_of_year(day: date) -> str:
    """``24 December``."""
    return f"{day.day} {MONTH_NAMES[day.month - 1]}"


def step_of(numbers: Sequence[int], size: int) -> int | None:
    """n if the numbers are every nth of ``size``, from 0, without a shorter step at the end."""
    step = size // len(numbers)
    return step if list(numbers) == list(range(0, size, step)) and size % step == 0 else None


def is_range(numbers: Sequence[int]) -> bool:
    """Whether three or more numbers follow each other."""
    return len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1
