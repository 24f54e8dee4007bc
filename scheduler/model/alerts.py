"""What ``alerts:`` in the schedule file may say: where alerts go, about what, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from scheduler.model.fields import NAME_PATTERN, WHOLE, Duration, Text

Event = Literal["failing", "lost", "late", "stuck", "missed", "slow", "recovered", "problem"]
EVENTS: tuple[Event, ...] = ("failing", "lost", "late", "stuck", "missed", "slow", "recovered", "problem")
SINK_KINDS = ("email", "webhook", "command", "apprise")
MAX_FAILURES = 20  #: the ledger notes no more in a row, see ``_health.lua``
SERVICE = ""  #: the name of the service itself among those that ping
SENDMAIL = "/usr/sbin/sendmail"
Filled = Annotated[str, Field(min_length=1, max_length=4096)]


def read_address(text: str) -> str:
    """Refuse what is no web address; a reference at its start may still make one."""
    if not text.startswith(("http://", "https://", "${")):
        raise ValueError("it is no web address — begin it with https:// or a reference such as ${PING_URL}")
    return text


Address = Annotated[Filled, AfterValidator(read_address)]


class Options(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def no_empty_key(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a key without a value, as everywhere in the file; only the JSON of a request may be null."""
        if value is None and info.field_name != "json_":
            raise ValueError("it is empty — write a value, or delete the line")
        return value


class Email(Options):
    """A mail through an SMTP server, or through the machine's sendmail."""

    to: Annotated[tuple[Filled, ...], Field(min_length=1)] = Field(description="Addresses that get the mail.")
    from_: Filled = Field(alias="from", description="Address of the sender.")
    server: Text = Field("", description="SMTP server; left out, the mail goes to sendmail.")
    port: Annotated[int, Field(ge=1, le=65535, strict=True), WHOLE] = Field(587, description="Port of the SMTP server.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is encrypted.")
    user: Text = Field("", description="Name for the login; left out, there is no login.")
    password: Text = Field("", description="Password for the login, as `${VAR}` or `${file:/path}`.")
    sendmail: Text = Field(SENDMAIL, description="Path of sendmail, for use without a server.")


class Webhook(Options):
    """A POST of JSON."""

    url: Filled = Field(description="Address that takes the alert.")
    template: Literal["json", "slack", "teams", "discord"] = Field("json", description="Form of the body.")
    secret: Text = Field(
        "", description="Signs the body: HMAC-SHA256 of the timestamp, a full stop and the body; as `${VAR}`."
    )


class Sink(Options):
    """One place that alerts go to. Exactly one of email, webhook, command and apprise."""

    email: Email | None = Field(None, description="A mail.")
    webhook: Webhook | None = Field(None, description="A POST of JSON to a web address.")
    command: Annotated[tuple[Filled, ...], Field(min_length=1)] | None = Field(
        None, description="A program and its arguments; it gets the alert as JSON on its standard input."
    )
    apprise: Filled | None = Field(
        None,
        description="An address of the library Apprise, which speaks Telegram, ntfy, Matrix and many others.",
        examples=["tgram://${TELEGRAM_TOKEN}/${TELEGRAM_CHAT}"],
    )

    @model_validator(mode="after")
    def one_kind(self) -> Sink:
        if len(self.model_fields_set) != 1:
            raise ValueError("it must have one kind — write exactly one of email, webhook, command and apprise")
        return self


class Alerts(Options):
    """Who is told of what."""

    sinks: dict[Annotated[str, Field(pattern=NAME_PATTERN)], Sink] = Field(
        {}, max_length=100, description="Named places that alerts go to."
    )
    to: tuple[Text, ...] | None = Field(None, description="Sinks that get the alerts; all of them if left out.")
    events: tuple[Event, ...] = Field(EVENTS, description="What alerts are sent about.")
    failures: Annotated[int, Field(ge=1, le=MAX_FAILURES, strict=True), WHOLE] = Field(
        1, description="Failed runs in a row before an alert."
    )
    cooldown: Duration = Field(timedelta(0), description="No second alert about the same schedule within this time.")
    reminder: Duration = Field(timedelta(0), description="Repeat the alert this often while the schedule fails.")

    def stored(self, schedules: Mapping[str, ScheduleAlerts], pings: Mapping[str, str] | None = None) -> dict[str, Any]:
        """As the leader reads it, with what differs by schedule, and the addresses to ping, by schedule.

        Durations are in seconds, references are not filled in. A command is under ``argv``, Apprise's address under
        ``url``.
        """
        sinks = self.model_dump(mode="json", by_alias=True, exclude_unset=True).get("sinks", {})
        for sink in sinks.values():
            for kind, option in (("command", "argv"), ("apprise", "url")):
                if kind in sink:
                    sink[kind] = {option: sink[kind]}
        rule: dict[str, Any] = {
            "events": list(self.events),
            "failures": self.failures,
            "cooldown": self.cooldown.total_seconds(),
            "reminder": self.reminder.total_seconds(),
        }
        return {
            "sinks": sinks,
            "rule": rule if self.to is None else {**rule, "sinks": list(self.to)},
            "schedules": {name: own.stored() for name, own in schedules.items()},
            "pings": dict(pings or {}),
        }


class ScheduleAlerts(Options):
    """What differs for one schedule from ``alerts:`` at the top of the file."""

    to: tuple[Text, ...] | None = Field(None, description="Sinks that get the alerts about this schedule.")
    events: tuple[Event, ...] | None = Field(None, description="What alerts are sent about.")
    failures: Annotated[int, Field(ge=1, le=MAX_FAILURES, strict=True), WHOLE] | None = Field(
        None, description="Failed runs in a row before an alert."
    )
    cooldown: Duration | None = Field(None, description="No second alert within this time.")
    reminder: Duration | None = Field(None, description="Repeat the alert this often while the schedule fails.")
    off: Filled | None = Field(
        None,
        description="Why the schedule is expected to fail: it sends no alerts and is not listed as a problem.",
        examples=["the supplier's server is down until May"],
    )

    @model_validator(mode="after")
    def off_alone(self) -> ScheduleAlerts:
        if self.off is not None and len(self.model_fields_set) > 1:
            raise ValueError("off sends no alerts, so the other keys mean nothing — delete off, or the others")
        return self

    def stored(self) -> dict[str, Any]:
        """The fields of a rule that it sets, as the leader reads them."""
        fields = {
            "sinks": self.to and list(self.to),
            "events": self.events and list(self.events),
            "failures": self.failures,
            "cooldown": None if self.cooldown is None else self.cooldown.total_seconds(),
            "reminder": None if self.reminder is None else self.reminder.total_seconds(),
            "off": None if self.off is None else True,
        }
        return {key: value for key, value in fields.items() if value is not None}
