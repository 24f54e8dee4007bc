"""Commands about the schedule file: check, plan, apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from scheduler import changes
from scheduler.changes import Checked, Invalid
from scheduler.changes.plan import Change, Plan
from scheduler.cli.common import Service, as_json, print_json, with_service
from scheduler.errors import Exit, RefusedChange

file_option = click.option("--file", "path", type=click.Path(path_type=Path), help="Another file than SCHEDULER_FILE.")


def judge(service: Service, path: Path | None) -> Checked:
    return changes.check(path or service.settings.file, service.tasks)


@click.command()
@file_option
@click.option("--strict", is_flag=True, help="Exit with 2 when there are warnings.")
@as_json
@with_service
def check(service: Service, path: Path | None, strict: bool, json_: bool) -> int:
    """Say everything that is wrong with the schedule file. Needs no Redis and no running service."""
    checked = judge(service, path)
    valid = checked.validated
    warnings = valid.warnings + checked.advice()
    if json_:
        told = (*valid.errors, *warnings)
        problems = [{"severity": problem.severity, "problem": str(problem)} for problem in told]
        files = [str(path) for path in checked.files]
        facts = {"file": str(checked.path), "includes": files, "ok": valid.ok, "schedules": len(valid.declared)}
        print_json({**facts, "problems": problems})
    else:
        for problem in (*valid.errors, *warnings):
            click.echo(str(problem), err=problem.severity == "error")
        if valid.ok:
            where = f" in {len(checked.files) + 1} files" if checked.files else ""
            counts = f"{len(valid.declared)} schedules{where}, {len(warnings)} warnings, no errors"
            click.echo(f"{checked.path}: {counts}")
    if not valid.ok:
        return Exit.NO_INPUT if checked.is_unreadable else Exit.PROBLEMS
    return Exit.CHANGES if strict and warnings else Exit.OK


@click.command()
@file_option
@as_json
@with_service
def plan(service: Service, path: Path | None, json_: bool) -> int:
    """Print what loading the file would change; exits with 2 when there is something."""
    with refusals(json_):
        checked = judge(service, path)
        wanted = changes.plan_for(service.store, checked)
        show(wanted, json_)
        if wanted.is_mass_removal:
            click.echo("scheduler: this removes most schedules, so `apply` wants --allow-remove", err=True)
        elif wanted.removals and checked.unended:
            sentence = f"{checked.unended[0]} ends inside a line, as if cut short, so `apply` wants --allow-remove"
            click.echo(f"scheduler: {sentence}", err=True)
        return Exit.CHANGES if wanted.changes else Exit.OK


@click.command()
@file_option
@click.option("--allow-remove", is_flag=True, help="Even if it removes most schedules or looks cut short.")
@as_json
@with_service
def apply(service: Service, path: Path | None, allow_remove: bool, json_: bool) -> int:
    """Load the file: every change in one atomic step, or none."""
    with refusals(json_):
        checked = judge(service, path)
        by = f"{service.user} {checked.digest}"
        show(changes.apply(service.store, checked, by=by, allow_remove=allow_remove), json_)
        return Exit.OK


@contextmanager
def refusals(json_: bool) -> Iterator[None]:
    """Tell programs in JSON too why nothing was done; the exit code is the same."""
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
        click.echo(str(change))
    click.echo(wanted.summary())


def change_json(change: Change) -> dict[str, object]:
    fields = {name: {"before": was, "after": now} for name, (was, now) in change.fields.items()}
    dropped = {name: note.value for name, note in change.dropped.items()}
    return {"kind": change.kind, "name": change.name, "fields": fields, "dropped": dropped, "why": change.why}


__all__ = ["COMMANDS", "Invalid"]
COMMANDS = (check, plan, apply)
