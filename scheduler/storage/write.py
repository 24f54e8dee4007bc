"""A change of one entry, as ``Store.write`` takes it and as ``apply.lua`` reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.model import Declared, Entry
from scheduler.storage import entries, staging
from scheduler.storage.staging import Packed

NAMES_PER_NOTE = 1000  #: names that apply.lua notes as changed at once


@dataclass(frozen=True, slots=True)
class Write:
    """One entry as it shall be stored, or its removal.

    ``before`` is the entry that the change was computed from (None: it must not exist yet); when it has been
    changed meanwhile, nothing of the whole set of changes is written. Without ``reschedule``, the due instant and
    the place in the index of an entry that exists stay as beat keeps them. ``declared`` is what ``after`` says, where
    it is known already.
    """

    name: str
    before: Entry | None
    after: Entry | None
    reschedule: bool = True
    moved_to: str = ""
    declared: Declared | None = None
    audit: dict[str, Any] = field(default_factory=dict)


def revisions_of(changes: Sequence[Write]) -> int:
    """By how much ``write`` moves the counter of changes for these."""
    if not changes:
        return 0
    is_staged = len(changes) > staging.CHANGES_PER_PAGE
    inside = sum(it.after is not None and not (is_staged and it.before is None) for it in changes)
    return len(changes) * is_staged + inside + -(-len(changes) // NAMES_PER_NOTE)


def pack(change: Write) -> Packed:
    """A change as ``apply.lua`` takes it."""
    before, after = change.before, change.after
    expected = "" if before is None else str(before.revision or "")
    line = json.dumps(change.audit) if change.audit else ""
    if after is None:
        return Packed(change.name, expected, "remove", "", line, {"to": change.moved_to} if change.moved_to else {})
    job = entries.job(after, change.declared)
    fields = entries.encode(after, job)
    seen = {"meta": entries.meta(after.last_run_at, after.total_run_count), "count": str(after.total_run_count)}
    if before is None:
        return Packed(change.name, "", "add", entries.score(after, job.timing), line, fields | seen)
    if not change.reschedule or (before.due == after.due and not before.error):
        del fields["due"]  # beat may have advanced it meanwhile
    counts = (before.last_run_at, before.total_run_count), (after.last_run_at, after.total_run_count)
    if before.error or counts[0] != counts[1]:
        fields |= seen
    where = entries.score(after, job.timing) if change.reschedule else ""
    return Packed(change.name, expected, "put", where, line, fields)
