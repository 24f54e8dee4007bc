"""Commands about the service itself: up, reload, test, password, install, uninstall."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import click

from scheduler import installation
from scheduler.cli.common import Service, with_service
from scheduler.cli.printing import say
from scheduler.errors import Exit
from scheduler.process import reload as reloading

AS_IT_IS = {"ignore_unknown_options": True}  #: the arguments are parsed by another parser


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="Port of the page; by default the first free one from 8000."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page.")
@click.option("--read-only", is_flag=True, help="Nobody changes anything on the page.")
@with_service
def up(service: Service, port: int | None, host: str, read_only: bool) -> int:
    """Run Redis, beat, a worker and the page in this terminal.

    Redis is a private one, unless SCHEDULER_REDIS_URL names another. Ctrl-C stops everything and gives running jobs
    10 s to finish. A second Ctrl-C, at least half a second later, kills the rest at once.
    """
    from scheduler import up as runner  # starts processes; no other command needs it

    settings = replace(service.settings, read_only=True) if read_only else service.settings
    return runner.run(settings, port=port, host=host)


@click.command()
@click.argument("pid", type=click.IntRange(1), required=False)
@click.option("--pidfile", type=click.Path(path_type=Path), help="Its pidfile, where /proc does not show it.")
@with_service
def reload(service: Service, pid: int | None, pidfile: Path | None) -> int:
    """Tell the running beat to reload the schedule file.

    PID is needed only if several beats of this service run here.

    Exits with its result. A file with errors, or one that would remove most schedules, changes nothing.
    """
    code, lines = reloading.ask(service.settings.state_dir, pid, pidfile)
    for line in lines:
        say(f"scheduler: {line}", err=True)
    return code


@click.command(context_settings=AS_IT_IS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> int:
    """Run linters and all tests, or with --quick the fast ones.

    Other arguments go to pytest; without --quick, it then runs alone.
    """
    from scheduler.checkout import tests  # needs the development packages

    return tests.run(arguments)


@click.command()
@click.option("--generate", is_flag=True, help="Generate a password and print it too.")
def password(generate: bool) -> int:
    """Hash a password for SCHEDULER_ADMIN_PASSWORD_HASH."""
    from werkzeug.security import generate_password_hash

    chosen = (
        secrets.token_urlsafe(16) if generate else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    if generate:
        click.echo(f"password  {chosen}")
    click.echo(generate_password_hash(chosen))
    return Exit.OK


@click.command(context_settings=AS_IT_IS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def install(arguments: tuple[str, ...]) -> int:
    """Install or upgrade the service on this machine, as root."""
    return installation.main(["install", *arguments])


@click.command(context_settings=AS_IT_IS, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def uninstall(arguments: tuple[str, ...]) -> int:
    """Remove the service from this machine, as root."""
    return installation.main(["uninstall", *arguments])


COMMANDS = (up, reload, test, password, install, uninstall)
