"""What a schedule may say: the one definition for the file, the admin form, what is stored, and the JSON Schema.

Field descriptions are the documentation: editors show them while typing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from scheduler.model.accounts import Account, queue_of
from scheduler.model.alerts import Address, Alerts, ScheduleAlerts
from scheduler.model.celery_options import read_options
from scheduler.model.fields import (
    NAME_PATTERN,
    NONE,
    TIMING_KINDS,
    WHOLE,
    Duration,
    Patterns,
    QueueName,
    ShortText,
    Size,
    Text,
    read_patterns,
)
from scheduler.model.retry import BACKOFF, Failure, RetryBackoff, RetryDelay, Retrying
from scheduler.model.what_runs import (
    OF_PROGRAMS,
    Argv,
    Call,
    Environment,
    ExitCodes,
    Http,
    Verbatim,
    program,
    shell_line,
)

KEEP_RESULT = timedelta(hours=1)
KILL_AFTER = timedelta(seconds=15)
ONE_NAME: dict[str, Any] = {"type": "string", "pattern": NAME_PATTERN}
SEVERAL_NAMES: dict[str, Any] = {"type": "array", "items": ONE_NAME, "maxItems": 20}


class Noun(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Policies(Noun):
    """Policies: in a schedule, or in ``defaults:`` for every schedule that does not set its own."""

    queue: Annotated[QueueName | None, NONE] = Field(
        None, description="Celery queue of its runs; `none` for the task's own queue.", examples=["reports"]
    )
    priority: Annotated[Annotated[int, Field(ge=0, le=9, strict=True), WHOLE] | None, NONE] = Field(
        None,
        description="Celery message priority: on Redis 0 goes first, on RabbitMQ 9; `none` for the broker's default.",
        examples=[5],
    )
    expires: Annotated[Duration | None, NONE] = Field(
        None,
        description="Skip a run as `expired` if no worker starts it within this time after its due instant (with "
        "`jitter`, after its later start; if `catch_up` sends it late, after it was sent). With `none`, it expires at "
        "the next due instant under `overlap: skip`, and otherwise never.",
    )
    late_after: Annotated[Duration | None, NONE] = Field(
        None,
        description="Report the schedule as late if a run waits longer than this in its queue; `none` for as long as "
        "`expires`, or 5 minutes without it.",
    )
    slow_after: Annotated[Duration | None, NONE] = Field(
        None, description="Send an alert if a run takes longer than this; `none` for never. The run is not stopped."
    )
    timeout: Annotated[Duration | None, NONE] = Field(
        None, description="Stop a run that takes longer; it has failed, as `time limit`. `none` for no limit."
    )
    kill_after: Duration = Field(
        KILL_AFTER,
        description="How long a run may take to end once `timeout` or a person asks it to; then it is killed, with all "
        "that it started.",
    )
    max_memory: Annotated[Size | None, NONE] = Field(
        None,
        description="Kill a run that uses more memory; it has failed, as `memory limit`. `none` for no limit. Only the "
        "pool `prefork` can keep it.",
        examples=["512MB"],
    )
    retries: Annotated[int, Field(ge=0, le=100, strict=True), WHOLE] = Field(
        0,
        description="How often a failed run is retried, after pauses of 1, 2, 4 … up to 600 s if the next four keys do "
        "not say otherwise.",
    )
    retry_delay: RetryDelay = Field(
        timedelta(seconds=1), description="How long after a failure the first retry starts; at most `1d`."
    )
    retry_backoff: RetryBackoff = Field(
        BACKOFF,
        description="Double the pause with each retry, up to this. `true` is `10m`; with `false` or `none`, every "
        "pause is as long as `retry_delay`.",
        examples=["1h"],
    )
    retry_jitter: bool = Field(
        False,
        strict=True,
        description="Make each pause a random part of its length, so that runs that failed together do not start "
        "together.",
    )
    retry_for: tuple[Failure, ...] = Field(
        (),
        max_length=50,
        description="Retry only these failures: names of exceptions or of their base classes, and exit codes of "
        "`command` and `shell`. Every failure, if left out.",
        examples=[["ConnectionError", 75]],
    )
    overlap: Literal["skip", "queue", "allow", "replace"] = Field(
        "skip",
        description="If the previous run has not ended: skip the new one, let it wait, run both, or stop the previous "
        "one and start the new one when it has ended.",
    )
    max_queued: Annotated[int, Field(ge=1, le=100, strict=True), WHOLE] = Field(
        1,
        description="How many runs of the schedule wait at most: for the run before, with `overlap: queue`, or for a "
        "place in their `group`. What falls due beyond is skipped.",
    )
    catch_up: Literal["none", "latest", "all"] = Field(
        "latest",
        description="Which missed due instants run when a beat is back. Due instants in a pause are not caught up.",
    )
    catch_up_window: Duration = Field(
        timedelta(days=1), description="Never run a missed due instant that is older than this."
    )
    on_lost: Literal["report", "rerun"] = Field(
        "report", description="If a run's worker disappears: only report the run as lost, or also run it again."
    )
    pause_after_failures: Annotated[Annotated[int, Field(ge=1, le=1000, strict=True), WHOLE] | None, NONE] = Field(
        None,
        description="Pause the schedule after so many runs in a row that failed or were lost, until a person resumes "
        "it; `none` for never. Then it counts again from 0.",
        examples=[3],
    )
    keep_result: Annotated[Duration | None, NONE] = Field(
        KEEP_RESULT,
        description="How long Redis keeps a run's result for programs that ask Celery for it; `none` keeps none. The "
        "ledger keeps its own copy. Left out, an application's own `result_expires` comes before the hour.",
    )

    @property
    def retrying(self) -> Retrying:
        """When a failed run is retried, for the worker."""
        backoff = None if self.retry_backoff is None else self.retry_backoff.total_seconds()
        return Retrying(self.retry_delay.total_seconds(), backoff, self.retry_jitter, self.retry_for)


Names = Annotated[
    tuple[Annotated[str, Field(pattern=NAME_PATTERN)], ...],
    Field(max_length=20),
    BeforeValidator(read_patterns),
    WithJsonSchema({"anyOf": [ONE_NAME, SEVERAL_NAMES]}),
]


class Then(Noun):
    """Schedules that start when a run has ended."""

    success: Names = Field((), description="Start when the run succeeded.", examples=[["load"]])
    failure: Names = Field((), description="Start when the run failed or was lost.", examples=[["tell-me"]])
    always: Names = Field((), description="Start in each case, also if the run was stopped.", examples=[["clean-up"]])

    def words(self) -> str:
        """As ``_followers.lua`` reads it: ``success:load always:clean-up``."""
        return " ".join(f"{when}:{name}" for when in type(self).model_fields for name in getattr(self, when))


def read_then(value: object) -> object:
    """Read a name or a list of names as those that follow a success."""
    return {"success": value} if isinstance(value, (str, list, tuple)) else value


class Schedule(Policies):
    """One schedule: exactly one of task, command, shell and http, and one of cron, every, at, rrule and solar."""

    task: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Registered name of the Celery task to run.", examples=["scheduler.tasks.log_it"]
    )
    command: Argv | None = Field(
        None,
        description="A program and its arguments, as a list that no shell reads; `${VAR}` and `${file:/path}` are "
        "filled in by the worker.",
        examples=[["pg_dump", "-Fc", "app"]],
    )
    shell: Annotated[Verbatim, Field(min_length=1)] | None = Field(
        None,
        description="A line for `/bin/sh`, or for the `SHELL` in `environment`. Each `$` in it is the shell's.",
        examples=["cd /srv/shop && ./report.sh > report-$(date +%F).txt"],
    )
    http: Http | None = Field(None, description="An HTTP request.")
    environment: Environment = Field(
        {},
        description="Environment variables of `command` or `shell`, beside the worker's; `${VAR}` and `${file:/path}` "
        "are filled in by the worker.",
        examples=[{"PGPASSWORD": "${file:/run/credentials/celery-worker.service/db}"}],
    )
    directory: Annotated[Verbatim, Field(min_length=1, max_length=4096)] = Field(
        "/", description="Where `command` or `shell` starts; an absolute path.", examples=["/srv/shop"]
    )
    success_codes: ExitCodes = Field(
        (0,),
        description="Exit codes of `command` or `shell` that mean success.",
        examples=[[0, 1]],
    )
    stdin: Verbatim | None = Field(None, description="Standard input of `command` or `shell`; empty if left out.")
    user: Account | None = Field(
        None,
        description="System account as which it runs, instead of the worker's: its runs go to the account's own queue, "
        "`as@backup`, from which the service `celery-worker-as@backup` takes them.",
        examples=["backup"],
    )
    description: Annotated[str, Field(max_length=1000)] = Field(
        "", description="What the schedule is for, in a sentence; shown on the page."
    )
    cron: Text | None = Field(
        None, description="Cron expression, five fields, or six with seconds first.", examples=["30 2 * * *"]
    )
    every: Text | None = Field(
        None,
        description="Fixed interval, counted from the Unix epoch or from `start`; it does not drift.",
        examples=["30s", "1h30m"],
    )
    at: Text | None = Field(None, description="Once, at this time.", examples=["2026-12-24 18:00"])
    rrule: Text | None = Field(None, description="RFC 5545 recurrence.", examples=["FREQ=MONTHLY;BYDAY=-1FR"])
    solar: Text | None = Field(
        None,
        description="Celery's solar event, latitude and longitude; needs the extra `solar`.",
        examples=["sunset 52.52 13.40"],
    )
    timezone: ShortText = Field(
        "UTC",
        description="IANA time zone of the timing; the one at the top of the file if left out.",
        examples=["America/New_York"],
    )
    start: Text | None = Field(None, description="No due instant before this time.", examples=["2026-12-01 00:00"])
    end: Text | None = Field(None, description="No due instant after this time.", examples=["2026-12-31 23:59"])
    max_runs: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None, description="The schedule is finished after this many runs."
    )
    jitter: Duration = Field(
        timedelta(0), description="Delay each run by up to this long; the delay of a due instant is always the same."
    )
    except_: tuple[str, ...] = Field(
        (), alias="except", max_length=20, description="Calendars, by name: on their days the schedule is skipped."
    )
    args: tuple[Any, ...] = Field(
        (),
        description="Positional arguments of the task; `${VAR}` and `${file:/path}` are filled in by the worker.",
        examples=[[10, 20]],
    )
    kwargs: dict[str, Any] = Field(
        {},
        description="Keyword arguments of the task; `${VAR}` and `${file:/path}` are filled in by the worker.",
        examples=[{"format": "pdf", "password": "${DB_PASSWORD}"}],
    )
    celery_options: Annotated[dict[str, Any], BeforeValidator(read_options)] = Field(
        {},
        description="Options of Celery's `apply_async` without a key of their own: `link` and `link_error` (tasks that "
        "Celery starts when the run succeeds or fails), `countdown` (seconds) and `headers`.",
        examples=[{"link_error": {"task": "mail.tell", "args": ["ann"]}}],
    )
    group: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        None,
        description="Group from `groups:` at the top of the file: its schedules run at most `max_running` at once, the "
        "others wait for their turn. A run that waits expires only with `expires`.",
        examples=["warehouse"],
    )
    tags: tuple[ShortText, ...] = Field((), description="Words to filter by on the page.")
    alerts: ScheduleAlerts | None = Field(
        None, description="What differs for this schedule from `alerts:` at the top of the file."
    )
    ping: Address | None = Field(
        None,
        description="Address of a service such as healthchecks.io that waits for this schedule: `/start`, the address "
        "itself on success, `/fail`.",
        examples=["https://hc-ping.com/${PING_KEY}/nightly"],
    )
    then: Annotated[Then | None, BeforeValidator(read_then)] = Field(
        None,
        description="Schedules whose runs start when a run of this one has ended: a name, a list of names, or a "
        "mapping with `success`, `failure` and `always`. Each run is followed once, whatever dies.",
        examples=["load", {"success": ["load"], "failure": ["tell-me"]}],
    )
    enabled: bool = Field(
        True,
        strict=True,
        description="`false`: its timing sends nothing; *run now* and the `then` of another schedule still start it.",
    )
    renamed_from: Annotated[str, StringConstraints(strip_whitespace=False, pattern=NAME_PATTERN)] | None = Field(
        None, description="Former name of the schedule: its history moves over."
    )

    @property
    def kind(self) -> str:
        """Which of the timing keys is set."""
        return next(kind for kind in TIMING_KINDS if getattr(self, kind) is not None)

    @property
    def timing_text(self) -> str:
        """The value of its timing key, as ``30 2 * * *``."""
        return str(getattr(self, self.kind))

    @property
    def sent_to(self) -> str | None:
        """The queue of its runs; None for that of its task."""
        return queue_of(self.user) if self.user else self.queue

    @property
    def call(self) -> Call:
        """The task that it runs, with its arguments; raises ValueError if it names nothing to run."""
        if self.task is not None:
            return Call(self.task, self.args, self.kwargs)
        if self.http is not None:
            return self.http.call()
        given = self.model_dump(mode="json", include=set(OF_PROGRAMS), exclude_defaults=True)
        if self.command is not None:
            return program(self.command, given)
        if self.shell is not None:
            return shell_line(self.shell, given)
        raise ValueError("it names nothing to run — write task, command, shell or http")

    @classmethod
    def default(cls, name: str) -> Any:
        """A field's default as the file would write it; None for one that has none."""
        field = cls.model_fields["except_" if name == "except" else name]
        if field.is_required():
            return None
        return cls.model_construct().model_dump(mode="json", by_alias=True, warnings=False)[name]

    def fields(self) -> dict[str, Any]:
        """The set fields as JSON values under the names that the file uses; a changed field compares unequal."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


#: Fields that decide when a schedule fires: a change of one of them sets a new next due instant.
TIMING_FIELDS = frozenset(
    {*TIMING_KINDS, "timezone", "start", "end", "jitter", "except", "excluded", "enabled", "max_runs"}
)


class Group(Noun):
    """A group: schedules that share what only so many runs may use at once."""

    max_running: Annotated[int, Field(ge=1, le=1000, strict=True), WHOLE] = Field(
        description="How many runs of its schedules are sent or running at once; the others wait, first come first "
        "served.",
        examples=[1],
    )


class ScheduleFile(Noun):
    """The top level of ``schedules.yaml``."""

    timezone: ShortText = Field("UTC", description="IANA time zone of every schedule that names none.")
    include: Patterns = Field(
        (),
        description="More files with `schedules:` and `calendars:`; a pattern or a list, relative to this file.",
        examples=["schedules.d/*.yaml"],
    )
    imports: tuple[str, ...] = Field(
        (), description="Python modules that define your tasks.", examples=[["reports.tasks"]]
    )
    defaults: Policies = Field(Policies(), description="Policies for every schedule that does not set its own.")
    calendars: dict[str, Annotated[tuple[Text, ...], Field(max_length=1000)]] = Field(
        {},
        max_length=100,
        description="Named lists of dates and RRULEs, for `except`.",
        examples=[{"holidays": ["2026-12-25"]}],
    )
    groups: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Group] = Field(
        {},
        max_length=100,
        description="Groups of schedules that may not all run at once, for `group`.",
        examples=[{"warehouse": {"max_running": 1}}],
    )
    alerts: Alerts = Field(Alerts(), description="Who is told of what, and by which means.")
    ping: Address | None = Field(
        None,
        description="Address that the leader asks once a minute while no problem is critical: a service such as "
        "healthchecks.io notices when this one is gone.",
        examples=["https://hc-ping.com/${PING_KEY}/scheduler"],
    )
    schedules: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Schedule] = Field(
        {}, description="Every schedule under its name."
    )
