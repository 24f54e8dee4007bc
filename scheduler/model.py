"""The nouns of this service: frozen, free of I/O, and the one definition of what a schedule may say.

The same models read the file, the admin form, what is stored in Redis, and make the JSON Schema.
Field descriptions are the documentation: editors show them while typing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from scheduler import timing

TIMING_KINDS = ("cron", "every", "at", "rrule", "solar")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
NUMBERS = (rf"([0-9]{{1,12}}(\.[0-9]{{1,6}})?{unit}\s*)?" for unit in ("w", "d", "h", "m", "s", "ms"))
DURATION_PATTERN = rf"^\s*(?=[0-9]){''.join(NUMBERS)}$"


def read_duration(value: object) -> timedelta:
    """Turn ``1h30m`` into a timedelta; a bare number is refused, because its unit would be a guess."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit — write a duration such as 30s, 10m, 1h30m or 2d")
    return timing.parse_duration(value)


def read_whole(value: object) -> object:
    """Take 3.0 for 3, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(read_whole)
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(timing.format_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "10m", "1h30m", "2d"]}),
]
Text = Annotated[str, Field(max_length=4096)]
ShortText = Annotated[str, Field(max_length=200)]


class Noun(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Policies(Noun):
    """What may stand in ``defaults:`` as well as in a schedule."""

    queue: ShortText | None = Field(None, description="Celery queue; the task's own if left out.", examples=["reports"])
    priority: Annotated[int, Field(ge=0, le=9, strict=True), WHOLE] | None = Field(
        None, description="Celery message priority on Redis: 0 is sent first."
    )
    expires: Duration | None = Field(
        None, description="A run that has not started this long after its due instant is dropped as `expired`."
    )
    timeout: Duration | None = Field(None, description="Hard time limit of one run.")
    retries: Annotated[int, Field(ge=0, le=100, strict=True), WHOLE] = Field(
        0, description="How often a failed run is tried again, with growing pauses."
    )
    overlap: Literal["skip", "queue", "allow"] = Field(
        "skip", description="When the run before still goes on: skip this one, let one wait, or run both."
    )
    catch_up: Literal["none", "latest", "all"] = Field(
        "latest", description="Which due instants run after beat was down or the schedule was paused."
    )
    catch_up_window: Duration = Field(
        timedelta(days=1), description="A missed due instant older than this is never run."
    )
    on_lost: Literal["report", "rerun"] = Field(
        "report", description="When the worker of a run vanished: report it, or run it again as well."
    )


class Schedule(Policies):
    """One schedule: what runs when. Exactly one of cron, every, at, rrule and solar."""

    task: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Registered name of the Celery task.", examples=["scheduler.tasks.log_it"]
    )
    description: Annotated[str, Field(max_length=1000)] = Field("", description="What it is for, in a sentence.")
    cron: Text | None = Field(
        None, description="Cron expression, five fields, or six with seconds first.", examples=["30 2 * * *"]
    )
    every: Text | None = Field(None, description="Fixed interval; it does not drift.", examples=["30s", "1h30m"])
    at: Text | None = Field(None, description="Once, at this time.", examples=["2026-12-24 18:00"])
    rrule: Text | None = Field(None, description="RFC 5545 recurrence.", examples=["FREQ=MONTHLY;BYDAY=-1FR"])
    solar: Text | None = Field(
        None, description="Celery's solar event, latitude and longitude.", examples=["sunset 52.52 13.40"]
    )
    timezone: ShortText = Field(
        "UTC", description="IANA time zone; the file's own if left out.", examples=["America/New_York"]
    )
    start: Text | None = Field(None, description="No due instant before this time.")
    end: Text | None = Field(None, description="No due instant after this time.")
    max_runs: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None, description="Finished after this many runs."
    )
    jitter: Duration = Field(timedelta(0), description="Spread the sending over this long, the same for each instant.")
    except_: tuple[str, ...] = Field(
        (), alias="except", max_length=20, description="Names of calendars on whose days it is skipped."
    )
    args: tuple[Any, ...] = Field((), description="Positional arguments of the task.", examples=[[10, 20]])
    kwargs: dict[str, Any] = Field({}, description="Keyword arguments of the task.", examples=[{"format": "pdf"}])
    tags: tuple[ShortText, ...] = Field((), description="For finding it on the page.")
    enabled: bool = Field(True, strict=True, description="False keeps the schedule but never sends it.")
    renamed_from: Annotated[str, StringConstraints(strip_whitespace=False, pattern=NAME_PATTERN)] | None = Field(
        None, description="Its former name: history moves over."
    )

    @property
    def kind(self) -> str:
        """Which of the timing keys is set."""
        return next(kind for kind in TIMING_KINDS if getattr(self, kind) is not None)

    @property
    def timing_text(self) -> str:
        return str(getattr(self, self.kind))

    def fields(self) -> dict[str, Any]:
        """The set fields as JSON values under the names that the file uses; a changed field compares unequal."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


#: Fields that decide when a schedule fires: a change of one of them sets a new next due instant.
TIMING_FIELDS = frozenset({*TIMING_KINDS, "timezone", "start", "end", "jitter", "except", "excluded", "enabled"})


class ScheduleFile(Noun):
    """The top level of ``schedules.yaml``."""

    timezone: ShortText = Field("UTC", description="Time zone of every schedule that names none.")
    imports: tuple[str, ...] = Field((), description="Modules that hold your tasks.", examples=[["reports.tasks"]])
    defaults: Policies = Field(Policies(), description="Policies of every schedule that does not set its own.")
    calendars: dict[str, Annotated[tuple[Text, ...], Field(max_length=1000)]] = Field(
        {},
        max_length=100,
        description="Named lists of dates and RRULEs, for `except`.",
        examples=[{"holidays": ["2026-12-25"]}],
    )
    schedules: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Schedule] = Field(
        {}, description="Name of each schedule to what it does."
    )


@dataclass(frozen=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a schedule: where, what, and what to do."""

    what: str
    remedy: str = ""
    schedule: str = ""
    key: str = ""
    position: Position | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position else ""
        subject = f"schedule '{self.schedule}': " if self.schedule else ""
        mark = "warning: " if self.severity == "warning" else ""
        return f"{place}{mark}{subject}{self.what}" + (f" — {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Declared:
    """A valid schedule as declared: its name, its fields in the file's words, and its calendars resolved."""

    name: str
    schedule: Schedule
    excluded: tuple[str, ...] = ()

    def timing(self) -> timing.Timing:
        """The timing that answers when it fires next."""
        schedule = self.schedule
        zone = schedule.timezone
        return timing.build(
            schedule.kind,
            schedule.timing_text,
            zone=zone,
            name=self.name,
            start=read_instant(schedule.start, zone, "start"),
            end=read_instant(schedule.end, zone, "end"),
            excluded=self.excluded,
            jitter=schedule.jitter,
        )

    def fields(self) -> dict[str, Any]:
        """The schedule's fields, with the resolved calendars under ``excluded``."""
        extra = {"excluded": list(self.excluded)} if self.excluded else {}
        return {**self.schedule.fields(), **extra}


def read_instant(text: str | None, zone: str, key: str) -> datetime | None:
    """An instant from the file: ISO form, wall time in the schedule's zone where it has no offset.

    Raises TimingError that names ``key``.
    """
    return None if text is None else timing.parse_instant(text, zone, key)


@dataclass(frozen=True)
class Overlaid:
    """What the admin changed in one field of a schedule that the file declares."""

    value: Any
    by: str
    at: float  #: epoch seconds
    why: str = ""


@dataclass(frozen=True)
class Pause:
    """An overlay that stops a schedule: who, when (epoch seconds), why, and until when if that is known."""

    by: str
    at: float
    note: str = ""
    until: float | None = None


@dataclass(frozen=True)
class Entry:
    """A schedule's form in RedBeat, decoded.

    ``fields`` is what governs; ``base`` is what the file said last (empty for origin admin and redbeat).
    ``due`` is the next due instant (aware UTC) or None when it will never fire again; ``revision`` counts edits.
    """

    name: str
    origin: Literal["file", "admin", "redbeat"]
    fields: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)
    overlay: dict[str, Overlaid] = field(default_factory=dict)
    pause: Pause | None = None
    due: datetime | None = None
    last_run_at: datetime | None = None
    total_run_count: int = 0
    revision: int = 0
    error: str = ""

    def declared(self) -> Declared:
        """Its governing fields as a Declared; raises pydantic's ValidationError when they are damaged."""
        fields = dict(self.fields)
        excluded = tuple(fields.pop("excluded", ()))
        return Declared(self.name, Schedule.model_validate(fields), excluded)

    def with_due(self, due: datetime | None) -> Entry:
        return replace(self, due=due)


Outcome = Literal["queued", "running", "succeeded", "failed", "lost", "skipped"]


@dataclass(frozen=True)
class Run:
    """One due instant (or manual request) in the ledger; times are epoch seconds, 0 where not reached.

    A stretch of equal skips is one Run with ``count`` above 1, from ``due`` to ``until``.
    """

    id: str
    schedule: str
    due: float
    outcome: Outcome
    manual: bool = False
    task: str = ""
    task_id: str = ""
    reason: str = ""  #: why it was skipped or lost: overlap, paused, excluded, expired, missed, …
    detail: str = ""  #: the reason in a sentence
    queue: str = ""
    sent: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    worker: str = ""
    result: str = ""
    traceback: str = ""
    by: str = ""
    attempt: int = 0
    count: int = 1
    until: float = 0.0

    @property
    def lateness(self) -> float | None:
        """Seconds from the due instant to the start of the body."""
        return self.started - self.due if self.started else None

    @property
    def duration(self) -> float | None:
        """Seconds that the body took."""
        return self.finished - self.started if self.started and self.finished else None


def run_id(name: str, due: datetime, *, manual: bool = False) -> str:
    """The identity of a run: its schedule and due instant, as text that sorts by time."""
    instant = due.isoformat().removesuffix("+00:00") + "Z"
    return f"{name}@{'manual-' if manual else ''}{instant}"


def read_run_id(identity: str) -> tuple[str, float]:
    """The schedule and due instant (epoch seconds) of a run's identity."""
    name, _, instant = identity.rpartition("@")
    return name, datetime.fromisoformat(instant.removeprefix("manual-")).timestamp()
