"""The stored form of a schedule: RedBeat's ``definition`` and ``meta``, and our own fields beside them.

An entry that another program saved has only RedBeat's fields, or ours with a ``seen`` that no longer
matches the definition: it is read as Celery means it, and adopted by the leader.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, get_args

from pydantic import ValidationError

from scheduler import references, timing
from scheduler.errors import RefusedChange
from scheduler.model import Declared, Entry, Overlaid, Pause, Policies, Schedule, SkipNext
from scheduler.model.celery_options import OWN_HEADERS
from scheduler.model.entry import Origin
from scheduler.storage.instants import from_micros, from_redbeat, from_seconds, to_micros, to_redbeat_json, to_seconds
from scheduler.storage.job_parts import row_of, rules_of, shared
from scheduler.storage.records import loads, mapping, record
from scheduler.timing import Timing, TimingError

NEVER = -1.0  #: RedBeat ignores scores below zero
FROM_FILE = "only the schedule file may say ${…}, and only where it says so itself"
ORIGINS = get_args(Origin)


class DamagedEntry(RefusedChange, ValueError):
    """What is stored under this name cannot be read as a schedule: change it, or load the file that declares it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What beat needs to send an entry; ``options`` are those of Celery's ``apply_async``."""

    name: str
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    timing: Timing
    policies: Policies
    enabled: bool = True
    max_runs: int | None = None
    pings: bool = False
    references: str = ""  #: digest of the references that the file has in the arguments, empty if there are none
    rules: str = "skip"  #: what may hold a run back, see ``job_parts``
    row: str = ""  #: the part of each run's row that only few schedules need, as JSON
    group: str | None = None


def job(entry: Entry, declared: Declared | None = None) -> Job:
    """Decode an entry for sending; raises DamagedEntry with what is wrong.

    ``declared`` is what its fields say, where that is known already.
    """
    try:
        return foreign_job(entry) if entry.origin == "redbeat" else declared_job(entry, declared or entry.declared())
    except Exception as error:  # stored values are anybody's, and their reader is not only ours
        raise DamagedEntry(one_line(error)) from error


def policies_on_waiting(name: str, stored: Mapping[str, str]) -> Policies:
    """How long a run of the entry with this hash may wait; nothing else is read. Raises DamagedEntry."""
    try:
        if stored.get("origin", "redbeat") == "redbeat":
            return foreign_job(decode(name, stored)).policies
        fields = mapping(loads(stored["fields"]))
        return Policies.model_validate({key: fields[key] for key in ("late_after", "expires") if key in fields})
    except Exception as error:  # as above
        raise DamagedEntry(one_line(error)) from error


def with_arguments(job: Job, arguments: str) -> Job:
    """The job of a run with arguments of its own, as its row has them; the same job for an empty text."""
    if not arguments:
        return job
    args, kwargs = loads(arguments)
    return replace(job, args=tuple(args), kwargs=kwargs, references=references.digest(job.task, args, kwargs))


def one_line(error: Exception) -> str:
    """An error as one line of at most 300 characters and its class's name."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]
    line = " ".join(str(error).split())[:300]
    return line if isinstance(error, (DamagedEntry, TimingError)) else f"{type(error).__name__}: {line}"


def declared_job(entry: Entry, declared: Declared) -> Job:
    """The job of an entry of the file or the page; raises DamagedEntry, or an error of the model or its timing."""
    schedule = declared.schedule
    if entry.fields is not entry.base and (
        wrong := references.added(entry.fields, entry.base if entry.is_declared else {})
    ):
        raise DamagedEntry(f"{wrong[0][0]}: {FROM_FILE}")
    call = schedule.call
    return Job(
        name=entry.name,
        task=call.task,
        args=call.args,
        kwargs=call.kwargs,
        options=options(schedule) | schedule.celery_options,
        timing=declared.timing,
        policies=shared(schedule),
        enabled=schedule.enabled,
        max_runs=schedule.max_runs,
        pings=schedule.ping is not None,
        references=references.digest(*call),
        rules=rules_of(schedule),
        row=row_of(schedule),
        group=schedule.group,
    )


def foreign_job(entry: Entry) -> Job:
    """The job of an entry that another program wrote with RedBeat's API; raises DamagedEntry."""
    definition = entry.fields
    args, kwargs = definition.get("args") or (), definition.get("kwargs") or {}
    if not isinstance(definition["task"], str) or not isinstance(args, (list, tuple)) or not isinstance(kwargs, dict):
        raise DamagedEntry("its definition needs a task name, a list of args and a mapping of kwargs")
    chosen = dict(definition.get("options") or {})
    refuse_our_headers(chosen.get("headers"))
    # Seconds, which Celery counts from the sending: as a policy they do so for each run.
    expires = chosen.pop("expires") if isinstance(chosen.get("expires"), (int, float)) else None
    return Job(
        name=entry.name,
        task=definition["task"],
        args=tuple(args),
        kwargs=kwargs,
        options=chosen,
        timing=timing.from_redbeat(definition["schedule"], entry.zone),
        rules="allow",
        policies=Policies(overlap="allow", expires=None if expires is None else timedelta(seconds=expires)),
        enabled=bool(definition.get("enabled", True)),
    )


def refuse_our_headers(headers: Any) -> None:
    """Raise DamagedEntry for headers that only this service may set, as they tell the worker what the file declared."""
    if not isinstance(headers, Mapping):
        return
    # Celery takes a header called "headers" for the place of all others.
    names = [*headers, *(headers["headers"] if isinstance(headers.get("headers"), Mapping) else ())]
    if ours := [name for name in names if str(name).startswith(OWN_HEADERS)]:
        raise DamagedEntry(f"options.headers: {ours[0]!r} is a header that only beat sets: remove it, or rename yours")


def options(schedule: Schedule) -> dict[str, Any]:
    """What Celery's ``apply_async`` understands of its policies."""
    chosen: dict[str, Any] = {}
    if schedule.sent_to is not None:
        chosen["queue"] = schedule.sent_to
    if schedule.priority is not None:
        chosen["priority"] = schedule.priority
    if schedule.timeout is not None:
        chosen["time_limit"] = schedule.timeout.total_seconds()
    return chosen


def score(entry: Entry, due_timing: Timing | None) -> float:
    """When beat must look at it again, in epoch seconds; NEVER while nothing can make it due."""
    if entry.error or entry.due is None or due_timing is None:
        return NEVER
    if entry.pause is not None:
        return entry.pause.until if entry.pause.until is not None else NEVER
    return to_seconds(due_timing.send_at(entry.due))


def definition(entry: Entry, sent: Job) -> str:
    """RedBeat's ``definition``. What RedBeat cannot say of the timing is put as near as its types allow."""
    # RedBeat knows no pause: without `enabled` off, a stock beat would send a paused entry.
    body = {
        "name": entry.name,
        "task": sent.task,
        "args": list(sent.args),
        "kwargs": sent.kwargs,
        "options": sent.options,
        "schedule": timing.to_redbeat(sent.timing, entry.due, entry.zone),
        "enabled": sent.enabled and entry.pause is None,
    }
    return json.dumps(body)


def meta(last_run_at: datetime | None, total_run_count: int) -> str:
    """RedBeat's ``meta``."""
    return f'{{"last_run_at": {to_redbeat_json(last_run_at)}, "total_run_count": {total_run_count}}}'


def overlay_text(overlay: Mapping[str, Overlaid]) -> str:
    """The overlay as its field has it; most entries have none."""
    return json.dumps({name: asdict(value) for name, value in overlay.items()}) if overlay else "{}"


def encode(entry: Entry, sent: Job | None = None) -> dict[str, str]:
    """Every field of the hash but ``meta``, ``count`` and ``revision``, which change on their own."""
    # An entry of another program has its fields in RedBeat's definition alone, which that program may change.
    fields = json.dumps(entry.fields if entry.origin != "redbeat" else {})
    own = {
        "origin": entry.origin,
        "fields": fields,
        "base": fields if entry.base is entry.fields else json.dumps(entry.base),
        "overlay": overlay_text(entry.overlay),
        "pause": json.dumps(asdict(entry.pause)) if entry.pause else "",
        "skip": json.dumps(asdict(entry.skip)) if entry.skip else "",
        "due": to_micros(entry.due),
        "error": entry.error,
        "zone": entry.zone,
    }
    if entry.error:
        own["error_at"] = ""  # only beat, when it sets an entry aside, knows since when
    if entry.origin != "redbeat":
        own["definition"] = definition(entry, sent or job(entry))
        own["seen"] = digest(own["definition"])
    return own


def digest(written: str) -> str:
    """What ``seen`` holds of the definition that we wrote or took over last."""
    return hashlib.sha1(written.encode(), usedforsecurity=False).hexdigest()


def decode(name: str, stored: Mapping[str, str]) -> Entry:
    """Read an entry from its hash; raises DamagedEntry when not even its frame can be read."""
    try:
        return decode_frame(name, stored)
    except Exception as error:
        raise DamagedEntry(one_line(error)) from error


def decode_frame(name: str, stored: Mapping[str, str]) -> Entry:
    """The entry with its fields as stored, not checked; raises what JSON and the types raise for damage."""
    seen = mapping(loads(stored.get("meta") or "{}"))
    origin = stored.get("origin", "redbeat")
    if origin not in ORIGINS:
        raise DamagedEntry(f"its origin is {origin!r}")
    fields, base = (stored.get(key) or "{}" for key in ("fields", "base"))
    own = mapping(loads(fields))
    overlay = mapping(loads(stored.get("overlay") or "{}"))
    pause = stored.get("pause")
    due = from_micros(str(whole(stored, "due"))) if stored.get("due") else None
    skip = record(SkipNext, loads(stored["skip"])) if stored.get("skip") else None
    # Nothing clears the mark when its instant has passed, so its readers ignore it.
    is_over = skip is not None and (due is None or from_seconds(skip.due) < due)
    return Entry(
        name=name,
        origin=origin,  # type: ignore[arg-type]
        fields=mapping(loads(stored["definition"])) if origin == "redbeat" else own,
        base=own if base == fields else mapping(loads(base)),
        overlay={key: record(Overlaid, value) for key, value in overlay.items()},
        pause=record(Pause, loads(pause)) if pause else None,
        skip=None if is_over else skip,
        due=due,
        last_run_at=from_redbeat(seen.get("last_run_at")),
        total_run_count=int(stored.get("count") or seen.get("total_run_count") or 0),
        revision=whole(stored, "revision"),
        error=stored.get("error", ""),
        zone=stored.get("zone", "UTC"),
    )


def whole(stored: Mapping[str, str], key: str) -> int:
    """A number that is compared as text; raises DamagedEntry where another text would mean the same."""
    text = stored.get(key, "0")
    if text != str(int(text)):
        raise DamagedEntry(f"its {key} is {text!r}")
    return int(text)


def was_changed_outside(stored: Mapping[str, str]) -> bool:
    """Whether another program wrote the definition with RedBeat's own API since we saw it last."""
    return stored.get("seen") != digest(stored.get("definition", ""))


def damaged(name: str, stored: Mapping[str, str], error: str) -> Entry:
    """A stand-in for an entry that cannot be read: kept, shown, never sent; its file can still mend or remove it."""
    origin, revision = stored.get("origin"), stored.get("revision", "")
    return Entry(
        name=name,
        origin=origin if origin in ORIGINS else "redbeat",  # type: ignore[arg-type]
        fields={"task": "?", "raw": stored.get("definition", "")[:2000]},
        revision=int(revision) if re.fullmatch("[1-9][0-9]*", revision) else 0,
        error=error,
    )
