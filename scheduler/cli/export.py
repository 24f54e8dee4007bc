"""The command that brings changes from the page into the schedule file: export."""

from __future__ import annotations

import click

from scheduler.changes import export as exporting
from scheduler.changes.export import Proposal
from scheduler.cli.common import Service, as_json, with_service
from scheduler.cli.printing import print_json, say
from scheduler.errors import CannotWrite, Exit


@click.command()
@click.argument("names", nargs=-1)
@click.option("--field", "fields", multiple=True, help="Only this changed field; may be repeated.")
@click.option("--write", "write_", is_flag=True, help="Write the file; refused if it changed meanwhile.")
@as_json
@with_service
def export(service: Service, names: tuple[str, ...], fields: tuple[str, ...], write_: bool, json_: bool) -> int:
    """Print changes from the page as a patch, or write the file.

    With NAMES, only the changes of these schedules.
    """
    entries = exporting.candidates(service.store, names)
    proposals, left_out = exporting.propose_apart(service.settings.file, service.tasks, entries, fields)
    failed: list[CannotWrite] = []
    for made in proposals if write_ else ():
        try:
            exporting.write(service.store, made, by=service.user)
        except CannotWrite as error:
            failed.append(error)
    if json_:
        facts = {"written": write_ and not failed, "files": [proposal_json(made) for made in proposals]}
        print_json({**facts, "left_out": [str(error) for error in left_out]})
    elif proposals or not left_out:
        show(proposals, written=write_ and not failed)
    for refused in (*left_out, *failed):
        say(f"scheduler: {refused}", err=True)
    return Exit.CANT_CREATE if failed else left_out[0].exit_code if left_out else Exit.OK


def show(proposals: list[Proposal], *, written: bool) -> None:
    """Print the patches on stdout and everything else on stderr, so that stdout can be given to ``patch``."""
    for made in proposals:
        click.echo(made.patch, nl=False)
        for reason in made.reasons:
            say(f"scheduler: check this before you apply the patch to {made.path}: {reason}", err=True)
        if written:
            say(f"scheduler: wrote {made.path}: {', '.join(made.changed)}", err=True)
    if not proposals:
        say("nothing to export", err=True)


def proposal_json(made: Proposal) -> dict[str, object]:
    return {
        "file": str(made.path),
        "schedules": {name: sorted(after) for name, (_, after) in made.changed.items()},
        "patch": made.patch,
        "reasons": list(made.reasons),
    }


COMMANDS = (export,)
