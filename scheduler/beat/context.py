"""What a beat has whether it leads or stands by."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery

from scheduler.beat.backup import Backup
from scheduler.beat.followed_file import FollowedFile
from scheduler.beat.leader_watch import LeaderWatch
from scheduler.beat.lease import Lease
from scheduler.beat.memory import Memory
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store


@dataclass(frozen=True)
class Context:
    """Made once in a process; the roles come and go."""

    app: Celery
    settings: Settings
    client: Client
    keys: Keys
    store: Store
    lease: Lease
    file: FollowedFile
    backup: Backup
    memory: Memory
    watch: LeaderWatch

    @classmethod
    def of(cls, app: Celery) -> Context:
        """The parts for an application that ``scheduler.celeryapp`` configured; connects at the first command."""
        settings: Settings = app.scheduler_settings
        client, keys, lease = connect(settings), Keys(settings.key_prefix), Lease(settings)
        store = Store(client, keys)
        file, backup = FollowedFile(app, store, lease), Backup(store, settings)
        watch = LeaderWatch(lease.name, settings.admin_url)
        return cls(app, settings, client, keys, store, lease, file, backup, Memory(), watch)
