"""Commands about the schedule file: check, plan, apply, schema."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from redis import RedisError

from scheduler import changes
from scheduler.alerts.sinks import apprise
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.changes import Checked, Invalid
from scheduler.changes.followed import CONFIRM, refuse_other_file, replaced_file
from scheduler.changes.plan import Change, Plan
from scheduler.cli.accounts import account_warnings
from scheduler.cli.bars import Bar, progress_bar
from scheduler.cli.common import Service, as_json, with_service
from scheduler.cli.printing import counted, print_json, say
from scheduler.cli.start import start_problems
from scheduler.command_name import schema_path
from scheduler.errors import Exit, RefusedChange, SchedulerError
from scheduler.model import Problem
from scheduler.registry import flask_target
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.workers import reported_tasks
from scheduler.validate.meaning import UNKNOWN_TASK

APPRISE_REMEDY = "see https://github.com/caronc/apprise/wiki for the form of its addresses"


def with_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take the schedule file as its argument or with ``--file``; it gets ``path``, None for neither."""

    @click.argument("file", required=False, type=click.Path(path_type=Path))
    @click.option("--file", "option", type=click.Path(path_type=Path), help="The same as FILE.")
    @functools.wraps(command)
    def call(*arguments: Any, file: Path | None, option: Path | None, **options: Any) -> Any:
        if file and option:
            raise click.UsageError("give the schedule file once: as FILE or with --file")
        return command(*arguments, path=file or option, **options)

    return call


def judge(service: Service, path: Path | None, json_: bool) -> Checked:
    """Check the file at this path (None: SCHEDULER_FILE); asks live workers for tasks that are unknown here."""
    path, tasks, brought = path or service.settings.file, service.tasks, service.brought
    with progress_bar("checked", hidden=json_) as bar:
        checked = changes.check(path, tasks, brought, bar.advance, bar.expect)
    if any(problem.what.startswith(UNKNOWN_TASK) for problem in checked.validated.errors):
        with suppress(RedisError, SchedulerError), connect(service.settings) as client:
            service.tasks.add(reported_tasks(client, Keys(service.settings.key_prefix)))
            return changes.check(checked.path, service.tasks, service.brought)
    return checked


@click.command()
@with_file
@click.option("--strict", is_flag=True, help="Exit with 2 if there are warnings.")
@as_json
@with_service
def check(service: Service, path: Path | None, strict: bool, json_: bool) -> int:
    """Report every problem in the schedule file.

    FILE is SCHEDULER_FILE if left out. Needs neither Redis nor a running service.
    """
    checked = judge(service, path, json_)
    if service.settings.flask_app:
        flask_target(service.settings.flask_app)
    valid = checked.validated
    unloadable = tuple(note for note in checked.notes() if note.severity == "error")
    start = tuple(start_problems(service, checked.declared))
    unloadable += tuple(it for it in start if it.severity == "error")
    warnings = valid.warnings + tuple(it for it in start if it.severity == "warning")
    warnings += tuple(note for note in checked.notes() if note.severity == "warning") + checked.advice()
    warnings += (*apprise_warnings(checked), *account_warnings(checked))
    errors = valid.errors + unloadable
    if json_:
        reported = (*errors, *warnings)
        problems = [{"severity": problem.severity, "problem": str(problem)} for problem in reported]
        files = [str(path) for path in checked.files]
        facts = {"file": str(checked.path), "includes": files, "ok": not errors, "schedules": len(valid.declared)}
        print_json({**facts, "problems": problems})
    else:
        for problem in (*errors, *warnings):
            say(str(problem), err=problem.severity == "error")
        if not errors:
            where = f" in {len(checked.files) + 1} files" if checked.files else ""
            schedules, warned = counted(len(valid.declared), "schedule"), counted(len(warnings), "warning")
            more = len(checked.declared) - len(valid.declared)
            beside = f" and {counted(more, 'schedule')} of the application" if more else ""
            say(f"{checked.path}: {schedules}{where}{beside}, {warned}, no errors")
    if errors:
        return Exit.NO_INPUT if checked.is_unreadable else Exit.PROBLEMS
    return Exit.CHANGES if strict and warnings else Exit.OK


def apprise_warnings(checked: Checked) -> Iterator[Problem]:
    """Each address that Apprise does not know. Beat does not ask, because loading Apprise takes seconds."""
    for name, sink in checked.validated.alerts.sinks.items():
        try:
            wrong = apprise.unknown(sink.apprise) if sink.apprise else ""
        except SinkFailed as error:
            wrong = str(error)
        if wrong:
            place = checked.positions.nearest(("alerts", "sinks", name, "apprise"))
            yield Problem(f"sink '{name}': {wrong}", APPRISE_REMEDY, position=place, severity="warning")


@click.command()
@with_file
@as_json
@with_service
def plan(service: Service, path: Path | None, json_: bool) -> int:
    """Show what loading the schedule file would change.

    FILE is SCHEDULER_FILE if left out. Exits with 2 if there are changes.
    """
    with refusals(json_):
        checked = judge(service, path, json_)
        theirs = replaced_file(service.store, checked.path, checked.digest)
        if theirs and path is None:
            refuse_other_file(theirs, checked.path)
        with compared(service, checked, json_) as bar:
            wanted = changes.plan_for(service.store, checked, progress=bar.advance)
        show(wanted, json_)
        if theirs:
            say(f"scheduler: {theirs}, so `apply` needs {CONFIRM}", err=True)
        if wanted.is_mass_removal:
            say("scheduler: this removes most schedules, so `apply` needs --allow-remove", err=True)
        elif wanted.removals and checked.unended:
            sentence = (
                f"{checked.unended[0]} has no line break at its end, as if cut short, so `apply` needs --allow-remove"
            )
            say(f"scheduler: {sentence}", err=True)
        return Exit.CHANGES if wanted.changes else Exit.OK


@click.command()
@with_file
@click.option("--allow-remove", is_flag=True, help="Load a file that removes most schedules or looks cut short.")
@click.option(CONFIRM, is_flag=True, help="Load FILE although beat follows another one.")
@as_json
@with_service
def apply(service: Service, path: Path | None, allow_remove: bool, other_file: bool, json_: bool) -> int:
    """Load the schedule file in one atomic step, all or nothing.

    FILE is SCHEDULER_FILE if left out. While beat leads, only the file that it follows is loaded.
    """
    with refusals(json_):
        checked = judge(service, path, json_)
        theirs = replaced_file(service.store, checked.path, checked.digest)
        if theirs and not (other_file and path):
            refuse_other_file(theirs, checked.path)
        by = f"{service.user} {checked.digest}"
        confirmed: dict[str, Any] = {"allow_remove": allow_remove, "other_file": other_file}
        with compared(service, checked, json_) as bar:
            done = changes.apply(service.store, checked, by=by, **confirmed, progress=bar.advance)
        show(done, json_)
        return Exit.OK


@click.command()
@click.option("--path", "path_", is_flag=True, help="Print the path of the schema's file.")
def schema(path_: bool) -> int:
    """Print the JSON Schema of the schedule file.

    Editors use it for completion. The first line of a schedule file names its path.
    """
    click.echo(str(schema_path()) if path_ else schema_path().read_text(encoding="utf-8"), nl=path_)
    return Exit.OK


def compared(service: Service, checked: Checked, json_: bool) -> AbstractContextManager[Bar]:
    """A bar for comparing the file with the schedules in Redis, of which each is read."""
    stored = service.store.client.zcard(service.store.keys.schedule)
    return progress_bar("compared", stored + len(checked.declared), hidden=json_)


@contextmanager
def refusals(json_: bool) -> Iterator[None]:
    """With --json, print a refusal as JSON; the exit code stays the same."""
    try:
        yield
    except RefusedChange as error:
        if not json_:
            raise
        print_json({"summary": "refused", "changes": [], "problems": str(error).splitlines()})
        raise click.exceptions.Exit(int(error.exit_code)) from None


def show(wanted: Plan, json_: bool) -> None:
    if json_:
        print_json({"summary": wanted.summary(), "changes": [change_json(change) for change in wanted.changes]})
        return
    for change in wanted.changes:
        say(str(change))
    say(wanted.summary())


def change_json(change: Change) -> dict[str, object]:
    fields = {name: {"before": was, "after": now} for name, (was, now) in change.fields.items()}
    dropped = {name: note.value for name, note in change.dropped.items()}
    return {"kind": change.kind, "name": change.name, "fields": fields, "dropped": dropped, "why": change.why}


__all__ = ["COMMANDS", "Invalid"]
COMMANDS = (check, plan, apply, schema)
