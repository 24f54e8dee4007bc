"""The modules that hold tasks: those of the settings, of the schedule file, and of the last good schedule file."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable

from redis import RedisError

from scheduler import schedule_file
from scheduler.events import emit
from scheduler.registry import CannotImport, import_module
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.workers import last_good_imports

OWN_TASKS = "scheduler.tasks"
RETRY_S = 5.0  #: seconds between two attempts to import a module at least


class TaskModules:
    """Imports them: at the start, and later where another list is loaded or a module is mended."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.source = f"{settings.file}: imports"
        self.imported: set[str] = set()
        self.failed: dict[str, str] = {}  #: why a module of a schedule file cannot be imported
        self.tried_at = 0.0  #: monotonic
        self.wanted: tuple[str, ...] = ()  #: modules of the last good schedule file; at the start, also of the file
        self.is_strict = False  #: whether a module of the file that cannot be imported is an error, as for a command

    def start(self) -> None:
        """Import all once. Raises CannotImport for a module of the settings, and for one of the file if strict.

        Otherwise the file may be wrong, and must not keep beat or a worker from starting.
        """
        if self.imported:
            return
        for module, source in [(OWN_TASKS, "scheduler"), *((it, "SCHEDULER_IMPORTS") for it in self.settings.imports)]:
            import_module(module, source)
            self.imported.add(module)
        file = self.settings.file
        if not self.is_strict:
            self.wanted = schedule_file.imports_of(file)
            self.load(self.wanted)
            return
        for module in schedule_file.read_alone(file).imports:
            if error := self._import(module):
                raise error

    def complete(self) -> None:
        """Import also those of the last good schedule file, if Redis gives them. Raises CannotImport like ``start``."""
        self.start()
        self.wanted = tuple(dict.fromkeys((*self.wanted, *self._ask())))
        self.load(self.wanted)

    def want(self, modules: tuple[str, ...]) -> None:
        """From the next ``follow`` on, import these; may be called in any thread."""
        self.wanted = modules

    def load(self, modules: Iterable[str]) -> bool:
        """Import those of these modules that are not imported yet, logging a failure once; True if one is new.

        Afterwards ``failed`` has none but these.
        """
        importlib.invalidate_caches()
        known, self.failed = self.failed, {}
        before = len(self.imported)
        for module in modules:
            error = self._import(module)
            if error and str(error) != known.get(module):
                emit("imports.failed", problem=error)
        return len(self.imported) > before

    def follow(self) -> bool:
        """Import what another list wants, and from time to time what failed; True if a module is new."""
        missing = {*self.wanted} - self.imported
        return self.load(missing) if missing != self.failed.keys() else self.retry()

    def retry(self) -> bool:
        """Try again what failed, from time to time; True if one is imported now."""
        if not self.failed or time.monotonic() - self.tried_at < RETRY_S:
            return False
        self.tried_at = time.monotonic()
        return self.load([*self.failed])

    def _import(self, module: str) -> CannotImport | None:
        if module in self.imported:
            return None
        try:
            import_module(module, self.source)
        except CannotImport as error:
            self.failed[module] = str(error)
            return error
        self.imported.add(module)
        return None

    def _ask(self) -> tuple[str, ...]:
        """The last good list; empty if there is none, or Redis does not give it: then a worker gets it later."""
        try:
            with connect(self.settings) as client:
                return last_good_imports(client, Keys(self.settings.key_prefix)) or ()
        except RedisError:
            return ()
