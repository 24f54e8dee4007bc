"""Commands about the service itself: up, reload, test, password, install, uninstall."""

from __future__ import annotations

import secrets

import click

from scheduler import installation
from scheduler.cli.common import Service, with_service
from scheduler.errors import Exit
from scheduler.process import reload as reloading

AS_IT_IS = {"ignore_unknown_options": True}  #: what follows is for somebody else


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="Port of the page; the first free one from 8000 if left out."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page.")
@with_service
def up(service: Service, port: int | None, host: str) -> int:
    """Run everything in this terminal: a private Redis, beat, a worker and the page.

    Ctrl-C stops everything and gives running jobs 10 s to finish. A second Ctrl-C, at least half a second later,
    kills what is left at once.
    """
    from scheduler import up as runner  # starts processes; no other command needs it

    return runner.run(service.settings, port=port, host=host)


@click.command()
@click.argument("pid", type=click.IntRange(1))
@with_service
def reload(service: Service, pid: int) -> int:
    """Let the beat with this process id load the schedule file now, and fail as that does. Needs no Redis.

    A file with errors, or one that would remove most schedules, changes nothing.
    """
    code, said = reloading.ask(service.settings.state_dir, pid)
    for line in said:
        click.echo(f"scheduler: {line}", err=True)
    return code


@click.command(context_settings=AS_IT_IS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> int:
    """Run the linters and every test; with arguments, pytest alone with these."""
    from scheduler.checkout import tests  # needs the development packages

    return tests.run(arguments)


@click.command()
@click.option("--generate", is_flag=True, help="Make a password and print it first.")
def password(generate: bool) -> int:
    """Print the hash of a password for SCHEDULER_ADMIN_PASSWORD_HASH."""
    from werkzeug.security import generate_password_hash

    chosen = (
        secrets.token_urlsafe(16) if generate else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    if generate:
        click.echo(f"password  {chosen}")
    click.echo(generate_password_hash(chosen))
    return Exit.OK


@click.command(context_settings=AS_IT_IS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def install(arguments: tuple[str, ...]) -> int:
    """Put the service on this machine, or bring it up to date; [--dry-run] [--wheels DIR]."""
    return installation.main(["install", *arguments])


@click.command(context_settings=AS_IT_IS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def uninstall(arguments: tuple[str, ...]) -> int:
    """Take the service off this machine; [--dry-run] [--purge]."""
    return installation.main(["uninstall", *arguments])


COMMANDS = (up, reload, test, password, install, uninstall)
