"""What a schedule may say: the one definition for the file, the admin form, what is stored, and the JSON Schema.

Field descriptions are the documentation: editors show them while typing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from scheduler.model.accounts import Account, queue_of
from scheduler.model.alerts import Address, ScheduleAlerts
from scheduler.model.celery_options import read_options
from scheduler.model.fields import (
    NAME_PATTERN,
    TIMING_KINDS,
    WHOLE,
    Duration,
    GivenName,
    ShortText,
    Text,
)
from scheduler.model.policies import Policies
from scheduler.model.then import Then, read_then
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
    group: GivenName | None = Field(
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
        description="What starts when a run of this one has ended: the name of a schedule, something to run such as "
        "`{task: shop.tell}`, a list of these, or a mapping with `success`, `failure` and `always`. Each run is "
        "followed once, whatever dies.",
        examples=["load", {"success": ["load", {"task": "shop.tell"}], "failure": ["tell-me"]}],
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
