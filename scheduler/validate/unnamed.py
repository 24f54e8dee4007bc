"""What a `then` says in place of a name: a schedule without a timing, which gets a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from scheduler.model.then import NOT_IN_FOLLOWERS
from scheduler.model.what_runs import KINDS
from scheduler.validate.terms import Finding, Path

CASES = {"success": "succeeded", "failure": "failed or was lost", "always": "ended"}
OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


class Unnamed:
    """The schedules of a file, with those that have no name; ``places`` has where these are written."""

    def __init__(self, schedules: Mapping[str, Any]) -> None:
        self.schedules: dict[str, Any] = dict(schedules)
        self.places: dict[str, Path] = {}
        self.findings: list[Finding] = []
        waiting = [*schedules]
        for name in waiting:  # it grows: what follows may be followed too
            fields = self.schedules[name]
            if isinstance(fields, dict) and isinstance(fields.get("then"), (dict, list)):
                self.schedules[name] = fields | {"then": self.named(name, fields["then"], waiting)}

    def named(self, parent: str, then: Any, waiting: list[str]) -> Any:
        """The value of a `then` with a name for each that has none."""
        place = (*self.place(parent), "then")
        if isinstance(then, list) or is_unnamed(then):
            return self.list_of(parent, "success", then, place, waiting)
        return {when: self.list_of(parent, when, value, (*place, when), waiting) for when, value in then.items()}

    def list_of(self, parent: str, when: str, value: Any, place: Path, waiting: list[str]) -> Any:
        if is_unnamed(value):
            return self.add(parent, when, value, place, waiting)
        if not isinstance(value, list):
            return value
        return [
            self.add(parent, when, item, (*place, index), waiting) if is_unnamed(item) else item
            for index, item in enumerate(value)
        ]

    def add(self, parent: str, when: str, given: Mapping[str, Any], place: Path, waiting: list[str]) -> str:
        """Its name."""
        said = f"Starts when a run of {parent} {CASES.get(when, when)}"
        own = {key: value for key, value in given.items() if key not in NOT_IN_FOLLOWERS}
        fields = {"description": said, **own, "every": "1d", "enabled": False}
        name = next(name for name in names(parent, given) if self.schedules.get(name, fields) == fields)
        if name not in self.schedules:
            self.schedules[name], self.places[name] = fields, place
            waiting.append(name)
            self.findings += [
                Finding((*place, key), f"{key} has no effect on what only starts after another", "delete it", True)
                for key in NOT_IN_FOLLOWERS
                if key in given
            ]
        return name

    def place(self, name: str) -> Path:
        return self.places.get(name, ("schedules", name))

    def placed(self, finding: Finding) -> Finding:
        """The finding where a reader of the file looks for it."""
        if finding.path[:1] != ("schedules",) or len(finding.path) < 2:
            return finding
        return finding._replace(path=(*self.place(str(finding.path[1])), *finding.path[2:]))


def is_unnamed(item: Any) -> bool:
    """Whether it says what runs, instead of naming a schedule."""
    return isinstance(item, dict) and not item.keys().isdisjoint(KINDS)


def names(parent: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Names for it: of the schedule that it follows, and of what it runs."""
    kind = next(kind for kind in KINDS if kind in given)
    value = given[kind][0] if kind == "command" and isinstance(given[kind], list) and given[kind] else given[kind]
    last = str(value).rpartition(".")[2] if kind == "task" else PurePath(str(value)).name if kind == "command" else kind
    name = f"{parent}.{OTHERS.sub('-', last).strip('-') or kind}"
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
