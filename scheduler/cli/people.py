"""Commands about who may use the page: people with user, programs with token."""

from __future__ import annotations

import secrets
from typing import Any

import click

from scheduler.cli.common import Service, local, with_service
from scheduler.cli.printing import print_table, say
from scheduler.command_name import as_root, is_installed
from scheduler.errors import ConfigurationError, Exit, NotFound, RefusedChange
from scheduler.model.roles import ROLES
from scheduler.storage.instants import iso

role_option = click.option(
    "--role", type=click.Choice(ROLES), help="What it may do on the page; the present role, or viewer, by default."
)


@click.group()
def user() -> None:
    """Let people use the page, each with a name and a role.

    \b
    viewer    sees everything, changes nothing
    operator  also runs, stops, pauses and skips
    editor    also creates, edits, deletes and undoes
    admin     everything
    """


@user.command()
@click.argument("name")
@role_option
@click.option("--generate", is_flag=True, help="Generate a password and print it.")
@click.option("--no-password", is_flag=True, help="Only the web server of SCHEDULER_USER_HEADER logs the person in.")
@with_service
def add(service: Service, name: str, role: str | None, generate: bool, no_password: bool) -> int:
    """Add a person, or change the role and password of one."""
    from werkzeug.security import generate_password_hash

    from scheduler.admin.accounts import NO_PASSWORD, Account

    if generate and no_password:
        raise click.UsageError("give --generate or --no-password, not both")

    known = accounts_with(service, name)
    refuse_kind(known, name, is_token=False)
    chosen = "" if no_password else secrets.token_urlsafe(16) if generate else ask_password()
    role = role or (known[name].role if name in known else ROLES[0])
    store(service, known | {name: Account(name, role, generate_password_hash(chosen) if chosen else NO_PASSWORD)})
    say(f"{name} is {role}{restart_hint()}")
    if generate:
        click.echo(f"password  {chosen}")
    return Exit.OK


@user.command()
@click.argument("name", default="admin")
@with_service
def link(service: Service, name: str) -> int:
    """Print a link that logs a person in once, within 10 minutes.

    Without NAME, the page's own account.
    """
    from scheduler.admin.accounts import OWNER, read
    from scheduler.storage import sign_in
    from scheduler.up.state import StateDirectory

    known = read(service.settings.accounts)
    if name != OWNER and (name not in known or known[name].is_token):
        raise NotFound(f"there is no user '{name}': `scheduler user list` lists them")
    secret = sign_in.make(service.store.client, service.store.keys, name, by=service.user)
    here = StateDirectory(service.settings.state_dir).page().partition(",")[0].rstrip("/")
    address = service.settings.admin_url or here or "http://127.0.0.1:8000"
    click.echo(f"{address}/login?once={secret}")
    return Exit.OK


@user.command("list")
@with_service
def list_users(service: Service) -> int:
    """List the people and their roles."""
    from scheduler.admin.accounts import read

    people = [it for it in read(service.settings.accounts).values() if not it.is_token]
    print_table(("NAME", "ROLE"), [(it.name, it.role) for it in people])
    return Exit.OK


@user.command()
@click.argument("name")
@with_service
def remove(service: Service, name: str) -> int:
    """Remove a person, whose sessions end at once."""
    drop(service, name, is_token=False)
    say(f"{name} is removed{restart_hint()}")
    return Exit.OK


def accounts_with(service: Service, name: str) -> dict[str, Any]:
    """The accounts of the file, to which this name may be added; raises RefusedChange for a name that is not valid."""
    from scheduler.admin.accounts import read, wrong_name

    if wrong := wrong_name(name):
        raise RefusedChange(f"{name!r}: {wrong}")
    return read(service.settings.accounts)


def refuse_kind(known: dict[str, Any], name: str, *, is_token: bool) -> None:
    """Raise RefusedChange if the name is one of the other kind: people and tokens share their names."""
    if name in known and known[name].is_token != is_token:
        kind, command = ("person", "user") if is_token else ("token", "token")
        raise RefusedChange(f"'{name}' is the name of a {kind}: choose another, or `scheduler {command} remove {name}`")


def ask_password() -> str:
    """A password, typed twice."""
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def drop(service: Service, name: str, *, is_token: bool) -> None:
    """Remove an account; raises NotFound without one of this kind."""
    from scheduler.admin.accounts import read

    known = read(service.settings.accounts)
    if name not in known or known[name].is_token != is_token:
        command = "token" if is_token else "user"
        raise NotFound(f"there is no {command} '{name}': `scheduler {command} list` lists them")
    del known[name]
    store(service, known)


def store(service: Service, known: dict[str, Any]) -> None:
    """Write the file of accounts; raises ConfigurationError if it cannot be written."""
    from scheduler.admin.accounts import write

    path = service.settings.accounts
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(path, known.values())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}: check the directory's owner and mode") from None


def restart_hint() -> str:
    """What is left to do: systemd gives the page its copy of the file when it starts."""
    return f" after `{as_root('systemctl restart celery-admin')}`" if is_installed() else ""


@click.group()
def token() -> None:
    """Let programs use the page, each with a token and a role.

    A program sends it as the header `Authorization: Bearer TOKEN`.
    """


@token.command("add")
@click.argument("name")
@role_option
@with_service
def add_token(service: Service, name: str, role: str | None) -> int:
    """Make a token and print it, once.

    With a name that exists, the token that had it ends.
    """
    from scheduler.admin.accounts import Account, hash_token, make_token

    known = accounts_with(service, name)
    refuse_kind(known, name, is_token=True)
    role = role or (known[name].role if name in known else ROLES[0])
    made = make_token()
    store(service, known | {name: Account(name, role, hash_token(made))})
    say(f"{name} is {role}{restart_hint()}; the token is shown only now")
    click.echo(f"token  {made}")
    return Exit.OK


@token.command("list")
@with_service
def list_tokens(service: Service) -> int:
    """List the tokens, their roles and when each was used last."""
    from scheduler.admin.accounts import read

    tokens = [it for it in read(service.settings.accounts).values() if it.is_token]
    used = last_used(service, [it.mark for it in tokens])
    rows = [(it.name, it.role, when) for it, when in zip(tokens, used, strict=True)]
    print_table(("NAME", "ROLE", "LAST USED"), rows)
    return Exit.OK


def last_used(service: Service, marks: list[str]) -> list[str]:
    """When each token was used last, in words; raises RedisUnavailable."""
    its = service.store
    times = its.client.mget([its.keys.token_used(mark) for mark in marks]) if marks else []
    return [local(iso(float(seconds))) if seconds else "never" for seconds in times]


@token.command("remove")
@click.argument("name")
@with_service
def remove_token(service: Service, name: str) -> int:
    """Remove a token, which then opens nothing."""
    drop(service, name, is_token=True)
    say(f"{name} is removed{restart_hint()}")
    return Exit.OK


COMMANDS = (user, token)
