"""The commands that convert jobs from elsewhere: import crontab, import beat-schedule, import django-celery-beat."""

from __future__ import annotations

import click

from scheduler.cli.beat_schedule import beat_schedule
from scheduler.cli.crontab.command import crontab
from scheduler.cli.django_celery_beat import django_celery_beat


@click.group(name="import")
def import_() -> None:
    """Convert jobs from elsewhere into schedules."""


import_.add_command(beat_schedule)
import_.add_command(crontab)
import_.add_command(django_celery_beat)
COMMANDS = (import_,)
