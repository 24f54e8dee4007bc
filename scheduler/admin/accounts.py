"""The file of accounts: a line ``NAME:ROLE:HASH`` for each person, and for each token of a program.

The hash is Werkzeug's of a password, ``!`` for a person without one, or ``sha256:`` and the SHA-256 of a token, which
is random and needs no slow one. The page reads the file again when it has changed, so that a person who was removed is
out at once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.errors import ConfigurationError
from scheduler.model.roles import ROLES

log = logging.getLogger(__name__)
OWNER = "admin"  #: the account of SCHEDULER_ADMIN_PASSWORD_HASH
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
PASSWORD_HASH = re.compile(r"(scrypt|pbkdf2)(:\w+)+\$[^$]+\$[0-9a-f]+")
TOKEN_HASH = re.compile(r"sha256:[0-9a-f]{64}")
NO_PASSWORD = "!"  # noqa: S105 -- in the place of a hash: only a web server in front logs this person in
TOKEN_START = "scheduler_"  # noqa: S105 -- in each token, so that a search for leaked secrets finds it
HEAD = "# NAME:ROLE:HASH, a line each; `scheduler user` and `scheduler token` write it.\n"


@dataclass(frozen=True)
class Account:
    """A person or a program that the page lets in."""

    name: str
    role: str
    secret: str = field(repr=False)  #: the hash

    @property
    def is_token(self) -> bool:
        """Whether it is a program's, which shows its token with each request and never logs in."""
        return TOKEN_HASH.fullmatch(self.secret) is not None

    @property
    def mark(self) -> str:
        """What Redis knows a token by: the start of its hash, which opens nothing."""
        return self.secret.removeprefix("sha256:")[:16]


def read(path: Path) -> dict[str, Account]:
    """The accounts by name, none without a file; raises ConfigurationError with the line for a file that is wrong."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}: check its path, owner and mode") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not a text file: write it with `scheduler user add`") from None
    if stat.S_IMODE(mode) & 0o037:
        raise ConfigurationError(f"{path}: others may read or change this file: chmod 600 {path}")
    accounts: dict[str, Account] = {}
    for number, text in enumerate(lines, 1):
        if text.strip() and not text.startswith("#"):
            account = read_line(text.strip(), f"{path}:{number}")
            if account.name in accounts:
                raise ConfigurationError(f"{path}:{number}: '{account.name}' is there twice: remove one of the lines")
            accounts[account.name] = account
    return accounts


def read_line(text: str, place: str) -> Account:
    """One line; an error names the place, and never shows the hash."""
    name, role, secret = [*text.split(":", 2), "", ""][:3]
    if wrong := wrong_name(name):
        raise ConfigurationError(f"{place}: {wrong}")
    if role not in ROLES:
        raise ConfigurationError(f"{place}: the role of '{name}' is not one of {', '.join(ROLES)}")
    if secret != NO_PASSWORD and not (PASSWORD_HASH.fullmatch(secret) or TOKEN_HASH.fullmatch(secret)):
        raise ConfigurationError(f"{place}: '{name}' has no hash: write the line with `scheduler user add {name}`")
    return Account(name, role, secret)


def wrong_name(name: str) -> str:
    """What is wrong with the name of an account, with the remedy; empty for a good one."""
    if not NAME.fullmatch(name):
        return "this name is not valid: use up to 64 letters, digits and . _ @ + -, starting with a letter or digit"
    if name == OWNER:
        return f"'{OWNER}' is the account of SCHEDULER_ADMIN_PASSWORD_HASH: choose another name"
    return ""


def write(path: Path, accounts: Iterable[Account]) -> None:
    """Replace the file in one step; only its owner may read it. Raises OSError."""
    lines = (f"{it.name}:{it.role}:{it.secret}\n" for it in sorted(accounts, key=lambda it: it.name))
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(HEAD + "".join(lines))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def make_token() -> str:
    """A new token, for a program to keep."""
    return TOKEN_START + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What the file keeps of a token."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


class Accounts:
    """The accounts of the page: those of the file as it is now, and the one of SCHEDULER_ADMIN_PASSWORD_HASH."""

    def __init__(self, path: Path, owner_hash: str) -> None:
        self.path = path
        self.owner = {OWNER: Account(OWNER, ROLES[-1], owner_hash)} if owner_hash else {}
        self._known: tuple[object, Mapping[str, Account], str] = (self, {}, "")

    @property
    def error(self) -> str:
        """What is wrong with the file; while something is, there are no accounts at all."""
        return self._read()[2]

    @property
    def people(self) -> list[str]:
        """The names of those in the file who log in."""
        return [name for name, it in self._read()[1].items() if not it.is_token and name != OWNER]

    def find(self, name: str) -> Account | None:
        """The account of a person who logs in with a password; None for any other name."""
        account = self._read()[1].get(name)
        return account if account and not account.is_token else None

    def of_token(self, token: str) -> Account | None:
        """The account of a program's token."""
        hashed = hash_token(token)
        return next((it for it in self._read()[1].values() if it.secret == hashed), None)

    def _read(self) -> tuple[object, Mapping[str, Account], str]:
        state = file_state(self.path)
        if self._known[0] != state:
            try:
                self._known = (state, {**self.owner, **read(self.path)}, "")
            except ConfigurationError as error:
                self._known = (state, {}, str(error))
                log.error("the page refuses everyone: %s", error)
        return self._known


def file_state(path: Path) -> object:
    """What changes whenever the file does; None without one."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
