"""Our headers in a message: beat writes them, the worker reads them.

Other programs can publish messages with these headers too. So the worker believes the run only beside the run's own
task id, and fills in only references whose digest beat wrote to the ledger.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from celery.app.task import Context

RUN_HEADER = "scheduler_run"  #: header that carries the run's identity to the worker
RETRIES_HEADER = "scheduler_retries"  #: header that carries the schedule's `retries`
RETRYING_HEADER = "scheduler_retrying"  #: header that carries when and after what it is retried, if not the default
KILL_AFTER_HEADER = "scheduler_kill_after"  #: header that carries `kill_after` in seconds, if it is not the default
MAX_MEMORY_HEADER = "scheduler_max_memory"  #: header that carries `max_memory` in bytes
KEEP_RESULT_HEADER = "scheduler_keep_result"  #: header that carries `keep_result` in seconds, if it is not the default
REFERENCES_HEADER = "scheduler_references"  #: header that tells the worker to fill in what the arguments refer to
RUN_NAMESPACE = uuid.UUID("6f9b2a52-6c3e-5a0e-9d2a-0d5c1f4f7d11").bytes


def uuid_text(digest: bytes, version: int) -> str:
    """The same text as ``str(uuid.UUID(bytes=digest, version=version))``, for 16 bytes."""
    # Cut from the hex digits, because uuid.UUID takes five times as long, twice for each message.
    text = digest.hex()
    variant = "89ab"[digest[8] >> 4 & 3]
    return f"{text[:8]}-{text[8:12]}-{version}{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def task_id(run_id: str) -> str:
    """The Celery task id of a run, a UUID of version 5."""
    # From the run's identity, so that a run that is sent again has the same id, and its result one place.
    digest = hashlib.sha1(RUN_NAMESPACE + run_id.encode(), usedforsecurity=False)
    return uuid_text(digest.digest()[:16], 5)


#: The same, for a worker, which asks ten times for each run; a text always has the same id.
known_task_id = lru_cache(maxsize=256)(task_id)


def run_of(request: Context | None) -> str | None:
    """The identity of the run that a request belongs to; None for a task that no schedule sent."""
    identity = header(request, RUN_HEADER)
    # A body that passes its own headers on to another task does not make that task a part of its run.
    if not isinstance(identity, str) or getattr(request, "id", None) != known_task_id(identity):
        return None
    return identity


def run_in(headers: Mapping[str, Any]) -> str | None:
    """The same for the headers of a message."""
    identity = headers.get(RUN_HEADER)
    return identity if isinstance(identity, str) and headers.get("id") == known_task_id(identity) else None


def header(request: Context | None, name: str) -> Any:
    """One of our headers, wherever Celery put it; None if it is missing."""
    value = getattr(request, name, None)
    return value if value is not None else (getattr(request, "headers", None) or {}).get(name)


def header_in(headers: Mapping[str, Any], name: str) -> Any:
    """The same for the headers of a message."""
    value = headers.get(name)
    return value if value is not None else (headers.get("headers") or {}).get(name)
