"""Changes on their way into Redis. Few travel with the step that makes them; many are laid down beside it before.

Redis serves nobody while a script runs, and takes no more than a million arguments: what is laid down costs the step
a renamed key for each new entry, and no reader sees it before.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

PAGE = 500  #: changes that travel together
KEPT = 600  #: seconds after which what was laid down is gone, if who did it died


class Packed(NamedTuple):
    """A change as ``apply.lua`` takes it; see there."""

    name: str
    expected: str
    operation: Literal["add", "put", "remove"]
    score: float | str
    line: str
    fields: Mapping[str, str]


@contextmanager
def laid_down(
    client: Client, keys: Keys, changes: Sequence[Packed], progress: Callable[[], None]
) -> Iterator[list[str | float]]:
    """The arguments of the script for these changes, from the place of the pages on."""
    if len(changes) <= PAGE:
        yield ["", 0, *(part for change in changes for part in flat(change))]
        return
    base = keys.staged(uuid.uuid4().hex)
    revision = int(client.incrby(keys.revision, len(changes))) - len(changes)
    pages = [changes[start : start + PAGE] for start in range(0, len(changes), PAGE)]
    try:
        for number, page in enumerate(pages, 1):
            lay_down(client, base, number, page, revision + number * PAGE - PAGE)
            progress()
        yield [base, len(pages)]
    finally:
        for number, page in enumerate(pages, 1):
            client.unlink(f"{base}{number}", *(base + change.name for change in page))


def lay_down(client: Client, base: str, number: int, page: Sequence[Packed], revision: int) -> None:
    """A page of changes, and the hash of each new entry, which outlives the page; revisions follow on that one."""
    with client.pipeline(transaction=False) as pipe:
        pipe.delete(f"{base}{number}")  # a page that is sent again must not hold its changes twice
        parts: list[str | float] = []
        for own, change in enumerate(page, revision + 1):
            if change.operation == "add":
                pipe.hset(base + change.name, mapping={**change.fields, "revision": own})
                pipe.expire(base + change.name, 2 * KEPT)
                change = change._replace(fields={})
            parts += flat(change)
        pipe.rpush(f"{base}{number}", *parts)
        pipe.expire(f"{base}{number}", KEPT)
        pipe.execute()


def flat(change: Packed) -> list[str | float]:
    pairs = [part for pair in change.fields.items() for part in pair]
    return [*change[:-1], len(pairs), *pairs]
