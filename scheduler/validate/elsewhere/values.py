"""Values of other schedulers' keys as fields of ours: None for an unclear one, no field for one that needs none."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from scheduler import timing

Fields = Mapping[str, Any]
Read = Callable[[object], Fields | None]
CALL = re.compile(r"(?:\w+\.)*(?:crontab|schedule|timedelta)\((?P<arguments>.*)\)")
ARGUMENT = re.compile(r"\s*(?:(?P<name>\w+)\s*=\s*)?(?P<value>\"[^\"]*\"|'[^']*'|[^,\s]+)\s*(?:,|$)")
CRON_FIELDS = (
    ("minute",),
    ("hour",),
    ("day_of_month", "day", "dom"),
    ("month_of_year", "month"),
    ("day_of_week", "weekday", "dow"),
)
UNITS = ("weeks", "days", "hours", "minutes", "seconds")
SECRET = re.compile(r"pass|pwd|secret|token|key|[=@]|\s-p", re.IGNORECASE)
SHELL_SIGNS = re.compile(r"[|&;<>$`*?\n]")


def unclear(_: object) -> Fields | None:
    """For a key whose value never says enough."""
    return None


def timing_fields(value: object) -> Fields | None:
    """A timing: seconds, a text of any kind, Celery's call, or a mapping of fields or units."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return seconds("every")(value)
    if isinstance(value, str):
        call = CALL.fullmatch(value.strip())
        return from_mapping(arguments(call["arguments"])) if call else timing.meant_fields(value.strip())
    if isinstance(value, (list, tuple)) and value:
        return timing_fields(value[0])
    return from_mapping(value) if isinstance(value, Mapping) else None


def arguments(text: str) -> Mapping[str, object]:
    """The keyword arguments of a call; a first one without a name is minutes or seconds, and is left out."""
    return {match["name"]: match["value"].strip("\"'") for match in ARGUMENT.finditer(text) if match["name"]}


def from_mapping(value: Mapping[Any, object]) -> Fields | None:
    """``{minute: 0, hour: 9}``, ``{minutes: 10}``, ``{every: 10, period: minutes}``, ``{clocked_time: …}``."""
    plain = {str(key).lower(): str(item) for key, item in value.items()}
    if plain.keys() >= {"every", "period"}:
        plain = {plain["period"].rstrip("s") + "s": plain["every"]}
    if "clocked_time" in plain:
        return timing.meant_fields(plain["clocked_time"])
    if plain and plain.keys() <= set(UNITS):
        return timing.meant_fields(" ".join(f"{plain[unit]} {unit}" for unit in UNITS if unit in plain))
    names = {name for field in CRON_FIELDS for name in field}
    if not plain or not plain.keys() <= names | {"timezone"}:
        return None
    fields = [next((plain[name] for name in field if name in plain), "*").replace(" ", "") for field in CRON_FIELDS]
    return timing.meant_fields(" ".join([*fields, *([plain["timezone"]] if "timezone" in plain else [])]))


def calendar_event(value: object) -> Fields | None:
    """systemd's ``OnCalendar``, which may be a list of one."""
    text = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    cron = timing.from_calendar_event(text) if isinstance(text, str) else None
    return {"cron": cron} if cron else timing_fields(text)


def seconds(key: str) -> Read:
    """A duration: a number of seconds, or text with a unit."""

    def read(value: object) -> Fields | None:
        if isinstance(value, str):
            text = value.strip()
            number = f"{text}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) else text
            length = timing.loose_duration(number)
            return {key: length} if length else None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 10**9:
            return None
        return {key: timing.format_duration(timedelta(seconds=value))}

    return read


def text(key: str) -> Read:
    """The same text under our key."""
    return lambda value: {key: value} if isinstance(value, str) and value else None


def count(key: str, low: int = 0, high: int = 100) -> Read:
    """The same number under our key."""
    return lambda value: {key: value} if type(value) is int and low <= value <= high else None


def choice(**meanings: Fields) -> Read:
    """Fields by the value's text; ``true`` and ``false`` in any spelling that people use."""

    def read(value: object) -> Fields | None:
        word = str(value).strip().lower()
        word = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(word, word)
        return meanings.get(word)

    return read


def instances(value: object) -> Fields | None:
    """APScheduler's ``max_instances``."""
    return {"overlap": "skip" if value == 1 else "allow"} if type(value) is int and value > 0 else None


def command(value: object) -> Fields | None:
    """A line or a list as ``shell`` or ``command``; one that may hold a secret is not repeated in a message."""
    if SECRET.search(str(value)):
        return None
    if isinstance(value, str):
        try:
            if SHELL_SIGNS.search(value):
                return {"shell": value}
            value = shlex.split(value)
        except ValueError:
            return None
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(word, str) for word in value):
        return None
    return {"command": list(value)}


def options(value: object) -> Fields | None:
    """Celery's ``options`` mapping."""
    if not isinstance(value, Mapping):
        return None
    fields: dict[str, Any] = {}
    for key, item in value.items():
        said = OPTIONS[key](item) if key in OPTIONS else None
        if said is None:
            return None
        together = {**fields.get("celery_options", {}), **said.get("celery_options", {})}
        fields |= said
        fields |= {"celery_options": together} if together else {}
    return fields or None


def handed_on(name: str) -> Read:
    """An option of Celery's that a schedule hands on as it is."""
    return lambda value: {"celery_options": {name: value}} if value else {}


OPTIONS: dict[object, Read] = {
    "queue": text("queue"),
    "priority": count("priority", high=9),
    "expires": seconds("expires"),
    "time_limit": seconds("timeout"),
    "soft_time_limit": seconds("timeout"),
    **{name: handed_on(name) for name in ("countdown", "headers", "link", "link_error")},
}
