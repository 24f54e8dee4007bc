"""`import django-celery-beat` with a real Django application on SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.errors import Exit
from scheduler.validate import validate
from tests.support.shell import Shell

APPLICATION = """
import os
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="site.report")
def report(*args, **kwargs):
    return "r"
"""
SETTINGS = """
from pathlib import Path

SECRET_KEY = "x"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"
CELERY_TIMEZONE = TIME_ZONE
INSTALLED_APPS = ["django_celery_beat"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).with_name("site.db")}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
ROWS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from datetime import datetime, timezone
from django.core.management import call_command
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

call_command("migrate", verbosity=0)
ten = IntervalSchedule.objects.create(every=10, period="minutes")
nine = CrontabSchedule.objects.create(minute="0", hour="9", day_of_week="1-5", timezone="America/New_York")
friday = CrontabSchedule.objects.create(minute="0", hour="0", day_of_week="5", day_of_month="13", timezone="UTC")
sunset = SolarSchedule.objects.create(event="sunset", latitude="52.52", longitude="13.40")
once = ClockedSchedule.objects.create(clocked_time=datetime(2030, 12, 24, 18, tzinfo=timezone.utc))


def row(name, **fields):
    PeriodicTask.objects.create(name=name, task="site.report", **fields)


row("Every ten", interval=ten, args="[1]", kwargs='{"a": true}', queue="low", priority=3, expire_seconds=300)
row("at-nine", crontab=nine, description="Before work", expires=datetime(2031, 1, 1, tzinfo=timezone.utc))
row("friday-13", crontab=friday)
row("sunset", solar=sunset, enabled=False)
row("christmas", clocked=once, one_off=True)
row("one", interval=ten, one_off=True, start_time=datetime(2030, 1, 1, tzinfo=timezone.utc))
row("headed", interval=ten, headers='{"x": "y"}')
"""


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """The environment of a Django application with rows of every kind."""
    (tmp_path / "site_app.py").write_text(APPLICATION)
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    subprocess.run(
        [sys.executable, "-c", ROWS], env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True, timeout=120
    )
    return {"SCHEDULER_CELERY_APP": "site_app:app", "PYTHONPATH": str(tmp_path)}


def test_the_rows_are_printed_as_a_file_that_check_accepts(shell: Shell, site: dict[str, str]) -> None:
    printed = shell.apart("import", "django-celery-beat", **site)
    assert printed.code == Exit.OK
    assert "schedule 'headed': PeriodicTask: it has headers, for which the file has no word" in printed.err
    assert "warning: schedule 'friday-13': PeriodicTask: day-of-month and day-of-week: Celery takes" in printed.err
    valid = validate(schedule_file.parse(printed.out, "printed.yaml"), tasks=None)
    assert valid.problems == ()
    fields = {name: item.fields() for name, item in valid.declared.items()}
    assert all(item.pop("task") == "site.report" and item.pop("overlap") == "allow" for item in fields.values())
    assert fields == {
        "Every-ten": {
            "every": "10m", "args": [1], "kwargs": {"a": True}, "queue": "low", "priority": 3, "expires": "5m",
        },
        "at-nine": {
            "cron": "0 9 * * 1-5", "timezone": "America/New_York", "description": "Before work",
            "end": "2031-01-01T00:00:00+00:00",
        },
        "friday-13": {"rrule": "FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR;BYHOUR=0;BYMINUTE=0"},
        "sunset": {"solar": "sunset 52.520000 13.400000", "enabled": False},
        "christmas": {"at": "2030-12-24T18:00:00+00:00"},
        "one": {"every": "10m", "start": "2030-01-01T00:00:00+00:00", "max_runs": 1},
    }  # fmt: skip


def test_compare_shows_the_next_instants_there_and_here(shell: Shell, site: dict[str, str]) -> None:
    compared = shell.apart("import", "django-celery-beat", "--compare", "20", **site)
    assert compared.code == Exit.OK
    blocks: dict[str, list[str]] = {}
    name = ""
    for line in compared.out.splitlines():
        if line.startswith("  "):
            blocks[name].append(line)
        elif line and not line.startswith("#"):
            name = line
            blocks[name] = []
    assert all(lines.pop(0).split() == ["django-celery-beat", "here"] for lines in blocks.values())
    assert {name: len(lines) for name, lines in blocks.items()} == {
        "at-nine": 20, "christmas": 1, "Every-ten": 20, "friday-13": 20, "one": 1, "sunset": 0,
    }  # fmt: skip
    same = [line for name in ("at-nine", "christmas", "friday-13", "one") for line in blocks[name]]
    assert not [line for line in same if "differs" in line]


def test_without_django_celery_beat_it_is_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "django.py").write_text("raise ModuleNotFoundError(\"No module named 'django'\", name='django')\n")
    refused = shell.apart("import", "django-celery-beat", PYTHONPATH=str(tmp_path))
    assert refused.code == Exit.CONFIG
    assert "the application does not use django-celery-beat: No module named 'django' — install it" in refused.err
