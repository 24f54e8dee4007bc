"""Which file the leader follows, on which host; a live leader's file is not replaced by another one by accident."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from scheduler.command_name import command_name, is_installed
from scheduler.errors import RefusedChange
from scheduler.storage import lock
from scheduler.storage.store import Store

CONFIRM = "--other-file"  #: the option of `apply` that confirms it


def place_of(path: Path) -> dict[str, str]:
    """Facts about a file of this process: its path, its host, and the command of an installed service."""
    command = command_name() if is_installed() else ""
    return {"path": real(path), "host": socket.gethostname(), "command": command}


def real(path: Path) -> str:
    """The path without links; unlike ``Path.resolve``, also of a link to itself."""
    return os.path.realpath(path)


def is_followed(facts: Mapping[str, str], path: Path) -> bool:
    """Whether these facts are about this file; also if there are none yet."""
    place = place_of(path)
    return all(facts.get(key, place[key]) == place[key] for key in ("path", "host"))


def replaced_file(store: Store, path: Path, digest: str) -> str:
    """The leader, and the file that it follows instead of this one; empty if it follows this one, or no beat leads.

    A copy with the same content is the same file.
    """
    leader, facts = lock.holder(store.client, store.keys), store.file_facts()
    if leader is None or is_followed(facts, path) or facts.get("digest") == digest:
        return ""
    return f"the leader, {leader.name}, follows {facts.get('path')} on {facts.get('host', 'another host')}"


def refuse_other_file(theirs: str, path: Path) -> NoReturn:
    """Raise RefusedChange for this file; ``theirs`` is what ``replaced_file`` says of it."""
    command = f"scheduler apply {CONFIRM} {shlex.quote(real(path))}"
    # It is this copy of the service that reads this file, so the command is its own.
    raise RefusedChange(
        f"{theirs}, not {real(path)}, so nothing was changed: edit the leader's file there, "
        f"or replace its schedules by those of this file with `{command}`"
    )
