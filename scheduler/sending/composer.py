"""The message of each run: filled into a template where that is the same, and else built by Celery."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from celery import Celery

from scheduler.model import Entry
from scheduler.sending import message
from scheduler.sending.message import Message, Template
from scheduler.sending.shapes import Shapes
from scheduler.storage.entries import Job

MAX_TEMPLATES = 100_000  #: each is about as long as its message


class Composer:
    """Keeps a template for each entry; with an ``outbox``, the key of that list, it makes calls for another broker."""

    def __init__(self, app: Celery, outbox: str) -> None:
        self.app = app
        self.outbox = outbox
        self._shapes = Shapes(app)
        self._templates: OrderedDict[tuple[str, int, bool], Template | None] = OrderedDict()

    def forget(self) -> None:
        """Drop every template, so that each message is built again."""
        self._shapes.forget()
        self._templates.clear()

    @cached_property
    def _announces(self) -> bool:
        """Whether Celery shall publish a ``task-sent`` event with each message."""
        return bool(self.app.conf.task_send_sent_event)

    def message(self, entry: Entry, job: Job, identity: str, expires: datetime | None, now: datetime) -> Message:
        """The message of one run, from the entry's template; raises CannotCompose."""
        key = (entry.name, entry.revision, expires is not None)
        if self.outbox:
            if not message.has_signal_receivers():  # they would see a message that is never published
                self._once(key, lambda: message.refuse_unsendable(self.app, job, identity, expires))
            return message.for_outbox(job, identity, expires, self.outbox)
        if message.has_signal_receivers() or self._announces:
            return message.compose(self.app, job, identity, expires)
        cached = self._once(key, lambda: self._shapes.template(job, expiring=expires is not None))
        return cached.render(identity, expires, now) if cached else message.compose(self.app, job, identity, expires)

    def _once(self, key: tuple[str, int, bool], make: Callable[[], Template | None]) -> Template | None:
        """What is made once for each revision of an entry; no template where each message is built by itself."""
        if key not in self._templates:
            self._templates[key] = make()
            if len(self._templates) > MAX_TEMPLATES:
                self._templates.popitem(last=False)
        return self._templates[key]
