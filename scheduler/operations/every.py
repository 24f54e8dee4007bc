"""All operations, for the API; a new module's OPERATIONS go into EVERY."""

from __future__ import annotations

from scheduler.operations import audit, backfills, bulk, definitions, file, pauses, runs, schedules, service, sessions
from scheduler.operations.operation import Operation

EVERY: tuple[Operation, ...] = (
    *schedules.OPERATIONS,
    *definitions.OPERATIONS,
    *pauses.OPERATIONS,
    *bulk.OPERATIONS,
    *file.OPERATIONS,
    *runs.OPERATIONS,
    *backfills.OPERATIONS,
    *audit.OPERATIONS,
    *service.OPERATIONS,
    *sessions.OPERATIONS,
)
