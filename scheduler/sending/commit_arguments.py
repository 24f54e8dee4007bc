"""What ``commit.lua`` is told, as one flat list of words: written here, read by ``_commit_arguments.lua``.

The words of ``step`` come first, then those of each ``entry`` with its runs. A test compares what is written with what
Lua reads. Plain functions, because a named tuple for each entry and run costs beat 3 % of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from scheduler.model import Reason

Words = list[str | float]
KEEP = "keep"  #: as ``due_after`` of a manual run, which leaves the entry as it is
APART = "apart"  #: the same for a run that `then` or `run --at` starts; one that is not sent has a row that says why


def step(token: str, now: float, prefix: str, runs_kept: int, ttl_ms: int, commits: int) -> Words:
    """What holds for the whole batch; ``token`` is the lock's, empty for a manual run, which needs no lock.

    A Redis that counts fewer than so many ``commits`` has older data than the leader has seen, and sends nothing.
    """
    return [token, now, prefix, runs_kept, ttl_ms, commits]


def entry(
    name: str,
    revision: str,
    due_before: str,
    due_after: str,
    score: float | str,
    last_run: str,
    overlap: str,
    unusual: Sequence[str | float],
    runs: int,
) -> Words:
    """An entry as it was read and as it shall be: its due instants in epoch microseconds, its score in epoch seconds.

    ``overlap`` is ``Job.rules``; ``last_run`` is JSON for RedBeat's ``meta``; ``unusual`` is what few need; the words
    of so many ``runs`` follow.
    """
    return [name, revision, due_before, due_after, score, last_run, overlap, len(unusual), *unusual, runs]


def unusual(
    resumed: bool, definition: str, due_if_unsent: str, score_if_unsent: float | str, skips: Iterable[Words]
) -> Words:
    """What few entries need: that a pause ended, what else is stored if not every run was sent, and what is skipped.

    ``definition`` is RedBeat's without the pause, empty to leave it; an empty ``score_if_unsent`` keeps the usual
    ``due_after`` and ``score``; ``skips`` are of ``skip``.
    """
    return [int(resumed), definition, due_if_unsent, score_if_unsent, *chain.from_iterable(skips)]


def skip(id: str, due: float, last: float, times: int, reason: Reason, detail: str, *, is_apart: bool = False) -> Words:
    """A stretch of due instants that will not run, the first and the last in epoch seconds.

    One that ``is_apart`` has a row of its own; any other joins the last row if that says the same.
    """
    return [id, due, last, times, reason, detail, int(is_apart)]


def run(id: str, record: str, queue: str, payload: str, expires: float | str) -> Words:
    """A message and its record for the ledger; ``expires`` in epoch seconds as the record has it, empty for never."""
    return [id, record, queue, payload, expires]
