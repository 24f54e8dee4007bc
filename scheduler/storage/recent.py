"""How the last runs of a schedule ended, from the lines that the steps which end them write. See ``_recent.lua``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, cast

from scheduler.model import Outcome
from scheduler.model.run import instant_of
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.outcomes import OUTCOMES
from scheduler.storage.records import outcome, read_or

MAX_RECENT = 20  #: as in ``_recent.lua``


class Mark(NamedTuple):
    """A run that ended, or a stretch of skips."""

    due: float  #: epoch seconds; of a stretch, its first due instant
    outcome: Outcome
    duration: float | None  #: seconds that the body took; None where none began


def recent(client: Client, keys: Keys, names: Iterable[str]) -> dict[str, tuple[Mark, ...]]:
    """The newest MAX_RECENT of each of these schedules, the oldest first; one round trip."""
    wanted = list(names)
    with client.pipeline(transaction=False) as pipe:
        for name in wanted:
            pipe.hget(keys.ledger(name), ":recent")
        texts = pipe.execute(raise_on_error=False) if wanted else []
    return {name: read_or((), read_marks, text) for name, text in zip(wanted, texts, strict=True)}


def read_marks(text: object) -> tuple[Mark, ...]:
    """Raises ValueError."""
    return tuple(map(read_mark, reversed(text.splitlines() if isinstance(text, str) else ())))


def read_mark(line: str) -> Mark:
    """Raises ValueError."""
    place, number, took = line.split(" ")
    due = datetime.fromisoformat(instant_of(f"@{place}")).timestamp()
    word = cast("Outcome", outcome(OUTCOMES[int(number)]))
    return Mark(due, word, None if took == "-" else int(took) / 1000)
