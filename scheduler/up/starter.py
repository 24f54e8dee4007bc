"""The schedule file that ``up`` writes where there is none yet."""

from __future__ import annotations

from scheduler.command_name import command_name, schema_comment
from scheduler.errors import CannotWrite
from scheduler.settings import Settings
from scheduler.up.state import StateDirectory

TEXT = """\
{schema}

# What runs when. Saving this file is enough: beat reads it again within a second.
# `{command} check` reports every mistake, `{command} plan` shows what would change.

timezone: UTC

schedules:

  log-it:
    description: Adds two numbers and logs the sum, to see that everything runs
    task: scheduler.tasks.log_it
    every: 10s
    args: [10, 20]
"""


def write_first_file(settings: Settings, state: StateDirectory) -> bool:
    """Write ``schedules.yaml`` for a first start; return whether it did. A file that was named or removed is missed,
    and a Celery application may have schedules of its own.

    Raises CannotWrite.
    """
    is_first_start = not (settings.celery_app or settings.redis_is_named) and not any(state.redis_data.iterdir())
    if not is_first_start or settings.file != Settings.file or settings.file.exists():
        return False
    try:
        with settings.file.open("x", encoding="utf-8") as file:
            file.write(TEXT.format(schema=schema_comment(), command=command_name()))
    except OSError as error:
        raise CannotWrite(f"cannot write {settings.file.absolute()}: {error.strerror}") from None
    return True
