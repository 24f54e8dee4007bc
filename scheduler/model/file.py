"""The top level of the schedule file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scheduler.model.alerts import Address, Alerts
from scheduler.model.fields import (
    NAME_PATTERN,
    WHOLE,
    GivenName,
    Patterns,
    ShortText,
    Text,
)
from scheduler.model.noun import Noun
from scheduler.model.policies import Policies
from scheduler.model.schedule import Schedule


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
        description="More files with `schedules:`, `calendars:` and `alerts: sinks:`; a pattern or a list, relative to "
        "this file.",
        examples=["schedules.d/*.yaml"],
    )
    imports: tuple[str, ...] = Field(
        (), description="Python modules that define your tasks.", examples=[["reports.tasks"]]
    )
    defaults: Policies = Field(
        Policies.model_construct(), description="Policies for every schedule that does not set its own."
    )
    calendars: dict[str, Annotated[tuple[Text, ...], Field(max_length=1000)]] = Field(
        {},
        max_length=100,
        description="Named lists of dates and RRULEs, for `except`.",
        examples=[{"holidays": ["2026-12-25"]}],
    )
    groups: dict[GivenName, Group] = Field(
        {},
        max_length=100,
        description="Groups of schedules that may not all run at once, for `group`.",
        examples=[{"warehouse": {"max_running": 1}}],
    )
    alerts: Alerts = Field(Alerts.model_construct(), description="Who is told of what, and by which means.")
    ping: Address | None = Field(
        None,
        description="Address that the leader asks once a minute while no problem is critical: a service such as "
        "healthchecks.io notices when this one is gone.",
        examples=["https://hc-ping.com/${PING_KEY}/scheduler"],
    )
    schedules: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Schedule] = Field(
        {}, description="Every schedule under its name."
    )
