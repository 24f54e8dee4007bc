"""New time zone data between two starts of beat: what is stored follows it, off no calendar and nothing twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.lock import holder
from scheduler.storage.store import Store
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.service import service

pytestmark = pytest.mark.xdist_group("zones")

BERLIN = ZoneInfo("Europe/Berlin")
Follow = Callable[[str], None]


def replaced(directory: Path, berlin: str) -> Path:
    """A directory with the package ``tzdata`` in which Berlin has the rules of another zone."""
    zones = directory / berlin.replace("/", "-") / "tzdata"
    package = Path(str(resources.files("tzdata")))
    shutil.copytree(package, zones, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(zones / "zoneinfo" / berlin, zones / "zoneinfo/Europe/Berlin.new")
    (zones / "zoneinfo/Europe/Berlin.new").replace(zones / "zoneinfo/Europe/Berlin")
    return zones.parent


class Site:
    """A Redis whose beat is started again and again, each time with other zone data."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings, self.directory = settings, directory
        self.client, self.keys = connect(settings), Keys(settings.key_prefix)
        self.store = Store(self.client, self.keys)

    @contextmanager
    def beat(self, berlin: str) -> Iterator[None]:
        """A beat that leads, has loaded the file, and for which Berlin has the rules of that zone."""
        with service(self.settings, PYTHONPATH=str(replaced(self.directory, berlin))) as running:
            running.start("beat")
            until(lambda: holder(self.client, self.keys) and self.client.exists(self.keys.zones), 60, "beat leads")
            until(lambda: self.client.hget(self.keys.file, "digest") or self.store.names(), 60, "the file is loaded")
            yield

    def due(self, name: str) -> datetime:
        due = self.store.get(name).due
        assert due is not None
        return due


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        opened = Site(settings, tmp_path)
        yield opened
        opened.client.close()


def test_stored_instants_follow_new_zone_rules_at_the_next_start_and_people_are_told(site: Site) -> None:
    common = "task: scheduler.tasks.log_it, args: [1, 2], timezone: Europe/Berlin"
    site.settings.file.write_text(
        "schedules:\n"
        f"  yearly: {{{common}, cron: '0 12 1 7 *'}}\n"
        f"  hourly: {{{common}, cron: '0 * * * *'}}\n"
        f"  every: {{{common}, every: 7h}}\n"
        "  elsewhere: {task: scheduler.tasks.log_it, args: [1, 2], timezone: Europe/Paris, cron: '0 12 1 7 *'}\n"
    )
    with site.beat("Europe/Berlin"):
        before = {name: site.due(name) for name in site.store.names()}
    assert before["yearly"].hour == 10
    with site.beat("Europe/London"):
        until(lambda: site.due("yearly") == before["yearly"] + timedelta(hours=1), 60, "it moved")
        assert all(site.due(name) >= before[name] for name in ("hourly", "every"))
        assert site.due("hourly").minute == 0
        assert site.due("elsewhere") == before["elsewhere"]
        [notice] = until(site.store.news, 60, "people are told, after it moved")
        assert notice.startswith("New time zone data moved the next run of 1 schedule (UTC): yearly (")
        assert 0 < site.client.ttl(site.keys.notice("zones")) <= 7 * 86_400
        score = site.client.zscore(site.keys.schedule, site.keys.entry("yearly"))
        assert score == site.due("yearly").timestamp()


def test_a_daily_run_that_ran_today_does_not_run_again_when_its_zone_moves_to_a_later_time(site: Site) -> None:
    at = declare_soon(site)

    def has_run() -> bool:
        nonlocal at
        if site.store.get("daily").total_run_count:
            return True
        if datetime.now(BERLIN) > at + timedelta(seconds=5):  # a busy beat read the file too late for today
            at = declare_soon(site)
        return False

    with site.beat("Europe/Berlin"):
        until(has_run, 90, "it ran")
    with site.beat("Europe/London"):
        until(lambda: site.store.news(), 60, "the zone data is new")
        assert site.due("daily") > datetime.now(UTC) + timedelta(hours=20)
        assert site.store.get("daily").total_run_count == 1
        assert time.time() > at.timestamp()


def declare_soon(site: Site) -> datetime:
    """Declare a daily run for a few seconds from now; returns when."""
    at = datetime.now(BERLIN) + timedelta(seconds=8)
    cron = f"{at.second} {at.minute} {at.hour} * * *"
    fields = f"task: scheduler.tasks.log_it, args: [1, 2], timezone: Europe/Berlin, cron: '{cron}'"
    site.settings.file.write_text(f"schedules:\n  daily: {{{fields}}}\n")
    return at
