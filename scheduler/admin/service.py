"""The objects that the pages use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from celery import Celery
from flask import current_app

from scheduler.admin.accounts import Accounts
from scheduler.admin.pill import Pill
from scheduler.admin.throttle import Throttle
from scheduler.application.queues import known_queue_of_task
from scheduler.changes import Tasks
from scheduler.registry import file_only, signatures
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.status.catalogue import Catalogue
from scheduler.status.pile_ups import PileUp, PileUps
from scheduler.status.read_model import Detail, Status
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store


@dataclass(frozen=True)
class Service:
    """One per process; its Redis client connects when first used."""

    celery: Celery
    settings: Settings
    tasks: Tasks
    file_only: frozenset[str]  #: tasks whose arguments only the schedule file may set
    store: Store
    ledger: Ledger
    status: Status
    dispatcher: Dispatcher
    catalogue: Catalogue
    pile_ups: PileUps
    accounts: Accounts
    pill: Pill
    throttle: Throttle = field(default_factory=Throttle)
    user: str = ""  #: who asks, for an operation
    is_host: bool = False  #: see ``operations.Parts``

    @classmethod
    def over(cls, celery: Celery) -> Service:
        """Build it for a Celery application; imports the user's task modules."""
        settings = celery.scheduler_settings
        client, keys = connect(settings), Keys(settings.key_prefix)
        store, ledger = Store(client, keys), Ledger(client, keys, settings)
        status, dispatcher = Status(store, ledger), Dispatcher(celery, client, keys, settings)
        tasks, theirs = signatures(celery), file_only(celery)
        catalogue = Catalogue(store, partial(known_queue_of_task, celery))
        accounts, pill = Accounts(settings.accounts, settings.admin_password_hash), Pill(store, settings)
        parts = catalogue, PileUps(store, catalogue), accounts, pill
        return cls(celery, settings, tasks, theirs, store, ledger, status, dispatcher, *parts)

    def pile_up(self, detail: Detail) -> PileUp | None:
        """See ``operations.Parts``."""
        return self.pile_ups.shared_by(detail)


def service() -> Service:
    """The Service of the current application."""
    current: Service = current_app.extensions["scheduler"]
    return current
