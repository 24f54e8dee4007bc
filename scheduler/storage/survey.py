"""Which entries are stored, without reading them: a leader that starts needs no more of most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.scripts import script

KEYS_PER_STEP = 1000  #: Redis takes 3 ms for them


@dataclass
class Survey:
    """What was found."""

    of_file: set[str] = field(default_factory=set)  #: names of the file's schedules
    of_app: int = 0  #: schedules that the application declares
    is_sound: bool = True  #: whether no entry has an error

    @property
    def declared(self) -> int:
        """How many schedules of the file and of the application are stored."""
        return len(self.of_file) + self.of_app

    def see(self, name: str, origin: str, error: str) -> None:
        """Take in one entry."""
        if origin == "file":
            self.of_file.add(name)
        self.of_app += origin == "app"
        self.is_sound = self.is_sound and not error


def survey(
    client: Client, keys: Keys, names: Iterable[str], progress: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, str, dict[str, str] | None]]:
    """Name, origin and hash of those of these names that have an entry; no hash for one that is as declared."""
    look, wanted = script(client, "survey"), list(names)
    for start in range(0, len(wanted), KEYS_PER_STEP):
        chunk = wanted[start : start + KEYS_PER_STEP]
        for name, answer in zip(chunk, look(args=[keys.entry(name) for name in chunk]), strict=True):
            if isinstance(answer, list):
                stored = dict(zip(answer[::2], answer[1::2], strict=True))
                yield name, stored.get("origin", "redbeat"), stored
            elif answer != "none":
                yield name, answer, None
        progress()
