"""The schedule file as beat follows it: loaded while this beat leads, compared while it stands by."""

from __future__ import annotations

from datetime import datetime

from celery import Celery

from scheduler import changes, schedule_file
from scheduler.application.beat_schedule import brought
from scheduler.beat.application_zone import follow_zone
from scheduler.beat.lease import Lease
from scheduler.errors import Conflict, Exit
from scheduler.events import emit
from scheduler.process.reload import Reload
from scheduler.registry import signatures
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.store import Store


class FollowedFile(FileWatch):
    """The last result of loading it, and what other beats and the page were told of it."""

    def __init__(self, app: Celery, store: Store, lease: Lease) -> None:
        super().__init__(lease.settings.file)
        self.app = app
        self.store = store
        self.lease = lease
        self.reload = Reload()
        self.wrong = ""  #: the first problem of the file that was loaded last; empty if it was good
        self.fall_due_after: datetime | None = None  #: after a loss: the file's schedules are due after this instant
        self.digest = self.told_of = ""

    def load(self) -> None:
        """Load the file if it changed; after too many conflicts with other changes, again in the next tick.

        Raises LostLock.
        """
        if self.wrong and self.store.file_facts().get("state") == "applied":
            self.forget()  # a person applied it, with what this beat had refused
        if not self.has_changed():
            return
        loaded = False
        try:
            self.lease.hold_on(self.store.client)
            follow_zone(self.store, self.app.scheduler_zone, self.lease)
            problems = changes.load_for_beat(
                self.store,
                self,
                signatures(self.app),
                self.lease.token,
                brought=brought(self.app),
                since=self.fall_due_after,
                progress=self.lease.progress,
            )
            self.wrong = problems[0] if problems else ""
            self.answer(problems)
            self.fall_due_after = None
            loaded = True
        except Conflict:
            self.lease.hold_on(self.store.client)
        finally:
            if not loaded:
                self.forget()

    def compare(self) -> None:
        """Log that this host's schedule file differs from the one that the leader read; load nothing."""
        if self.has_changed():
            text = schedule_file.read(self.path)
            self.follow(text.patterns, certain=not text.problems)
            self.digest = text.digest
        client, standby_files = self.store.client, self.store.keys.standby_files
        client.hset(standby_files, self.lease.name, self.digest)
        client.expire(standby_files, 60)
        theirs = self.store.file_facts().get("digest", self.digest)
        # Said once for each version of our file.
        if theirs != self.digest != self.told_of:
            emit("file.differs", file=self.path, digest=self.digest, theirs=theirs)
        self.told_of = self.digest if theirs != self.digest else ""
        if self.reload.is_open:
            wrong = changes.check(self.path, signatures(self.app)).validated.errors
            self.answer([str(problem) for problem in wrong])

    def answer(self, problems: list[str]) -> None:
        """Answer a request for a reload with the problems of the file."""
        self.reload.end(Exit.PROBLEMS if problems else Exit.OK, *problems)
