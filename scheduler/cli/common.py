"""What the commands share: the service's parts, made when first used."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from string import Formatter
from typing import TYPE_CHECKING, Any, Protocol

import click

from scheduler.cli.printing import REFUSAL_WAIT_S, say
from scheduler.timing import BEGINNING, TimingError, build, get_zone

if TYPE_CHECKING:  # what a command does not use, it does not import: that takes longer than most commands
    from celery import Celery

    from scheduler.application.brought import Brought
    from scheduler.operations.operation import Model, Operation
    from scheduler.registry import Registered
    from scheduler.sending.dispatch import Dispatcher
    from scheduler.settings import Settings
    from scheduler.status.catalogue import Catalogue
    from scheduler.status.read_model import Detail, Status
    from scheduler.storage.ledger import Ledger
    from scheduler.storage.store import Store

MAX_LIMIT = 500  #: items that each list answers at once
as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for programs.")


class Service:
    """The parts of the service that a command needs; nothing is opened before it is used."""

    @cached_property
    def settings(self) -> Settings:
        """The settings; a SCHEDULER_ variable that is none is reported on stderr."""
        from scheduler.settings import Settings

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
        from scheduler.storage.client import connect
        from scheduler.storage.keys import Keys
        from scheduler.storage.store import Store

        return Store(connect(self.settings, refusal_wait_s=REFUSAL_WAIT_S), Keys(self.settings.key_prefix))

    @cached_property
    def ledger(self) -> Ledger:
        from scheduler.storage.ledger import Ledger

        return Ledger(self.store.client, self.store.keys, self.settings)

    @cached_property
    def status(self) -> Status:
        from scheduler.status.read_model import Status

        return Status(self.store, self.ledger)

    @cached_property
    def catalogue(self) -> Catalogue:
        from scheduler.status.catalogue import Catalogue

        return Catalogue(self.store, self.queue_of_task)

    def pile_up(self, detail: Detail) -> None:
        """Not looked for: a command would have to read every schedule, and ends before that."""

    def queue_of_task(self, task: str) -> str:
        """The queue of a task's runs whose schedule names none; empty where no router can say."""
        from scheduler.application.queues import known_queue_of_task

        return known_queue_of_task(self.celery, task)

    @property
    def dispatcher(self) -> Dispatcher:
        """What sends runs, once Redis takes writes."""
        from scheduler.sending.dispatch import Dispatcher
        from scheduler.storage.client import take_a_write

        take_a_write(self.store.client, self.store.keys)  # waits for Redis, which kombu does not
        return Dispatcher(self.celery, self.store.client, self.store.keys, self.settings)

    @cached_property
    def file_only(self) -> frozenset[str]:
        from scheduler.registry import file_only

        return file_only(self.celery)

    @property
    def user(self) -> str:
        """Who asks, for the audit log."""
        return f"cli {getpass.getuser()}"

    @property
    def is_host(self) -> bool:
        return True

    @property
    def host(self) -> Service | None:
        """Itself: what only the service's host can tell is at hand."""
        return self

    def ask(self, operation: Operation, **values: Any) -> Any:
        """Do an operation here; see Desk."""
        path, asked = split(operation, values)
        return operation(self, **path, **({} if asked is None else {"asked": asked}))


class Desk(Protocol):
    """Where a command asks: the service of this host, or through its API one elsewhere."""

    @property
    def host(self) -> Service | None: ...

    def ask(self, operation: Operation, **values: Any) -> Any:
        """The answer, as JSON; ``values`` are those of the path and of what the operation asks. Raises SchedulerError.

        Raises UsageError for a value that is not valid.
        """


def split(operation: Operation, values: Mapping[str, Any]) -> tuple[dict[str, Any], Model | None]:
    """The values of the operation's path, and what it asks with the others; raises UsageError."""
    from pydantic import ValidationError

    places = {name for _, name, _, _ in Formatter().parse(operation.path) if name}
    try:
        others = {key: value for key, value in values.items() if key not in places}
        asked = operation.asks.model_validate(others) if operation.asks else None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise click.UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return {name: values[name] for name in places}, asked


def with_desk(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command as its first argument where it asks: here, or at --url."""
    return giving(command, lambda context: elsewhere(context) or Service())


def with_service(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the service's parts as its first argument; it works on the service's host only."""

    def here(context: click.Context) -> Service:
        if elsewhere(context):
            name = context.command_path.partition(" ")[2]
            raise click.UsageError(f"`{name}` needs the service's host: run it there, without --url and SCHEDULER_URL")
        return Service()

    return giving(command, here)


def giving(command: Callable[..., Any], first: Callable[[click.Context], Any]) -> Callable[..., Any]:
    """The command with its first argument made from the context."""

    @click.pass_context
    def call(context: click.Context, *arguments: Any, **options: Any) -> Any:
        return context.invoke(command, first(context), *arguments, **options)

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    return call


def elsewhere(context: click.Context) -> Desk | None:
    """The API at --url; None without one. Raises UsageError without a token."""
    given = context.find_root().params
    if not given.get("url"):
        return None
    from scheduler.cli.remote import Remote

    return Remote.at(given["url"], given["token"], given["token_file"])


def each(
    desk: Desk, operation: Operation, count: int, seen: Callable[[Any], object] = id, **values: Any
) -> Iterator[dict[str, Any]]:
    """The first ``count`` items of a list that is answered in pages; ``seen`` gets each page."""
    cursor: str | None = ""
    while count > 0 and cursor is not None:
        page = desk.ask(operation, **values, cursor=cursor, limit=min(count, MAX_LIMIT))
        seen(page)
        yield from page["items"]
        count, cursor = count - len(page["items"]), page["next"]


def say_problems(problems: Iterable[Mapping[str, Any]]) -> None:
    """A line for each problem of the service."""
    for it in problems:
        since = f" (since {local(it['since'])})" if it["since"] else ""
        text = ": ".join(filter(None, (it["sentence"], it["remedy"])))
        say(f"{'unknown' if it['severity'] == 'unknown' else 'problem'}   {text}{since}")


def local(instant: datetime | str | None, zone: str = "UTC") -> str:
    """An instant for people, in the schedule's zone; a dash for none."""
    if not instant:
        return "-"
    moment = instant if isinstance(instant, datetime) else datetime.fromisoformat(instant)
    return moment.astimezone(get_zone(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def read_instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """An instant from the command line, UTC if it names no offset."""
    if value is None:
        return None
    try:
        return build("at", value).next_due(BEGINNING)
    except TimingError as error:
        raise click.BadParameter(str(error)) from None
