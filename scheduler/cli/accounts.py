"""What ``check`` says of the accounts as which schedules run."""

from __future__ import annotations

import pwd
from collections.abc import Iterator

from scheduler.changes import Checked
from scheduler.model import Problem

ROOT = (
    "a job as root makes everyone who can write to this Redis root on its host",
    "give it an account that may do just this, or allow it, see docs/security.md",
)


def account_warnings(checked: Checked) -> Iterator[Problem]:
    """A warning for each account that this host does not have, and for root, where it is named first."""
    seen: set[str] = set()
    for name, it in checked.validated.declared.items():
        account = it.schedule.user
        if account is None or account in seen:
            continue
        seen.add(account)
        if wrong := what_is_wrong(account):
            place = checked.positions.nearest(("schedules", name, "user"))
            yield Problem(*wrong, name, "user", place, "warning")


def what_is_wrong(account: str) -> tuple[str, str] | None:
    """Why jobs of this account may not run on this host, and what to do."""
    if account == "root":
        return ROOT
    try:
        pwd.getpwnam(account)
    except KeyError:
        return f"this host has no account '{account}'", "create it, unless its worker is on another host"
    return None
