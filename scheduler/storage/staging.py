"""Large change sets are written to temporary keys first; the atomic script then only renames them.

Redis serves no other client while a script runs, and accepts at most a million arguments. No reader sees the temporary
keys. A small change set is passed to the script as arguments.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

import redis

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.line import Command, Line
from scheduler.storage.scripts import line_of

CHANGES_PER_PAGE = 500  #: as many are also passed to the script as arguments
STAGED_TTL_S = 600  #: temporary keys expire after this, if the process that wrote them died


class Packed(NamedTuple):
    """A change as ``apply.lua`` reads it; see there."""

    name: str
    expected: str
    operation: Literal["add", "put", "remove"]
    score: float | str
    line: str
    fields: Mapping[str, str]


@contextmanager
def staged(
    client: Client,
    keys: Keys,
    names: Sequence[str],
    changes: Iterator[Packed],
    progress: Callable[[], None],
    wait_s: float,
) -> Iterator[list[str | float]]:
    """The arguments of the script for the changes of these names, from the prefix of the temporary keys on.

    The changes are packed page by page: all of them together would take several times the memory of their schedules.
    Redis may write what the script did to its disk for as long as ``wait_s``, and answers nobody meanwhile.
    """
    if len(names) <= CHANGES_PER_PAGE:
        yield ["", 0, *(part for change in changes for part in flat(change))]
        return
    base = keys.staged(uuid.uuid4().hex)
    line, failed = line_of(client), list[list[Command]]()
    # Reserved before, because the hashes of new entries are written outside the script.
    revision = int(client.incrby(keys.revision, len(names))) - len(names)
    pages = [names[start : start + CHANGES_PER_PAGE] for start in range(0, len(names), CHANGES_PER_PAGE)]
    try:
        for number, page in enumerate(pages, 1):
            packed = [*islice(changes, len(page))]
            commands = page_commands(base, number, packed, revision + number * CHANGES_PER_PAGE - CHANGES_PER_PAGE)
            # Redis takes this page while the next one is packed. A page may be written twice.
            line.post(commands, done=lambda: None, failed=partial(failed.append, commands), in_one_step=False)
            progress()
            repeat(line, failed)
        line.finish()
        repeat(line, failed)
        yield [base, len(pages)]
    finally:
        with suppress(redis.RedisError):  # the keys expire, and what was done is done
            line.finish()  # what is on its way would otherwise come after its removal
            for number, page in enumerate(pages, 1):
                line.call("UNLINK", f"{base}{number}", *(base + name for name in page), wait_s=wait_s)


def repeat(line: Line, failed: list[list[Command]]) -> None:
    """Send what failed once more, and wait; raises what redis-py does. One more may fail meanwhile."""
    while failed:
        line.in_one_step(failed.pop())


def page_commands(base: str, number: int, page: Sequence[Packed], revision: int) -> list[Command]:
    """What writes a page of changes, and the hash of each new entry; revisions count on from this one."""
    key = f"{base}{number}"
    commands: list[Command] = [("DEL", key)]  # a page that is sent again must not hold its changes twice
    parts: list[str | float] = []
    for own, change in enumerate(page, revision + 1):
        if change.operation == "add" and not change.fields["error"]:  # one with an error is also put in an index
            hash_key = base + change.name
            commands.append(("HSET", hash_key, *pairs(change.fields), "revision", own))
            # Longer than its page, by which the script sees that everything is still there.
            commands.append(("EXPIRE", hash_key, 2 * STAGED_TTL_S))
            change = change._replace(fields={})
        parts += flat(change)
    return [*commands, ("RPUSH", key, *parts), ("EXPIRE", key, STAGED_TTL_S)]


def flat(change: Packed) -> list[str | float]:
    """A change as a list, as apply.lua reads it: its fields last, after their count."""
    fields = pairs(change.fields)
    return [*change[:-1], len(fields), *fields]


def pairs(fields: Mapping[str, str]) -> list[str]:
    """Names and values, one after the other."""
    return [part for pair in fields.items() for part in pair]
