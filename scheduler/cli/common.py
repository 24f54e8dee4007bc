"""What the commands share: the service's parts, made when first used."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import click
from celery import Celery

from scheduler.application.brought import Brought
from scheduler.cli.printing import REFUSAL_WAIT_S, say
from scheduler.registry import Registered
from scheduler.settings import Settings
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.read_model import Status
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from scheduler.timing import get_zone

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for programs.")


class Service:
    """The parts of the service that a command needs; nothing is opened before it is used."""

    @cached_property
    def settings(self) -> Settings:
        """The settings; a SCHEDULER_ variable that is none is reported on stderr."""
        settings = Settings.from_environ()
        for problem in settings.unknown:
            say(f"scheduler: {problem}", err=True)
        return settings

    @cached_property
    def celery(self) -> Celery:
        """Imports the user's task modules; ends the process with one line if one of them is broken."""
        from scheduler.celeryapp import app  # reads the environment, so only when it is needed

        app.scheduler_modules.is_strict = True
        app.loader.import_default_modules()
        return app

    @cached_property
    def tasks(self) -> Registered:
        from scheduler.registry import signatures

        return signatures(self.celery)

    @cached_property
    def brought(self) -> Brought:
        """What the application declares itself."""
        from scheduler.application.beat_schedule import brought

        return brought(self.celery)

    @property
    def differences(self) -> Iterator[str]:
        """A line for each setting that the service changes or does not use, and for each signal handler that failed."""
        from scheduler.application.settings_table import unused

        yield from (*self.celery.scheduler_differences, *unused(self.celery.conf))
        yield from self.celery.scheduler_failed_handlers

    @cached_property
    def store(self) -> Store:
        """Waits up to REFUSAL_WAIT_S for a Redis that refuses commands."""
        return Store(connect(self.settings, refusal_wait_s=REFUSAL_WAIT_S), Keys(self.settings.key_prefix))

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.store.client, self.store.keys, self.settings)

    @cached_property
    def status(self) -> Status:
        return Status(self.store, self.ledger)

    @property
    def user(self) -> str:
        """Who asks, for the audit log."""
        return f"cli {getpass.getuser()}"


def with_service(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the service's parts as its first argument."""

    @click.pass_context
    def call(context: click.Context, *arguments: Any, **options: Any) -> Any:
        return context.invoke(command, Service(), *arguments, **options)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return call


def say_problems(problems: Iterable[ServiceProblem]) -> None:
    """A line for each problem of the service."""
    for problem in problems:
        since = f" (since {local(problem.since)})" if problem.since else ""
        say(f"{'unknown' if problem.severity == 'unknown' else 'problem'}   {problem}{since}")


def local(instant: datetime | float | None, zone: str = "UTC") -> str:
    """An instant for people, in the schedule's zone; a dash for none."""
    if not instant:
        return "-"
    moment = instant if isinstance(instant, datetime) else datetime.fromtimestamp(instant, UTC)
    return moment.astimezone(get_zone(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
