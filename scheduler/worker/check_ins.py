"""Check-ins at Sentry's cron monitors, for an application whose sentry-sdk has ``monitor_beat_tasks``.

sentry-sdk opens a check-in in the method with which Celery's beat publishes, and ours sends within Redis. So the worker
opens it. sentry-sdk's own handlers of Celery's signals close it: they find it in the headers of the request.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from celery.app.task import Context
from celery.exceptions import SoftTimeLimitExceeded

from scheduler.events import emit
from scheduler.model import read_run_id
from scheduler.storage.ledger import Ledger
from scheduler.timing import Timing
from scheduler.timing.cron.expression import Cron
from scheduler.timing.rules import AfterLast, Every, OnTheClock
from scheduler.worker.current import timing_of

UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


def open_check_in(request: Context, run_id: str, ledger: Ledger) -> None:
    """Tell Sentry that this attempt starts, where the application asks for that; a failure to do so is only logged.

    Manual runs are not told: they are not what the monitor waits for.
    """
    sdk = sys.modules.get("sentry_sdk")
    integration: Any = sdk.get_client().get_integration("celery") if sdk else None
    if not getattr(integration, "monitor_beat_tasks", False) or "@manual-" in run_id or "@then-" in run_id:
        return
    name, _ = read_run_id(run_id)
    try:
        if sys.modules["sentry_sdk.utils"].match_regex_list(name, integration.exclude_beat_tasks):
            return
        timing = timing_of(ledger, name)
        if timing and (monitor := monitor_of(timing)):
            request.headers.pop("headers", None)  # sentry-sdk's own, from the sending: they would win over these
            request.headers.update(opened(sys.modules["sentry_sdk.crons"], name, monitor))
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # a run does not depend on Sentry
        emit("check_in.failed", run=run_id, error=f"{type(error).__name__}: {error}")


def opened(crons: Any, name: str, monitor: dict[str, Any]) -> dict[str, Any]:
    """Open a check-in; the headers by which sentry-sdk closes it."""
    status = crons.MonitorStatus.IN_PROGRESS
    return {
        "sentry-monitor-slug": name,
        "sentry-monitor-config": monitor,
        "sentry-monitor-start-timestamp-s": f"{time.time():.9f}",
        "sentry-monitor-check-in-id": crons.capture_checkin(monitor_slug=name, monitor_config=monitor, status=status),
    }


def monitor_of(timing: Timing) -> dict[str, Any] | None:
    """Sentry's ``monitor_config``; None for a timing that it cannot say, as by the second, or with ``rrule``."""
    match timing.rule:
        case Every(step=step) | AfterLast(step=step):
            unit = next((unit for unit, length in UNITS.items() if not step % length), "")
            schedule = {"type": "interval", "value": step // UNITS[unit], "unit": unit} if unit else None
        case OnTheClock(readings=Cron(fields=("0", *_)) as cron):
            schedule = {"type": "crontab", "value": " ".join(spelled(cron))}
        case _:
            schedule = None
    return {"schedule": schedule, "timezone": timing.zone} if schedule else None


def spelled(cron: Cron) -> Iterator[str]:
    """Its five fields; where one has ~, which Sentry does not know, the numbers that it stands for."""
    numbers = (cron.minutes, cron.hours, cron.days.dates, cron.months, cron.days.weekdays)
    for text, chosen in zip(cron.fields[1:], numbers, strict=True):
        yield ",".join(map(str, sorted(chosen))) if "~" in text else text
