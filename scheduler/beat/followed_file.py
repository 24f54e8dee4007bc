"""The schedule file as beat follows it: loaded while this beat leads, compared while it stands by."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from celery import Celery

from scheduler import changes, schedule_file
from scheduler.application.beat_schedule import brought
from scheduler.application.queues import queue_of, routes
from scheduler.beat.application_zone import follow_zone
from scheduler.beat.large_load import large_load
from scheduler.beat.lease import Lease
from scheduler.changes import settled
from scheduler.changes.facts import note_settled
from scheduler.errors import Conflict, Exit
from scheduler.events import emit
from scheduler.process.modules import TaskModules
from scheduler.process.reload import Reload
from scheduler.registry import CANNOT_IMPORT, Registered, signatures
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.store import Store
from scheduler.storage.survey import Survey
from scheduler.storage.workers import last_good_imports, reported_tasks
from scheduler.validate.meaning import UNKNOWN_TASK


class FollowedFile(FileWatch):
    """The last result of loading it, and what other beats and the page were told of it."""

    def __init__(self, app: Celery, store: Store, lease: Lease) -> None:
        super().__init__(lease.settings.file)
        self.app = app
        self.modules: TaskModules = app.scheduler_modules
        self.store = store
        self.lease = lease
        self.reload = Reload()
        self.wrong = ""  #: the first problem of the file that was loaded last; empty if it was good
        self.lacks_tasks = False  #: whether it was wrong because tasks were unknown, or modules could not be imported
        self.reported: frozenset[str] = frozenset()  #: the tasks that live workers had when it was loaded
        self.fall_due_after: datetime | None = None  #: after a loss: the file's schedules are due after this instant
        self.registered = Registered({}, {})  #: the tasks that it was judged by
        self.digest = self.told_of = ""

    def load(self, survey: Survey | None = None) -> bool:
        """Load the file if it changed, and return True; after too many conflicts with other changes, in the next tick.

        With a ``survey`` of what is stored, a load that would change nothing is left out. Raises LostLock.
        """
        before = settled.last(self.store) if survey else None
        if before:
            self.follow(before.patterns, certain=True)  # before the first look: a file that is new then is no change
        if self.wrong and self.store.file_facts().get("state") == "applied":
            self.forget()  # a person applied it, with what this beat had refused
        if self.lacks_tasks and self.has_new_tasks():
            self.forget()
        if not self.has_changed():
            return False
        loaded = False
        try:
            self.lease.hold_on(self.store.client)
            follow_zone(self.store, self.app.scheduler_zone, self.lease)
            if survey and before and self.is_settled(before, survey):
                loaded = True
                return True
            with large_load():
                problems = changes.load_for_beat(
                    self.store,
                    self,
                    self.tasks_for,
                    self.lease.token,
                    brought=brought(self.app),
                    since=self.fall_due_after,
                    progress=self.lease.progress,
                    circumstances=self.circumstances,
                    queue_of=partial(queue_of, self.app),
                )
            loaded = True
            if problems is None:  # the file may not be whole yet
                return False
            self.wrong = problems[0] if problems else ""
            self.lacks_tasks = any(UNKNOWN_TASK in problem or CANNOT_IMPORT in problem for problem in problems)
            self.answer(problems)
            self.fall_due_after = None
        except Conflict:
            self.lease.hold_on(self.store.client)
        finally:
            if not loaded:
                self.forget()
        return loaded

    def is_settled(self, before: settled.Settled, survey: Survey) -> bool:
        """Whether a load would change nothing; then everything is as after one."""
        if self.fall_due_after or brought(self.app).sources:
            return False
        self.tasks_for(last_good_imports(self.store.client, self.store.keys) or ())
        if not settled.is_unchanged(self.store, self.path, before, self.circumstances(), survey):
            return False
        note_settled(self.store, self.path)
        self.names, self.wrong, self.lacks_tasks = " ".join(survey.of_file), "", False
        self.answer([])
        return True

    def circumstances(self) -> str:
        """What decides over the file beside its text, as a digest."""
        queues = routes(self.app, self.registered)
        return settled.circumstances(self.registered, self.app.scheduler_zone, self.path, queues)

    def compare(self) -> None:
        """Log that this host's schedule file differs from the one that the leader read; load nothing."""
        if self.has_changed():
            text = schedule_file.read(self.path)
            self.follow(text.patterns, certain=not text.problems, read=text.digest)
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
            wrong = changes.check(self.path, self.tasks_for, brought(self.app)).validated.errors
            self.answer([str(problem) for problem in wrong])

    def tasks_for(self, modules: tuple[str, ...]) -> Registered:
        """The tasks of a file that imports these modules: those of this process, and those of live workers."""
        self.modules.load(modules)
        tasks = signatures(self.app)
        self.reported = reported_tasks(self.store.client, self.store.keys)
        tasks.add(self.reported)
        tasks.name_failures(self.modules.failed)
        self.registered = tasks
        return tasks

    def has_new_tasks(self) -> bool:
        """Whether a module can be imported now that could not be, or live workers have other tasks than before."""
        return self.modules.retry() or reported_tasks(self.store.client, self.store.keys) != self.reported

    def answer(self, problems: list[str]) -> None:
        """Answer a request for a reload with the problems of the file."""
        self.reload.end(Exit.PROBLEMS if problems else Exit.OK, *problems)
