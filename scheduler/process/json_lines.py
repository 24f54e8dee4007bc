"""Log lines as JSON objects, for SCHEDULER_LOG_FORMAT=json."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from celery import current_task

from scheduler.model import instant_of, read_run_id
from scheduler.sending.headers import run_of


def subject_of(record: logging.LogRecord) -> dict[str, str]:
    """The ``event``, ``schedule``, ``run`` and ``due`` (UTC) of a record, as far as it has them.

    They are an event's own fields, else those of the run in whose body the record was logged.
    """
    fields = getattr(record, "fields", None)
    given = fields if isinstance(fields, dict) else {}
    run = str(given.get("run") or run_of(current_task.request if current_task else None) or "")
    named = {
        "event": str(getattr(record, "event", "")),
        "schedule": str(given.get("schedule") or (read_run_id(run)[0] if run else "")),
        "run": run,
        "due": instant_of(run),
    }
    return {name: text for name, text in named.items() if text}


class JsonLines(logging.Formatter):
    """One line for each record, whatever it says."""

    def format(self, record: logging.LogRecord) -> str:
        """Raises what a wrong record does, as other formatters do."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **subject_of(record),
        }
        if record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(line)
