"""The rows of django-celery-beat's ``PeriodicTask``, in the words of the schedule file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from celery import Celery
from celery.schedules import crontab

from scheduler import timing
from scheduler.application.beat_schedule import file_names
from scheduler.application.brought import Brought
from scheduler.application.timings import CannotSay, timing_fields
from scheduler.model import Problem
from scheduler.printable import printable
from scheduler.timing.errors import TimingError

BOTH_DAYS = "day-of-month and day-of-week: Celery takes days that match both, cron either; written as an rrule"
NO_WORD = "have the task do this, and clear the column"


class NoRows(Exception):
    """The application has no rows of django-celery-beat; the message says why, with what to do."""


def rows(app: Celery) -> list[Any]:
    """Every ``PeriodicTask`` with its schedule, by name; raises NoRows."""
    try:
        app.loader.import_default_modules()
        import_module("django").setup()
        table = import_module("django_celery_beat.models").PeriodicTask
    except ImportError as error:
        remedy = "install it beside the scheduler and set SCHEDULER_CELERY_APP"
        raise NoRows(f"the application does not use django-celery-beat: {error} — {remedy}") from None
    except Exception as error:  # settings that Django refuses, of any kind
        raise NoRows(f"Django does not start: {error} — set DJANGO_SETTINGS_MODULE, or mend the settings") from None
    related = ("interval", "crontab", "solar", "clocked")
    try:
        return list(table.objects.select_related(*related).order_by("name"))
    except Exception as error:  # of the database's driver
        raise NoRows(f"the table of PeriodicTask cannot be read: {error} — check Django's DATABASES") from None


def read(stored: Iterable[Any]) -> Brought:
    """Translate rows, which have the attributes of ``PeriodicTask``."""
    given = list(stored)
    names = file_names([row.name for row in given])
    fields: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for row, name in zip(given, names, strict=True):
        where = printable(row.name)[:100]
        try:
            said, notes = row_fields(row)
        except (CannotSay, TimingError) as error:
            problems.append(Problem(f"PeriodicTask: {getattr(error, 'problem', error)}", error.remedy, where))
            continue
        fields[name] = said
        problems += [
            Problem(f"PeriodicTask: {note}", "check its next runs", where, severity="warning") for note in notes
        ]
    return Brought(fields, {name: row.name for row, name in zip(given, names, strict=True)}, tuple(problems))


def row_fields(row: Any) -> tuple[dict[str, Any], list[str]]:
    """The fields of one row, and what becomes different; raises CannotSay or TimingError."""
    said, notes = row_timing(row)
    fields: dict[str, Any] = {"description": row.description} if row.description else {}
    fields |= {"task": row.task, **said}
    for key, empty in (("args", []), ("kwargs", {})):
        if (value := from_json(key, getattr(row, key), empty)) != empty:
            fields[key] = value
    for column, words in (("exchange", "an exchange"), ("routing_key", "a routing_key")):
        if getattr(row, column):
            raise CannotSay(f"it has {words}, for which the file has no word", "set its queue instead")
    if from_json("headers", row.headers, {}):
        raise CannotSay("it has headers, for which the file has no word", NO_WORD)
    if row.priority is not None and row.priority > 9:
        raise CannotSay(f"its priority is {row.priority}", "set 0 to 9")
    fields |= {"queue": row.queue} if row.queue else {}
    fields |= {"priority": row.priority} if row.priority is not None else {}
    fields |= {"expires": timing.format_duration(timedelta(seconds=row.expire_seconds))} if row.expire_seconds else {}
    return fields | span(row), notes


def span(row: Any) -> dict[str, Any]:
    """From when, until when, how often and whether it runs."""
    fields: dict[str, Any] = {}
    fields |= {"start": moment(row.start_time)} if row.start_time else {}
    fields |= {"end": moment(row.expires)} if row.expires else {}
    if row.one_off and not row.clocked:
        fields["max_runs"] = 1
    return fields if is_on(row) else {**fields, "enabled": False}


def is_on(row: Any) -> bool:
    """Whether it runs again: a one-off row that ran only waits to be disabled."""
    return bool(row.enabled and not (row.one_off and row.total_run_count))


def row_timing(row: Any) -> tuple[dict[str, Any], list[str]]:
    """Its timing; where several are set, django-celery-beat takes them in this order."""
    if row.interval:
        every = timedelta(**{row.interval.period: row.interval.every})
        timing.build("every", timing.format_duration(every))
        return timing_fields(every, "UTC")
    if row.crontab:
        columns = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        value = crontab(**{column: getattr(row.crontab, column) for column in columns})
        zone = str(row.crontab.timezone)
        timing.get_zone(zone)
        fields, notes = timing_fields(value, zone)
        return fields, [*notes, BOTH_DAYS] if "rrule" in fields else notes
    if row.solar:
        return {"solar": f"{row.solar.event} {row.solar.latitude} {row.solar.longitude}"}, []
    if row.clocked:
        return {"at": moment(row.clocked.clocked_time)}, []
    raise CannotSay("it has no schedule", "give it one, or delete it")


def moment(value: datetime) -> str:
    """With its offset; Django without USE_TZ gives UTC without saying so."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")


def from_json(column: str, value: str | None, empty: Any) -> Any:
    """The value of a column that holds JSON."""
    try:
        return json.loads(value) if value else empty
    except ValueError as error:
        raise CannotSay(f"its {column} are not JSON: {error}", "mend the column") from None


def old_instants(row: Any, now: datetime) -> Iterator[datetime]:
    """When django-celery-beat runs a row, after ``now``, by Celery's own reckoning; UTC."""
    last = row.expires or datetime.max.replace(tzinfo=UTC)
    for count, instant in enumerate(unbounded(row, max(now, row.start_time or now))):
        if not is_on(row) or instant >= last or (row.one_off and count):
            return
        yield instant.astimezone(UTC)


def unbounded(row: Any, now: datetime) -> Iterator[datetime]:
    """The instants of its schedule after ``now``."""
    schedule = row.schedule
    if row.clocked and not (row.interval or row.crontab or row.solar):
        if schedule.clocked_time > now:
            yield schedule.clocked_time
        return
    if row.interval:
        since = row.last_run_at or (None if row.start_time else row.date_changed)
        instant = max(since + schedule.run_every, now) if since else now
        while True:
            yield instant
            instant += schedule.run_every
    instant = now.astimezone(getattr(schedule, "tz", UTC))
    while True:
        here = instant
        schedule.nowfun = lambda here=here: here
        instant = here + schedule.remaining_estimate(here)
        yield instant
