"""System accounts as which runs go: each has a queue and a worker of its own."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from scheduler.command_name import as_root, is_installed
from scheduler.model.fields import padded

QUEUE_PREFIX = "as@"  #: reserved, so that only ``user:`` leads to the worker of an account
UNIT = "celery-worker-as"
PATTERN = "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"  #: what a name may be for Linux, and also in the name of a unit
IN_UNIT = "[A-Za-z0-9_.-]+"  #: a name that systemd takes as it is
RULE = "write its name, of at most 32 letters, digits, '.', '_' and '-'"
#: root's worker starts only where an administrator allowed it
ALLOW_ROOT = "/etc/celery-scheduler/allow-root"


def read_account(value: object) -> object:
    """Check the name of an account."""
    if not isinstance(value, str) or not re.fullmatch(PATTERN, value.strip()):
        shown = repr(value[:40]) if isinstance(value, str) else "this value"
        raise ValueError(f"{shown} cannot be the name of an account — {RULE}")
    return value.strip()


Account = Annotated[str, BeforeValidator(read_account), WithJsonSchema(padded(PATTERN))]


def queue_of(account: str) -> str:
    """The queue of an account's runs."""
    return QUEUE_PREFIX + account


def account_of(queue: str) -> str:
    """The account whose queue this is; empty for any other queue."""
    return queue.removeprefix(QUEUE_PREFIX) if queue.startswith(QUEUE_PREFIX) else ""


def unit_of(account: str) -> str:
    """The service that runs an account's jobs."""
    return f"{UNIT}@{account}"


def enabling(account: str) -> str:
    """The command that starts the worker of an account, now and at every boot; root's is allowed first."""
    allowed = f"touch {ALLOW_ROOT} && " if account == "root" else ""
    return f"{allowed}systemctl enable --now {unit_of(account)}"


def start_worker(queue: str) -> str:
    """What to do about a queue that no worker takes from."""
    if account := account_of(queue):
        return f"run `{enabling(account)}` on its host"
    if is_installed() and re.fullmatch(IN_UNIT, queue):
        return f"run `{as_root(f'systemctl enable --now celery-worker@{queue}')}` on one of its hosts"
    return f"start a worker for it, with `-Q {queue}`"
